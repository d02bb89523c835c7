"""Two companies whose Twilio accounts have a past, and what the worker does with their syncs.

A test module (or conftest) defines its fixtures from these:

    @pytest.fixture
    async def emulator() -> AsyncIterator[Emulator]:
        async with sync_emulator() as emulator:
            yield emulator

    @pytest.fixture
    def more_services(emulator: Emulator, tmp_path: Path) -> tuple[object, ...]:
        return texting_services(tmp_path, api_url=emulator.base_url)

    @pytest.fixture
    async def syncing(world: World, client: httpx.AsyncClient, database: Database, emulator: Emulator) -> …:
        async with open_syncing(world, client, database, emulator) as syncing:
            yield syncing
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
from psycopg.rows import dict_row

from ringfence.emulator import AccountSeed, Behaviour, Emulator, NumberSeed, Span
from ringfence.features.sync.jobs import BeginSweepHandler, RunSyncHandler
from ringfence.features.sync.values import BeginSweep, RunSync
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.clock import utc_now
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.runtime.receiving import AFTER_RECEIVING
from tests.factories.cluster import Database
from tests.factories.people import Scope
from tests.factories.texts import CUSTOMER, Line, Texting, make_texting
from tests.factories.world import BASE_URL, World

SYNC = "/api/twilio/sync"
LONG_AGO = datetime(2026, 1, 5, 9, tzinfo=UTC)
NETWORK = Behaviour(
    sent_delay=Span(0.01, 0.01),
    delivered_delay=Span(0.01, 0.01),
    callback_delay=Span(0, 0),
    price_delay=Span(0.01, 0.01),
)
_SEEDS = (
    ("Cactus", "AC" + "a1" * 16, "aa11" * 8, ("+16025550101", "+16025550102")),
    ("Birch", "AC" + "b2" * 16, "bb22" * 8, ("+14155550201", "+14155550202")),
)


def text_in(sender: str, to: str, at: datetime, body: str = "Hi", **more: Any) -> dict[str, Any]:
    """A text of the past from a customer."""
    return {
        "from": sender,
        "to": to,
        "body": body,
        "direction": "inbound",
        "status": "received",
        "at": at.isoformat(),
        **more,
    }


def text_out(sender: str, to: str, at: datetime, body: str = "Hello", **more: Any) -> dict[str, Any]:
    """A text of the past that another program sent for the company."""
    what = {"direction": "outbound-api", "status": "delivered", "price": "-0.00750"}
    return {"from": sender, "to": to, "body": body, "at": at.isoformat(), **what, **more}


@dataclass
class Syncing:
    """`twilio` talks to the emulator. Nothing runs by itself: `work` does what a worker does."""

    texting: Texting
    twilio: httpx.AsyncClient
    gateway: TwilioGateway

    @property
    def a(self) -> Line:
        return self.texting.a

    @property
    def b(self) -> Line:
        return self.texting.b

    async def history(
        self, line: Line, texts: Sequence[dict[str, Any]] = (), calls: Sequence[dict[str, Any]] = ()
    ) -> dict[str, list[str]]:
        """Give the line's account a past; the SIDs."""
        answer = await self.twilio.post(
            "/emulator/history", json={"account_sid": line.account_sid, "texts": list(texts), "calls": list(calls)}
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def ask(self, line: Line, what: str = "messages", *, scope: Scope = "admin", **body: Any) -> httpx.Response:
        request = {"json": body} if body else {}
        return await self.texting.call("POST", f"{SYNC}/{what}", line, scope=scope, **request)

    def handler(self, *, page_size: int = 20) -> RunSyncHandler:
        return RunSyncHandler(self.gateway, self.texting.world.keyring, AFTER_RECEIVING, page_size=page_size)

    def context(self, line: Line) -> JobContext:
        return JobContext(self.texting.world.tenancy, line.company_id)

    async def work(self, line: Line, *, page_size: int = 20) -> None:
        """What a worker does with the line's runs, until none is under way or all wait."""
        for row in self.runs(line):
            if row["finished_at"] is None:
                await self.handler(page_size=page_size)(self.context(line), RunSync(run_id=row["id"]))

    async def sync(self, line: Line, what: str = "messages", *, page_size: int = 20, **body: Any) -> dict[str, Any]:
        """Ask for a sync and do it; the run."""
        answer = await self.ask(line, what, **body)
        assert answer.status_code == 202, answer.text
        await self.work(line, page_size=page_size)
        runs = (await self.status(line))["runs"]
        return next(run for run in runs if run["id"] == answer.json()["id"])

    async def sweep(self, line: Line, *, page_size: int = 20) -> dict[str, Any]:
        """The standing sweep's turn; what the status says of it."""
        await BeginSweepHandler()(self.context(line), BeginSweep())
        await self.work(line, page_size=page_size)
        return (await self.status(line))["sweeps"]

    async def status(self, line: Line) -> dict[str, Any]:
        return await self.texting.get(f"{SYNC}/status", line)

    def runs(self, line: Line) -> list[dict[str, Any]]:
        return sorted(self.texting.stored(line, "sync_runs")["sync_runs"], key=lambda row: row["created_at"])

    async def messages(self, line: Line) -> list[dict[str, Any]]:
        """All the company's texts, oldest first."""
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = await self.texting.get(
                "/api/sms/messages", line, limit=200, **({"cursor": cursor} if cursor else {})
            )
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found[::-1]

    async def thread(self, line: Line, outside: str = CUSTOMER) -> dict[str, Any]:
        """The company's conversation with an outside number."""
        items = (await self.texting.get("/api/sms/conversations", line, limit=200))["items"]
        (found,) = [item for item in items if item["outside_number"] == outside]
        return found

    def connected(self, line: Line, ago: timedelta) -> None:
        """The line's account was connected so long ago."""
        self.texting.change(
            "UPDATE twilio_settings SET created_at = %s WHERE company_id = %s", utc_now() - ago, line.company_id
        )

    async def fault(self, kind: str, **more: Any) -> None:
        answer = await self.twilio.post("/emulator/faults", json={"kind": kind, "operation": "read", **more})
        assert answer.status_code == 201, answer.text

    def jobs(self, kind: str) -> list[dict[str, Any]]:
        """Jobs of a kind that wait in the queue, of all companies."""
        with psycopg.connect(self.texting.database.admin_url, row_factory=dict_row) as connection:
            return connection.execute(
                "SELECT * FROM procrastinate_jobs WHERE task_name = %s AND status = 'todo'", [kind]
            ).fetchall()

    def ids(self, line: Line) -> set[UUID]:
        return {row["id"] for row in self.texting.stored(line, "sms_messages")["sms_messages"]}


@asynccontextmanager
async def sync_emulator() -> AsyncIterator[Emulator]:
    seeds = [
        AccountSeed(
            friendly_name=name,
            account_sid=sid,
            auth_token=token,
            numbers=[NumberSeed(phone_number=number) for number in numbers],
        )
        for name, sid, token, numbers in _SEEDS
    ]
    emulator = Emulator(seeds, behaviour=NETWORK)
    await emulator.start()
    try:
        yield emulator
    finally:
        await emulator.stop()


@asynccontextmanager
async def open_syncing(
    world: World, client: httpx.AsyncClient, database: Database, emulator: Emulator
) -> AsyncIterator[Syncing]:
    texting = await make_texting(world, client, database)
    async with httpx.AsyncClient(base_url=emulator.base_url, timeout=30) as twilio:
        yield Syncing(texting, twilio, TwilioGateway(emulator.base_url, BASE_URL, timeout_seconds=5))
