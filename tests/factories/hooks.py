"""Two companies that text and have webhooks: the courier of the worker, and receivers of the loopback."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from ringfence.features.events.actions import number
from ringfence.features.outgoing_webhooks.actions.claiming import Batch, claim
from ringfence.features.outgoing_webhooks.actions.planning import plan
from ringfence.features.outgoing_webhooks.jobs import Courier, CourierConfig
from ringfence.kit.keyring import Keyring
from ringfence.providers.outgoing.client import OutgoingClient
from ringfence.providers.outgoing.networks import Reach, read_networks
from ringfence.tenancy.sessions import Tenancy
from tests.factories.receivers import Receiver
from tests.factories.texts import Line, Texting
from tests.factories.waiting import eventually

LOOPBACK = read_networks(["127.0.0.0/8"], setting="TESTS")
ALL_KINDS = ["message.received", "message.status_changed", "opt_out.changed", "call.ended"]
DEADLINE_SECONDS = 0.5
_HURRY = (
    "UPDATE webhook_endpoints SET paused_until = NULL WHERE company_id = %s AND paused_until IS NOT NULL",
    (
        "UPDATE webhook_deliveries SET due_at = now()"
        " WHERE company_id = %s AND state = 'pending' AND claimed_until IS NULL AND due_at > now()"
    ),
    "UPDATE webhook_due SET next_due = now() WHERE company_id = %s AND next_due > now()",
)


def outgoing_client() -> OutgoingClient:
    """A client that may go to the loopback, and does not wait for long."""
    return OutgoingClient(Reach(LOOPBACK), timeout_seconds=DEADLINE_SECONDS)


@asynccontextmanager
async def couriering(tenancy: Tenancy, keyring: Keyring) -> AsyncIterator[Courier]:
    """A courier at work."""
    client = outgoing_client()
    await client.start()
    config = CourierConfig(timeout_seconds=DEADLINE_SECONDS, poll_seconds=0.05)
    courier = Courier(tenancy, keyring, client, config, observe=lambda _outcome, _seconds: None)
    stop = asyncio.Event()
    running = asyncio.create_task(courier.run(stop))
    try:
        yield courier
    finally:
        stop.set()
        await running
        await client.close()


@dataclass
class Hooks:
    """What tests of outgoing webhooks do."""

    texting: Texting

    @property
    def a(self) -> Line:
        return self.texting.a

    @property
    def b(self) -> Line:
        return self.texting.b

    def couriering(self) -> Any:
        return couriering(self.texting.world.tenancy, self.texting.world.keyring)

    async def endpoint(
        self, line: Line, receiver: Receiver | None = None, *, kinds: Sequence[str] = ALL_KINDS, **more: Any
    ) -> dict[str, Any]:
        """A new endpoint, at a receiver that learns the secret."""
        url = receiver.url if receiver else "http://127.0.0.1:9/hook"
        body = {"url": url, "kinds": list(kinds), **more}
        answer = await self.texting.call("POST", "/api/webhooks", line, json=body)
        assert answer.status_code == 201, answer.text
        if receiver is not None:
            receiver.secret = answer.json()["secret"]
        return answer.json()

    async def log(self, line: Line, endpoint_id: str, **filters: Any) -> list[dict[str, Any]]:
        return (await self.texting.get(f"/api/webhooks/{endpoint_id}/deliveries", line, **filters))["items"]

    async def logged(self, line: Line, endpoint_id: str, state: str, count: int = 1) -> list[dict[str, Any]]:
        """The endpoint's deliveries in a state, once there are so many."""

        async def enough() -> list[dict[str, Any]] | None:
            found = await self.log(line, endpoint_id, state=state)
            return found if len(found) >= count else None

        found = await eventually(enough)
        assert found is not None
        return found

    async def attempted(self, line: Line, endpoint_id: str, attempts: int) -> dict[str, Any]:
        """The endpoint's newest delivery, once it has had so many attempts and waits or is settled."""

        async def done() -> dict[str, Any] | None:
            newest = (await self.log(line, endpoint_id))[:1]
            ready = [item for item in newest if item["attempts"] >= attempts and item["duration_ms"] is not None]
            claimed = any(row["claimed_until"] for row in self.rows(line))
            return ready[0] if ready and not claimed else None

        found = await eventually(done)
        assert found is not None
        return found

    def rows(self, line: Line) -> list[dict[str, Any]]:
        return self.texting.stored(line, "webhook_deliveries")["webhook_deliveries"]

    async def hurry(self, line: Line) -> None:
        """Let what waits for its next attempt, or for its endpoint's break, be due now.

        In a thread: a lock that the courier holds meanwhile is waited for without holding up the courier.
        """

        def run() -> None:
            with psycopg.connect(self.texting.database.admin_url, autocommit=True) as connection:
                for statement in _HURRY:
                    connection.execute(statement, [line.company_id])

        await asyncio.to_thread(run)

    async def planned(self, line: Line) -> None:
        """What the courier does with the company's event log, without delivering."""
        tenancy = self.texting.world.tenancy
        async with tenancy.tenant(line.company_id) as session:
            await number(session)
        async with tenancy.tenant(line.company_id) as session:
            await plan(session)

    async def claimed(self, line: Line, *, most: int = 100, lease: timedelta = timedelta(seconds=30)) -> Batch:
        """What a worker takes, that then dies before it does anything."""
        async with self.texting.world.tenancy.tenant(line.company_id) as session:
            return await claim(session, most=most, lease=lease)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def suffix(webhook_id: str) -> UUID:
    return UUID(webhook_id.removeprefix("evt_"))
