"""Everything a text passes on its way: database, API for callbacks, dispatcher and emulator, over real HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import psycopg
import uvicorn
from psycopg.rows import dict_row

from ringfence.api.serve import application
from ringfence.dispatch import outbox
from ringfence.dispatch.engine import Dispatcher
from ringfence.emulator import Emulator
from ringfence.emulator.behaviour import Behaviour, Span
from ringfence.emulator.seeds import AccountSeed, NumberSeed
from ringfence.features.audit_log.values import COMMAND_LINE
from ringfence.features.companies import actions as companies
from ringfence.features.messages.actions.sending import Draft, hand_in
from ringfence.features.messages.model import Message
from ringfence.features.phone_numbers import actions as phone_numbers
from ringfence.features.phone_numbers.values import Listing
from ringfence.features.twilio_settings.values import NewConnection
from ringfence.features.users import actions as users
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.keyring import Keyring
from ringfence.kit.segments import count_segments
from ringfence.providers.twilio.control import TwilioAccount
from ringfence.providers.twilio.records import AccountInfo, TwilioCredentials
from ringfence.providers.twilio.send import SendClient
from ringfence.runtime.build import Runtime, build
from ringfence.runtime.database import Logins
from ringfence.settings import Settings
from ringfence.tenancy.sessions import Tenancy
from ringfence.tenancy.statements import register
from ringfence.worker.supervise import dispatcher
from tests.factories.cluster import Database
from tests.factories.people import cheap_hasher
from tests.factories.texts import number_at_twilio
from tests.factories.waiting import eventually

_NUMBERS = register("tests.stage.numbers", "SELECT id, phone_number FROM phone_numbers WHERE company_id = :company_id")
SECRET_KEY = "stage-secret-key-of-32-characters-or-more"
SEEDS = (
    AccountSeed(
        friendly_name="Cactus",
        account_sid="AC" + "a1" * 16,
        auth_token="a1" * 16,
        numbers=[NumberSeed(phone_number=f"+1602555010{n}") for n in range(4)],
    ),
    AccountSeed(
        friendly_name="Birch",
        account_sid="AC" + "b2" * 16,
        auth_token="b2" * 16,
        numbers=[NumberSeed(phone_number=f"+1415555020{n}") for n in range(4)],
    ),
)
QUICK_NETWORK = Behaviour(
    sent_delay=Span(0.01, 0.03),
    delivered_delay=Span(0.01, 0.03),
    callback_delay=Span(0.0, 0.01),
    price_delay=Span(60, 60),
)
QUICK = {
    "post_timeout_seconds": 0.7,
    "post_grace_seconds": 0.5,
    "unknown_lookup_seconds": 1.0,
    "unconfirmed_after_seconds": 3.0,
    "dispatcher_lease_seconds": 5.0,
}


@dataclass(frozen=True)
class Line:
    """A company, its Twilio account and its senders."""

    company_id: UUID
    account_sid: str
    senders: tuple[UUID, ...]
    numbers: tuple[str, ...]
    api_key: str = field(repr=False)


@dataclass(frozen=True)
class Sent:
    """A text as its sender knows it."""

    line: Line
    id: UUID
    to: str


async def make_line(tenancy: Tenancy, keyring: Keyring, seed: AccountSeed) -> Line:
    """A company connected to one of the emulator's accounts."""
    account_sid, auth_token = seed.account_sid or "", seed.auth_token or ""
    numbers = tuple(number.phone_number for number in seed.numbers)
    now = utc_now()
    async with tenancy.platform() as platform:
        company = await companies.create_company(platform, name=seed.friendly_name)
    async with tenancy.tenant(company.id) as session:
        await companies.open_company(session, actor=COMMAND_LINE)
        _, key = await users.create_api_key(session, actor=COMMAND_LINE, name="send", scope="send")
        await phone_numbers.connect(
            session,
            keyring=keyring,
            actor=COMMAND_LINE,
            new=NewConnection(
                account_sid,
                auth_token,
                None,
                AccountInfo(account_sid, seed.friendly_name, "active", "Full", account_sid),
                now,
            ),
            listing=Listing(account_sid, [number_at_twilio(account_sid, number) for number in numbers], now),
        )
        rows = await session.execute(_NUMBERS, {"company_id": company.id})
        by_number = {row.phone_number: row.id for row in rows}
    return Line(company.id, account_sid, tuple(by_number[number] for number in numbers), numbers, key)


@dataclass
class Stage:
    """One server with two companies, `a` and `b`, and the local Twilio it talks to."""

    database: Database
    runtime: Runtime
    emulator: Emulator
    twilio: httpx.AsyncClient
    a: Line
    b: Line
    _customers: int = 0

    @property
    def tenancy(self) -> Tenancy:
        return self.runtime.tenancy

    def customer(self) -> str:
        """A number nobody has texted yet."""
        self._customers += 1
        return f"+1480555{self._customers:04}"

    # Texts.

    async def send(self, line: Line, *, to: str | None = None, body: str = "", sender: int = 0, **more: Any) -> Sent:
        """Hand in a text as the API does."""
        to = to or self.customer()
        draft = Draft(to_number=to, body=body or f"Hello {to}", from_number=line.numbers[sender], source="api", **more)
        async with self.tenancy.tenant(line.company_id) as session:
            message = await hand_in(session, draft, actor=COMMAND_LINE)
        return Sent(line, message.id, to)

    async def put(
        self, line: Line, count: int, *, priority: int = 3, sender: int = 0, body: str = "Bulk", rate: str = "1"
    ) -> list[Sent]:
        """Texts of a priority that the API does not hand out, in one transaction; `rate` is the sender's."""
        now, made = utc_now(), list[Sent]()
        segments = count_segments(body).segments
        async with self.tenancy.tenant(line.company_id) as session:
            for _ in range(count):
                text = Sent(line, new_id(), self.customer())
                session.add(
                    Message(
                        id=text.id,
                        conversation_id=None,
                        phone_number_id=line.senders[sender],
                        direction="outbound",
                        status="queued",
                        from_number=line.numbers[sender],
                        to_number=text.to,
                        body=body,
                        encoding="GSM-7",
                        num_segments=segments,
                        source="api",
                        created_at=now,
                        updated_at=now,
                    )
                )
                made.append(text)
            await session.flush()
            for text in made:
                await outbox.enqueue(
                    session,
                    message_id=text.id,
                    sender_id=line.senders[sender],
                    priority=priority,
                    segments=segments,
                    due_at=now - timedelta(seconds=1),
                    segments_per_second=Decimal(rate),
                )
        return made

    async def set_rate(self, per_second: float) -> None:
        """Every number's rate, in segments a second."""
        await self.change("UPDATE phone_numbers SET segments_per_second = %(rate)s", rate=per_second)

    # What is known of them here and there.

    def look(self, query: str, **values: Any) -> list[dict[str, Any]]:
        """What is in the database, as its administrator sees it."""
        with psycopg.connect(self.database.admin_url, autocommit=True, row_factory=dict_row) as admin:
            return admin.execute(query, values).fetchall()  # pyright: ignore

    async def change(self, statement: str, **values: Any) -> int:
        """Change rows behind the server's back; how many. In a thread: the event loop may hold the rows' locks."""

        def run() -> int:
            with psycopg.connect(self.database.admin_url, autocommit=True) as admin:
                return admin.execute(statement, values).rowcount  # pyright: ignore

        return await asyncio.to_thread(run)

    def record(self, text: Sent) -> dict[str, Any]:
        (row,) = self.look("SELECT * FROM sms_messages WHERE id = %(id)s", id=text.id)
        return row

    def timeline(self, text: Sent) -> list[tuple[str, dict[str, Any]]]:
        rows = self.look(
            "SELECT kind, detail FROM message_events WHERE message_id = %(id)s ORDER BY at, id", id=text.id
        )
        return [(row["kind"], row["detail"]) for row in rows]

    async def until(self, texts: Sequence[Sent], *statuses: str, within: float = 15.0) -> None:
        """Wait until every text has one of the statuses."""

        async def missing() -> dict[str, str] | None:
            found = {row["id"]: row["status"] for row in self.look("SELECT id, status FROM sms_messages")}
            other = {text.to: found[text.id] for text in texts if found[text.id] not in statuses}
            return other or None

        async def done() -> bool:
            return await missing() is None

        try:
            await eventually(done, within=within)
        except AssertionError:
            raise AssertionError(f"not {statuses} within {within} s: {await missing()}") from None

    async def until_id(self, message_id: str, status: str, within: float = 15.0) -> None:
        """Wait until a text that the API handed in has a status."""

        async def done() -> bool:
            (row,) = self.look("SELECT status FROM sms_messages WHERE id = %(id)s", id=message_id)
            return row["status"] == status

        await eventually(done, within=within)

    async def creates(self, text: Sent) -> dict[str, Any]:
        """What the emulator counted for a text."""
        report = (await self.twilio.get("/emulator/creates", params={"message_id": str(text.id)})).json()
        return report["creates"].get(str(text.id), {"received": 0, "accepted": 0, "sids": [], "attempts": {}})

    async def doubles(self) -> dict[str, Any]:
        return (await self.twilio.get("/emulator/creates", params={"over": 1})).json()["creates"]

    def accepted(self) -> list[Any]:
        """The emulator's messages in the order in which it made them, with exact times.

        Its interface shows whole seconds, as Twilio does; pacing needs more.
        """
        return list(self.emulator._exchange.world.messages.values())

    async def fault(self, kind: str, text_to: str | None = None, **more: Any) -> None:
        answer = await self.twilio.post("/emulator/faults", json={"kind": kind, "number": text_to, **more})
        assert answer.status_code == 201, answer.text

    async def clear_faults(self) -> None:
        await self.twilio.delete("/emulator/faults")

    async def point_webhooks(self) -> None:
        """Tell the emulator's numbers where their texts go."""
        for line, seed in ((self.a, SEEDS[0]), (self.b, SEEDS[1])):
            (path,) = self.look(
                "SELECT webhook_path FROM twilio_settings WHERE company_id = %(id)s", id=line.company_id
            )
            url = self.runtime.gateway.webhook_url(path["webhook_path"], "inbound")
            credentials = TwilioCredentials(line.account_sid, line.account_sid, seed.auth_token or "")
            async with TwilioAccount(credentials, api_url=self.runtime.settings.twilio_api_url) as account:
                for number in await account.list_numbers():
                    await account.set_number_webhooks(number.sid, sms_url=url)

    async def inbound(self, customer: str, number: str, body: str) -> dict[str, Any]:
        """A customer texts a company; what the company's webhook answered."""
        answer = await self.twilio.post(
            "/emulator/inbound", json={"from": customer, "to": number, "body": body, "account_sid": None}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    # Dispatchers.

    @asynccontextmanager
    async def dispatching(self, runtime: Runtime | None = None) -> AsyncIterator[Dispatcher]:
        """A dispatcher at work; it is stopped in order at the end."""
        runtime = runtime or self.runtime
        async with send_client(runtime.settings) as client:
            engine, stop = dispatcher(runtime, client), asyncio.Event()
            running = asyncio.create_task(engine.run(stop))
            try:
                yield engine
            finally:
                stop.set()
                await asyncio.wait_for(running, 15)


@asynccontextmanager
async def send_client(settings: Settings) -> AsyncIterator[SendClient]:
    client = SendClient(
        settings.twilio_api_url,
        timeout_seconds=settings.post_timeout_seconds,
        max_connections=settings.dispatch_in_flight,
    )
    await client.start()
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def open_stage(
    database: Database, *, network: Behaviour = QUICK_NETWORK, **settings: Any
) -> AsyncIterator[Stage]:
    """The stage without a dispatcher; see `Stage.dispatching`."""
    emulator = Emulator(SEEDS, seed=7, behaviour=network)
    await emulator.start()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        public_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        runtime = build_runtime(database, public_url, emulator.base_url, **settings)
        try:
            async with (
                _serving(runtime, listener),
                httpx.AsyncClient(base_url=emulator.base_url, timeout=30) as twilio,
            ):
                lines = [await make_line(runtime.tenancy, runtime.keyring, seed) for seed in SEEDS]
                stage = Stage(database, runtime, emulator, twilio, *lines)
                await stage.point_webhooks()
                await stage.set_rate(1000)
                yield stage
        finally:
            await emulator.stop()
            await runtime.close()


def build_runtime(database: Database, public_url: str, twilio_api_url: str, **settings: Any) -> Runtime:
    chosen = Settings(
        secret_keys=SECRET_KEY,  # pyright: ignore
        public_url=public_url,
        twilio_api_url=twilio_api_url,
        **{**QUICK, **settings},
    )
    return build(chosen, Logins(database.app_url, database.platform_url), hasher=cheap_hasher())


@asynccontextmanager
async def _serving(runtime: Runtime, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(application(runtime), log_config=None, access_log=False, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve(sockets=[listener]))

    async def started() -> bool:
        return server.started

    await eventually(started)
    try:
        yield
    finally:
        server.should_exit = True
        await running
