"""`kill -9` while texts go out: nothing twice, nothing lost, nothing left open. Twilio's own count is the judge.

RINGFENCE_TEST_SOAK=1 makes it five times as long.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from ringfence.dispatch import outbox
from ringfence.features.messages.model import Message
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from tests.acceptance.processes import Site, Worker, open_site
from tests.factories.cluster import Database
from tests.factories.stage import Line
from tests.factories.waiting import eventually

SOAK = 5 if os.environ.get("RINGFENCE_TEST_SOAK") else 1
TEXTS, KILLS, IN_FLIGHT = 2000 * SOAK, 20 * SOAK, 48
THROUGH_API = 200 * SOAK
RATE = 500
HAS_IT = {"sending", "sent", "delivered"}
SHORT = {
    "post_timeout_seconds": 4,
    "post_grace_seconds": 1,
    "unknown_lookup_seconds": 5,
    "unconfirmed_after_seconds": 12,
    "dispatcher_lease_seconds": 2.5,
    "dispatch_in_flight": IN_FLIGHT,
    "account_in_flight": IN_FLIGHT,
}


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(database, tmp_path, **SHORT) as site:
        await site.twilio.put(
            "/emulator/settings",
            json={"latency": [0.05, 0.15], "sent_delay": 0.1, "delivered_delay": 0.1, "price_delay": 3600},
        )
        yield site


@pytest.mark.timeout(600 * SOAK)
async def test_no_text_is_lost_or_sent_twice_however_often_the_dispatcher_is_killed(site: Site) -> None:
    chance = random.Random(20261123)
    for kind, probability in (
        ("500", 0.01),
        ("accept_then_reset", 0.02),
        ("500_after_accept", 0.02),
        ("hang_after_accept", 0.002),
        ("reset_before_accept", 0.01),
        ("429", 0.01),
        ("callback_drop", 0.5),
        ("list_delay", 0.05),
    ):
        await site.fault(kind, probability)
    await site.look(f"UPDATE phone_numbers SET segments_per_second = {RATE} RETURNING id")
    texts = await hand_in(site, site.a, TEXTS // 2) | await hand_in(site, site.b, TEXTS // 2 - THROUGH_API)
    posting = asyncio.create_task(hand_in_by_api(site, site.b, THROUGH_API))

    kills = await kill_again_and_again(site, chance)
    texts |= await posting
    await all_is_settled(site, within=240)

    creates, rows = await site.creates(), await site.look("SELECT id, status, twilio_sid FROM sms_messages")
    assert len(rows) == len(texts) == TEXTS
    assert {row["id"] for row in rows} == texts
    assert set(creates) <= texts
    verdicts = Counter(judge(row, creates.get(row["id"])) for row in rows)
    assert set(verdicts) == {"has it", "unconfirmed"}, verdicts
    assert verdicts["unconfirmed"] <= kills * IN_FLIGHT
    # All ways of recovery were taken, or this test has shown nothing.
    events = await site.look(
        "SELECT kind, detail->>'via' AS via, detail->>'reason' AS reason, count(*) AS times FROM message_events"
        " GROUP BY 1, 2, 3"
    )
    times = {(row["kind"], row["via"] or row["reason"]): row["times"] for row in events}
    print(f"kills={kills} verdicts={dict(verdicts)} faults={await site.fired()} events={times}")
    assert times["unknown", "process_died"] >= kills
    for way in (("accepted", "response"), ("accepted", "callback"), ("accepted", "list"), ("requeued", "concurrency")):
        assert times[way] > 0
    assert not [key for key in times if key[0] == "anomaly"]


def judge(row: dict[str, Any], tally: dict[str, Any] | None) -> str:
    """What is true of one text, by our record and by Twilio's count."""
    accepted = tally["accepted"] if tally else 0
    if accepted > 1:
        return "sent twice"
    if tally and max(tally["attempts"].values()) > 1:
        return "one attempt posted twice"
    if accepted:
        sound = row["status"] in HAS_IT and [row["twilio_sid"]] == tally["sids"] if tally else False
        return "has it" if sound else f"Twilio has it, but here it is {row['status']}"
    return "unconfirmed" if row["status"] == "unconfirmed" else f"Twilio never saw it, but here it is {row['status']}"


async def kill_again_and_again(site: Site, chance: random.Random) -> int:
    """Kill the dispatcher that is sending, as often as wanted; another one stands by each time."""
    sending, standing_by = site.start_worker(), site.start_worker()
    await asyncio.gather(*(site.until(worker, "worker.started") for worker in (sending, standing_by)))
    for _ in range(KILLS):
        sending, standing_by = await lease_holder(sending, standing_by)
        before = await site.received()
        wanted = chance.randint(1, TEXTS // KILLS // 2)

        async def progress(before: int = before, wanted: int = wanted) -> bool:
            return await site.received() >= before + wanted

        await eventually(progress, within=60)
        await asyncio.sleep(chance.uniform(0, 0.1))
        await sending.end(signal.SIGKILL)
        sending, standing_by = standing_by, site.start_worker()
        await site.until(standing_by, "worker.started")
    return KILLS


async def lease_holder(one: Worker, other: Worker) -> tuple[Worker, Worker]:
    """The one that took the lease first, and the one beside it."""

    async def taken() -> tuple[Worker, Worker] | None:
        for holder, beside in ((one, other), (other, one)):
            if holder.says("dispatcher.lease.taken"):
                return holder, beside
        return None

    found = await eventually(taken, within=30)
    assert found is not None
    return found


async def all_is_settled(site: Site, *, within: float) -> None:
    """Wait until no text waits or is open; fails with what is."""

    async def nothing_is_open() -> bool:
        (row,) = await site.look(
            "SELECT NOT EXISTS (SELECT FROM outbox)"
            " AND NOT EXISTS (SELECT FROM sms_messages WHERE status IN ('queued', 'held')) AS settled"
        )
        return row["settled"]

    try:
        await eventually(nothing_is_open, within=within)
    except AssertionError:
        left = await site.look(
            "SELECT m.status, o.state, count(*), min(o.due_at) - now() AS soonest, min(l.next_due) - now() AS lane"
            " FROM sms_messages m LEFT JOIN outbox o ON o.message_id = m.id LEFT JOIN lane l USING (sender_id)"
            " GROUP BY 1, 2"
        )
        events = await site.look(
            "SELECT kind, detail->>'reason' AS reason, count(*) FROM message_events GROUP BY 1, 2 ORDER BY 3"
        )
        raise AssertionError(f"still open after {within} s: {left} after {events}") from None


async def hand_in(site: Site, line: Line, count: int) -> set[UUID]:
    """Texts and their outbox rows, in a few transactions; each with a number and a body of its own."""
    ids = set[UUID]()
    for start in range(0, count, 100):
        now = utc_now()
        async with site.runtime.tenancy.tenant(line.company_id) as session:
            made = [(new_id(), n % len(line.senders), n) for n in range(start, min(start + 100, count))]
            session.add_all(
                Message(
                    id=message_id,
                    conversation_id=None,
                    phone_number_id=line.senders[sender],
                    direction="outbound",
                    status="queued",
                    from_number=line.numbers[sender],
                    to_number=f"+1480555{n:04}",
                    body=f"Text {n}",
                    encoding="GSM-7",
                    num_segments=1,
                    source="api",
                    created_at=now,
                    updated_at=now,
                )
                for message_id, sender, n in made
            )
            await session.flush()
            for message_id, sender, _ in made:
                await outbox.enqueue(
                    session,
                    message_id=message_id,
                    sender_id=line.senders[sender],
                    priority=3,
                    segments=1,
                    due_at=now,
                    segments_per_second=Decimal(RATE),
                )
            ids |= {message_id for message_id, _, _ in made}
    return ids


async def hand_in_by_api(site: Site, line: Line, count: int) -> set[UUID]:
    """Texts through the API while the others are under way, four requests at a time."""
    slots, ids = asyncio.Semaphore(4), set[UUID]()

    async def send(n: int) -> None:
        async with slots:

            async def accepted() -> str | None:
                """A busy machine may answer 5xx or close a connection; the key makes trying again safe."""
                try:
                    answer = await site.api.post(
                        "/api/sms/send",
                        json={"to": f"+1602556{n:04}", "body": f"By API {n}", "from_number": line.numbers[n % 4]},
                        headers={"Authorization": f"Bearer {line.api_key}", "Idempotency-Key": f"crash-{n}"},
                    )
                except httpx.TransportError:
                    return None
                assert answer.status_code == 202 or answer.status_code >= 500, answer.text
                return answer.json()["id"] if answer.status_code == 202 else None

            ids.add(UUID(await eventually(accepted, within=120)))

    async with asyncio.TaskGroup() as group:
        for n in range(count):
            group.create_task(send(n))
    return ids


async def test_a_stand_by_takes_over_within_ten_seconds(database: Database, tmp_path: Path) -> None:
    """With the lease as it is by default: killed, not stopped, so nobody releases it."""
    async with open_site(database, tmp_path) as site:
        sending, standing_by = site.start_worker(), site.start_worker()
        await asyncio.gather(*(site.until(worker, "worker.started") for worker in (sending, standing_by)))
        sending, standing_by = await lease_holder(sending, standing_by)
        await hand_in(site, site.a, 4)

        async def all_are_out(wanted: int) -> bool:
            return await site.received() == wanted

        await eventually(lambda: all_are_out(4), within=30)
        await sending.end(signal.SIGKILL)
        killed_at = time.monotonic()
        await hand_in(site, site.b, 4)
        await eventually(lambda: all_are_out(8), within=30)
        assert time.monotonic() - killed_at < 10
        # And one that is asked to stop hands over at once and says goodbye.
        await standing_by.end(signal.SIGTERM)
        assert "worker.stopped" in standing_by.log.read_text()
        (lease,) = await site.look("SELECT until < now() AS free FROM dispatcher_lease")
        assert lease["free"]
