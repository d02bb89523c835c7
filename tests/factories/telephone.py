"""Two companies that telephone: the API on a real port, a worker, and the emulator with everybody's telephones.

@pytest.fixture
async def telephone(database: Database, tmp_path: Path) -> AsyncIterator[Telephone]:
    async with open_telephone(database, tmp_path) as telephone:
        yield telephone
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from ringfence.emulator import AccountSeed, Behaviour, Emulator, NumberSeed, Span
from ringfence.features.calls.actions.addresses import CallAddresses
from ringfence.features.users.values import PasswordHasher
from ringfence.jobqueue.jobs import Job, JobContext
from ringfence.providers.twilio.signature import expected_signature
from ringfence.runtime.build import Runtime
from ringfence.worker.registry import handlers
from tests.factories.cluster import Database
from tests.factories.people import PASSWORD, CompanyWithPeople, Scope, cheap_hasher, make_company
from tests.factories.stage import _serving, build_runtime
from tests.factories.waiting import eventually
from tests.integration.jobs.jobs_world import working

LIVELY = Behaviour(
    callback_delay=Span(0, 0),
    price_delay=Span(60, 60),
    dial_delay=Span(0.02, 0.02),
    answer_delay=Span(0.02, 0.02),
    talk_time=Span(0.1, 0.1),
    say_time=Span(0.01, 0.01),
    recording_delay=Span(0.05, 0.05),
)
CONTACT, STRANGER = "+16025550990", "+16025550991"
TABLES = ("calls", "call_legs", "call_recordings", "call_settings", "call_ring_order")


@dataclass
class Line:
    """A company and its account; `phones` are its people's: admin, manager, agent."""

    company: CompanyWithPeople
    account_sid: str
    auth_token: str = field(repr=False)
    number: str
    phones: tuple[str, str, str]
    webhook_path: str = field(default="", repr=False)

    @property
    def company_id(self) -> UUID:
        return self.company.company_id


@dataclass
class Telephone:
    """`client` talks to the API, `twilio` to the emulator; `a` and `b` are the companies."""

    database: Database
    runtime: Runtime
    emulator: Emulator
    client: httpx.AsyncClient
    twilio: httpx.AsyncClient
    a: Line
    b: Line

    async def call(
        self, method: str, path: str, line: Line, *, scope: Scope = "admin", **request: Any
    ) -> httpx.Response:
        return await self.client.request(method, path, headers=line.company.headers(scope), **request)

    async def get(self, path: str, line: Line, **params: Any) -> Any:
        answer = await self.call("GET", path, line, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ask_for(self, line: Line, **body: Any) -> httpx.Response:
        """Click-to-call by API key, for the company's agent unless `user_id` says otherwise."""
        chosen = {"to": CONTACT, "user_id": str(line.company.agent.id)} | body
        return await self.call("POST", "/api/calls", line, scope="send", json=chosen)

    async def place(self, line: Line, **body: Any) -> dict[str, Any]:
        answer = await self.ask_for(line, **body)
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def set_up(self, line: Line, **settings: Any) -> None:
        answer = await self.call("PATCH", "/api/call-settings", line, json=settings)
        assert answer.status_code == 200, answer.text

    async def behave(self, number: str, **manners: Any) -> None:
        answer = await self.twilio.post(f"/emulator/phones/{number}/behaviour", json=manners)
        assert answer.status_code == 200, answer.text

    async def dial_in(self, line: Line, *, sender: str = CONTACT) -> str:
        """A customer calls the company; Twilio's SID of the call."""
        body = {"account_sid": line.account_sid, "from": sender, "to": line.number}
        answer = await self.twilio.post("/emulator/call", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["call_sid"]

    async def legs(self) -> list[dict[str, Any]]:
        """What the emulator has, newest first."""
        return (await self.twilio.get("/emulator/calls")).json()["calls"]

    async def fault(self, kind: str, **more: Any) -> None:
        answer = await self.twilio.post("/emulator/faults", json={"kind": kind, "operation": "call", **more})
        assert answer.status_code == 201, answer.text

    async def until(self, line: Line, call_id: str, *statuses: str) -> dict[str, Any]:
        """The call, once it has one of the statuses."""
        found: dict[str, Any] = {}

        async def reached() -> bool:
            found.update(await self.get(f"/api/calls/{call_id}", line))
            return found["status"] in statuses

        try:
            await eventually(reached)
        except AssertionError:
            raise AssertionError(f"not {statuses}: {found}") from None
        return found

    async def ended(self, line: Line, call_id: str) -> dict[str, Any]:
        """The call, once every telephone in it has hung up."""
        found: dict[str, Any] = {}

        async def over() -> bool:
            found.update(await self.get(f"/api/calls/{call_id}", line))
            return bool(found["legs"]) and all(leg["ended_at"] for leg in found["legs"])

        await eventually(over)
        return found

    async def only(self, line: Line) -> str:
        """The id of the company's only call."""

        async def there() -> str | None:
            items = (await self.get("/api/calls", line))["items"]
            return items[0]["id"] if items else None

        call_id = await eventually(there)
        assert call_id is not None
        return call_id

    async def sound(self, line: Line, call_id: str) -> dict[str, Any]:
        """The call's first recording, once it is stored."""

        async def stored() -> dict[str, Any] | None:
            recordings = (await self.get(f"/api/calls/{call_id}", line))["recordings"]
            return recordings[0] if recordings and recordings[0]["status"] == "stored" else None

        recording = await eventually(stored)
        assert recording is not None
        return recording

    async def run(self, line: Line, job: Job) -> None:
        """What a worker does with one job."""
        await handlers(self.runtime)[type(job)](JobContext(self.runtime.tenancy, line.company_id), job)

    # Twilio's side of the webhooks, for what the emulator would not do.

    def addresses(self, line: Line) -> CallAddresses:
        return CallAddresses(self.runtime.keyring, self.runtime.gateway, line.company_id, line.webhook_path)

    async def webhook(
        self, line: Line, url: str, fields: dict[str, str], *, token: str | None = None
    ) -> httpx.Response:
        """A request as the line's account signs it, or somebody with another token."""
        form = {"AccountSid": line.account_sid, "ApiVersion": "2010-04-01", **fields}
        signature = expected_signature(token or line.auth_token, url, list(form.items()))
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Twilio-Signature": signature,
        }
        return await self.client.post(url, content=urlencode(form), headers=headers)

    def stored(self, line: Line, *tables: str) -> dict[str, list[dict[str, Any]]]:
        """Every column of a company's rows, as the administrator sees them."""
        with psycopg.connect(self.database.admin_url, row_factory=dict_row) as connection:
            return {
                table: connection.execute(
                    sql.SQL("SELECT * FROM {} AS t WHERE company_id = %s ORDER BY t::text").format(
                        sql.Identifier(table)
                    ),
                    [line.company_id],
                ).fetchall()
                for table in tables or TABLES
            }

    async def change(self, statement: str, *values: object) -> None:
        """Change the database behind the application's back."""

        def run() -> None:
            with psycopg.connect(self.database.admin_url, autocommit=True) as connection:
                assert connection.execute(statement, values).rowcount > 0  # pyright: ignore

        await asyncio.to_thread(run)


def _seed(line: Line) -> AccountSeed:
    return AccountSeed(
        friendly_name=line.company.name,
        account_sid=line.account_sid,
        auth_token=line.auth_token,
        numbers=[NumberSeed(phone_number=line.number)],
    )


@asynccontextmanager
async def open_telephone(
    database: Database, folder: Path, *, worker: bool = True, **settings: Any
) -> AsyncIterator[Telephone]:
    """Everything up and connected; without `worker` the jobs wait until a test runs them."""
    emulator = Emulator(behaviour=LIVELY)
    await emulator.start()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        public_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        runtime = build_runtime(database, public_url, emulator.base_url, media_dir=str(folder / "media"), **settings)
        try:
            async with (
                _serving(runtime, listener),
                httpx.AsyncClient(base_url=public_url, timeout=30) as client,
                httpx.AsyncClient(base_url=emulator.base_url, timeout=30) as twilio,
            ):
                a, b = await _lines(runtime, cheap_hasher())
                telephone = Telephone(database, runtime, emulator, client, twilio, a, b)
                for line in (a, b):
                    await _connect(telephone, line)
                if worker:
                    async with working(runtime.tenancy, database, handlers(runtime)):
                        yield telephone
                else:
                    yield telephone
        finally:
            await emulator.stop()
            await runtime.close()


async def _lines(runtime: Runtime, hasher: PasswordHasher) -> tuple[Line, Line]:
    password_hash = await hasher.hash(PASSWORD)
    cactus = await make_company(runtime.tenancy, "Cactus Plumbing", password_hash)
    birch = await make_company(runtime.tenancy, "Birch Dental", password_hash)
    return (
        Line(cactus, "AC" + "a1" * 16, "a1" * 16, "+16025550101", ("+16025550171", "+16025550172", "+16025550173")),
        Line(birch, "AC" + "b2" * 16, "b2" * 16, "+14155550201", ("+14155550271", "+14155550272", "+14155550273")),
    )


async def _connect(telephone: Telephone, line: Line) -> None:
    telephone.emulator._exchange.world.add_account(_seed(line))
    body = {"account_sid": line.account_sid, "auth_token": line.auth_token, "set_webhooks": True}
    answer = await telephone.call("POST", "/api/twilio-settings", line, json=body)
    assert answer.status_code == 201, answer.text
    assert [item["result"] for item in answer.json()["webhook_outcomes"]] == ["set"]
    for person, phone in zip(line.company.people, line.phones, strict=True):
        answer = await telephone.call("PUT", f"/api/users/{person.id}/phone", line, json={"phone": phone})
        assert answer.status_code == 200, answer.text
    with psycopg.connect(telephone.database.admin_url) as connection:
        row = connection.execute(
            "SELECT webhook_path FROM twilio_settings WHERE company_id = %s", [line.company_id]
        ).fetchone()
    assert row is not None
    line.webhook_path = row[0]
