"""Real workers, dispatcher and Twilio's emulator: what a bulk send really sends, and to whom."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from ringfence.features.audit_log.values import COMMAND_LINE
from ringfence.features.consent import actions as consent
from ringfence.features.users import actions as users
from tests.factories.bulk import Row, customers, make_list
from tests.factories.cluster import Database
from tests.factories.processes import running, settings_of
from tests.factories.stage import QUICK, SECRET_KEY, Line, Stage, open_stage
from tests.factories.waiting import eventually


class Desk:
    """A manager of one company, by key."""

    def __init__(self, stage: Stage, line: Line, client: httpx.AsyncClient, key: str) -> None:
        self.stage, self.line = stage, line
        self._client = client
        self._headers = {"Authorization": f"Bearer {key}"}

    async def call(self, method: str, path: str, **request: Any) -> Any:
        answer = await self._client.request(method, path, headers=self._headers, **request)
        assert answer.is_success, answer.text
        return answer.json()

    async def rehearsed(self, rows: Sequence[Row | str], **what: Any) -> dict[str, Any]:
        list_id = await make_list(self.stage.tenancy, self.line.company_id, rows)
        body = {"name": "Sale", "body": "Sale", "from_numbers": [self.line.numbers[0]], **what, "list_id": str(list_id)}
        made = await self.call("POST", "/api/sms/bulk", json=body)
        return await self.until(made["id"], lambda bulk: bulk["status"] == "ready")

    async def do(self, bulk: dict[str, Any], what: str, **request: Any) -> dict[str, Any]:
        return await self.call("POST", f"/api/sms/bulk/{bulk['id']}/{what}", **request)

    async def until(self, bulk_id: str, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until a bulk send is so."""

        async def look() -> dict[str, Any] | None:
            await asyncio.sleep(0.1)
            bulk = await self.call("GET", f"/api/sms/bulk/{bulk_id}")
            return bulk if enough(bulk) else None

        found = await eventually(look, within=90)
        assert found is not None
        return found


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    async with open_stage(database) as stage:
        yield stage


@pytest.fixture
async def desk(stage: Stage) -> AsyncIterator[Desk]:
    async with stage.tenancy.tenant(stage.a.company_id) as session:
        _, key = await users.create_api_key(session, actor=COMMAND_LINE, name="desk", scope="manage")
    async with httpx.AsyncClient(base_url=stage.runtime.settings.public_url, timeout=60) as client:
        yield Desk(stage, stage.a, client, key)


def settings(stage: Stage) -> dict[str, str]:
    """Of a worker on this stage."""
    return {
        **settings_of(stage.database),
        "RINGFENCE_SECRET_KEYS": SECRET_KEY,
        "RINGFENCE_PUBLIC_URL": stage.runtime.settings.public_url,
        "RINGFENCE_TWILIO_API_URL": stage.runtime.settings.twilio_api_url,
        "RINGFENCE_BULK_SECONDS": "0.5",
        **{f"RINGFENCE_{name.upper()}": str(value) for name, value in QUICK.items()},
    }


async def workers(stack: AsyncExitStack, stage: Stage, folder: Path, count: int) -> list[Any]:
    started = [await stack.enter_async_context(running("work", settings(stage), folder)) for _ in range(count)]
    await asyncio.gather(*(worker.says("worker.started") for worker in started))
    return started


async def test_every_one_of_300_is_accounted_for(stage: Stage, desk: Desk, tmp_path: Path) -> None:
    """Two workers, a canary that passes, and planted people: opted out, unreachable, without a value."""
    numbers = customers(300)
    opted_out, without, failing = numbers[30:40], numbers[50:55], numbers[100:104]
    rows = [(number, {"code": "" if number in without else f"C{n}"}) for n, number in enumerate(numbers)]
    async with stage.tenancy.tenant(stage.a.company_id) as session:
        for number in opted_out:
            await consent.opt_out_in_company_scope(
                session, outside_number=number, phone_number_id=None, source="staff", evidence={}
            )
    for number in failing:
        await stage.fault("30003", number)
    async with AsyncExitStack() as stack:
        await workers(stack, stage, tmp_path, 2)
        bulk = await desk.rehearsed(rows, body="Code {code|}", from_numbers=list(stage.a.numbers[:2]))
        assert bulk["rehearsal"]["skipped"] == {"opted_out": 10, "unresolved_field": 5}
        started = await desk.do(bulk, "start")
        assert started["canary_size"] == 20
        done = await desk.until(
            bulk["id"],
            lambda found: found["status"] == "done" and not found["counts"].keys() & {"sending", "sent", "queued"},
        )
        assert done["counts"] == {"delivered": 281, "undelivered": 4, "skipped": 15}
        assert {row["code"]: row["recipients"] for row in done["reasons"]} == {
            "opted_out": 10,
            "unresolved_field": 5,
            "30003": 4,
        }
        again = await desk.do(bulk, "retry")
        await stage.clear_faults()
        await desk.until(again["id"], lambda found: found["status"] == "ready")
        await desk.do(again, "start")
        retried = await desk.until(again["id"], lambda found: found["counts"] == {"delivered": 4})
        assert retried["recipients"] == 4

    made = Counter(message.recipient for message in stage.accepted())
    assert made == {number: 2 if number in failing else 1 for number in numbers if number not in {*opted_out, *without}}
    assert await stage.doubles() == {}
    assert all("{" not in message.body for message in stage.accepted())


async def test_killed_workers_lose_nobody_and_text_nobody_twice(stage: Stage, desk: Desk, tmp_path: Path) -> None:
    """kill -9 while lanes are filled and texts go out; pause and resume in between. Twilio's own count is the judge."""
    numbers = customers(300)
    await stage.set_rate(20)
    async with AsyncExitStack() as stack:
        first, second = await workers(stack, stage, tmp_path, 2)
        bulk = await desk.rehearsed(numbers, canary=False)
        await desk.do(bulk, "start")
        await desk.until(bulk["id"], lambda found: found["counts"].get("delivered", 0) >= 20)
        await desk.do(bulk, "pause")
        first.signal(signal.SIGKILL)
        await first.ended()
        await desk.do(bulk, "resume")
        await desk.until(bulk["id"], lambda found: found["counts"].get("delivered", 0) >= 60)
        second.signal(signal.SIGKILL)
        await second.ended()
        await workers(stack, stage, tmp_path, 2)
        done = await desk.until(
            bulk["id"],
            lambda found: found["status"] == "done" and not found["counts"].keys() & {"sending", "sent", "queued"},
        )
    counts = done["counts"]
    assert counts.keys() <= {"delivered", "unconfirmed"}
    assert sum(counts.values()) == 300
    assert counts.get("unconfirmed", 0) <= 2 * stage.runtime.settings.account_in_flight
    made = Counter(message.recipient for message in stage.accepted())
    assert set(made.values()) == {1}
    assert len(made) >= counts["delivered"]
    rows = stage.look("SELECT count(*) AS n, count(DISTINCT to_number) AS people FROM sms_messages")
    assert rows == [{"n": 300, "people": 300}]
    assert await stage.doubles() == {}


async def test_a_reply_in_the_middle_of_a_bulk_send_goes_out_at_once(stage: Stage, desk: Desk, tmp_path: Path) -> None:
    numbers = customers(300)
    await stage.set_rate(10)
    async with AsyncExitStack() as stack:
        await workers(stack, stage, tmp_path, 1)
        bulk = await desk.rehearsed(numbers, canary=False)
        await desk.do(bulk, "start")
        await desk.until(bulk["id"], lambda found: found["counts"].get("delivered", 0) >= 5)
        customer = stage.customer()
        await stage.inbound(customer, stage.a.numbers[0], "Are you open?")
        before = len(stage.accepted())
        reply = await stage.send(stage.a, to=customer, body="Yes")
        await stage.until([reply], "sending", "sent", "delivered")
        since = [message.recipient for message in stage.accepted()[before:] if message.direction != "inbound"]
        # What had been claimed already, and what one turn of a sender of ten a second brings.
        assert since.index(customer) <= 10
        stopped = await desk.do(bulk, "stop")
        assert stopped["counts"]["canceled"] > 0
        ended = await desk.until(bulk["id"], lambda found: not found["counts"].keys() & {"sending", "sent", "queued"})
    texts = stage.look(
        "SELECT count(*) AS n FROM sms_messages WHERE bulk_send_id = %(id)s AND twilio_sid IS NOT NULL",
        id=UUID(bulk["id"]),
    )
    assert texts == [{"n": ended["counts"]["delivered"]}]
    assert ended["counts"]["delivered"] + ended["counts"]["canceled"] + ended["remaining"] == 300
