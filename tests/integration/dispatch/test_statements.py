"""What each statement of the send engine does, run as the app role on a real database."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from ringfence.dispatch import outbox, statements
from ringfence.dispatch.lease import Lease
from ringfence.kit.clock import utc_now
from tests.integration.dispatch.outbox_world import LONG_DEAD, OutboxWorld


async def test_a_claim_takes_due_texts_by_priority_then_age_within_each_senders_segments(
    outbox_world: OutboxWorld,
) -> None:
    company = await outbox_world.company()
    fast, slow = await outbox_world.sender(company), await outbox_world.sender(company)
    bulk = [await outbox_world.text(company, fast, due_in=-10 + n) for n in range(3)]
    reply = await outbox_world.text(company, fast, priority=0)
    later = await outbox_world.text(company, fast, priority=0, due_in=60)
    other = await outbox_world.text(company, slow)

    taken = await outbox_world.claim(company, {fast: 3, slow: 0})

    assert set(taken) == {reply, *bulk[:2]}
    assert outbox_world.state(bulk[2]) == outbox_world.state(later) == outbox_world.state(other) == "ready"
    assert outbox_world.state(reply) == "posting"
    assert await outbox_world.claim(company, {fast: 3, slow: 3}) != []
    assert outbox_world.state(other) == "posting"
    assert outbox_world.state(later) == "ready"


async def test_a_budget_counts_segments_and_the_last_text_may_overdraw_it(outbox_world: OutboxWorld) -> None:
    company = await outbox_world.company()
    sender = await outbox_world.sender(company)
    texts = [await outbox_world.text(company, sender, segments=3, due_in=-10 + n) for n in range(4)]

    assert set(await outbox_world.claim(company, {sender: 4})) == set(texts[:2])
    assert await outbox_world.claim(company, {sender: 1}) == [texts[2]]


async def test_the_most_urgent_texts_of_all_senders_fill_a_claims_slots(outbox_world: OutboxWorld) -> None:
    company = await outbox_world.company()
    senders = [await outbox_world.sender(company) for _ in range(3)]
    for sender in senders:
        await outbox_world.text(company, sender)
    reply = await outbox_world.text(company, senders[2], priority=0)
    transactional = await outbox_world.text(company, senders[0], priority=1)

    assert set(await outbox_world.claim(company, dict.fromkeys(senders, 9), most=2)) == {reply, transactional}


async def test_each_claim_leaves_an_intent_with_its_attempt_and_fence(outbox_world: OutboxWorld) -> None:
    company = await outbox_world.company()
    sender = await outbox_world.sender(company)
    message = await outbox_world.text(company, sender)

    await outbox_world.claim(company, {sender: 1})

    (intent,) = outbox_world.look("SELECT message_id, attempt, fence FROM send_attempt")
    assert intent == {"message_id": message, "attempt": 1, "fence": outbox_world.lease.fence}
    (row,) = outbox_world.look("SELECT due_at - clock_timestamp() AS alarm FROM outbox")
    assert LONG_DEAD - 10 < row["alarm"].total_seconds() <= LONG_DEAD


async def test_a_claim_skips_rows_that_another_transaction_holds(outbox_world: OutboxWorld) -> None:
    company = await outbox_world.company()
    sender = await outbox_world.sender(company)
    first = await outbox_world.text(company, sender, due_in=-5)
    second = await outbox_world.text(company, sender)
    async with outbox_world.tenancy.tenant(company) as holder:
        assert await outbox.cancel(holder, first)
        assert await asyncio.wait_for(outbox_world.claim(company, {sender: 9}), 5) == [second]

    assert outbox_world.state(first) is None


async def test_a_claim_needs_the_living_lease_of_its_own_owner_and_fence(outbox_world: OutboxWorld) -> None:
    company = await outbox_world.company()
    sender = await outbox_world.sender(company)
    message = await outbox_world.text(company, sender)
    fence = outbox_world.lease.fence or 0

    assert await outbox_world.claim(company, {sender: 1}, fence=fence - 1) == []
    outbox_world.change("UPDATE dispatcher_lease SET until = now()")
    assert await outbox_world.claim(company, {sender: 1}) == []
    successor = Lease(outbox_world.tenancy, life_seconds=300)
    assert await successor.take()
    assert successor.fence == fence + 1
    assert await outbox_world.claim(company, {sender: 1}) == []
    assert outbox_world.look("SELECT 1 FROM send_attempt") == []
    outbox_world.lease = successor
    assert await outbox_world.claim(company, {sender: 1}) == [message]


async def test_a_living_lease_is_not_taken_and_a_released_one_is(outbox_world: OutboxWorld) -> None:
    successor = Lease(outbox_world.tenancy, life_seconds=300)

    assert not await successor.take()
    assert not successor.held
    assert await outbox_world.lease.take()
    fence = outbox_world.lease.fence
    await outbox_world.lease.release()
    assert not outbox_world.lease.held
    assert await successor.take()
    assert successor.held
    assert successor.fence == (fence or 0) + 1
    assert not await outbox_world.lease.take()


async def test_an_enqueue_before_the_claims_commit_is_never_missed(outbox_world: OutboxWorld) -> None:
    """Both orders of the race between a sender's transaction and the claim that empties the lane."""
    company = await outbox_world.company()
    sender = await outbox_world.sender(company)
    await outbox_world.text(company, sender)

    # The claim holds the lane: the sender's wake-up waits for it, and makes the dropped lane anew.
    async with outbox_world.tenancy.tenant(company) as claim:
        await outbox_world.within(claim, statements.LOCK_LANES, senders=[sender])
        (taken,) = await outbox_world.claim_within(claim, {sender: 9})
        sending = asyncio.create_task(outbox_world.text(company, sender))
        await asyncio.wait({sending}, timeout=0.3)
        assert not sending.done()
        await outbox_world.within(claim, statements.DONE, message_ids=[taken], attempts=[1])
        await outbox_world.within(claim, statements.NEXT_DUE, senders=[sender], eligible=[utc_now()])
        await outbox_world.within(claim, statements.DROP_EMPTY_LANES, senders=[sender])
    second = await asyncio.wait_for(sending, 5)
    assert outbox_world.lanes()[sender]["due"]
    assert await outbox_world.claim(company, {sender: 9}) == [second]

    # The sender holds the lane: the claim waits for it, and sees its row.
    async with outbox_world.tenancy.tenant(company) as session:
        third = await outbox_world.put(session, sender)

        async def claim_after_lock() -> list[object]:
            async with outbox_world.tenancy.tenant(company) as claim:
                await outbox_world.within(claim, statements.LOCK_LANES, senders=[sender])
                return list(await outbox_world.claim_within(claim, {sender: 9}))

        claiming = asyncio.create_task(claim_after_lock())
        await asyncio.wait({claiming}, timeout=0.3)
        assert not claiming.done()
    assert await asyncio.wait_for(claiming, 5) == [third]


async def test_a_lane_is_looked_at_again_when_its_rate_pause_schedule_or_alarm_says(outbox_world: OutboxWorld) -> None:
    company = await outbox_world.company()
    sender = await outbox_world.sender(company)
    now = utc_now()

    def seconds_ahead() -> float:
        return (outbox_world.lanes()[sender]["next_due"] - now).total_seconds()

    await outbox_world.text(company, sender)
    assert await outbox_world.next_due(company, [sender]) == {sender: True}
    assert await outbox_world.next_due(company, [sender], eligible=now + timedelta(seconds=20)) == {sender: False}
    assert seconds_ahead() == pytest.approx(20, abs=0.01)

    await outbox_world.run(company, statements.PAUSE_LANE, senders=[sender], until=now + timedelta(seconds=30))
    await outbox_world.next_due(company, [sender])
    assert seconds_ahead() == pytest.approx(30, abs=0.01)
    assert outbox_world.lanes()[sender]["paused"]
    # A shorter pause does not cut a longer one.
    await outbox_world.run(company, statements.PAUSE_LANE, senders=[sender], until=now + timedelta(seconds=1))
    await outbox_world.next_due(company, [sender])
    assert seconds_ahead() == pytest.approx(30, abs=0.01)

    # A pause does not put off alarms: the claimed text's comes first when the pause is longer.
    await outbox_world.claim(company, {sender: 1})
    await outbox_world.text(company, sender)
    await outbox_world.run(company, statements.PAUSE_LANE, senders=[sender], until=now + timedelta(seconds=900))
    await outbox_world.next_due(company, [sender])
    assert LONG_DEAD - 5 < seconds_ahead() < LONG_DEAD + 15


async def test_a_text_scheduled_for_later_sets_the_lane_to_its_hour(outbox_world: OutboxWorld) -> None:
    company = await outbox_world.company()
    sender = await outbox_world.sender(company)
    await outbox_world.text(company, sender, due_in=500)
    soon = await outbox_world.text(company, sender, priority=1, due_in=100)

    assert await outbox_world.claim(company, {sender: 9}) == []
    assert await outbox_world.next_due(company, [sender]) == {sender: False}
    (row,) = outbox_world.look(
        "SELECT o.due_at = l.next_due AS same FROM outbox o, lane l WHERE o.message_id = %(id)s", id=soon
    )
    assert row["same"]


async def test_outcomes_apply_to_their_own_attempt_only(outbox_world: OutboxWorld) -> None:
    company = await outbox_world.company()
    sender = await outbox_world.sender(company)
    message = await outbox_world.text(company, sender)
    times = {"look_after": 60.0, "give_up_after": 600.0}
    one = {"message_ids": [message], "attempts": [1]}
    requeue = {"due": [utc_now()]}

    # Nothing is under way yet.
    assert await outbox_world.run(company, statements.REQUEUE, **one, **requeue) == []
    assert await outbox_world.run(company, statements.PARK, **one, **times) == []
    await outbox_world.claim(company, {sender: 1})
    assert len(await outbox_world.run(company, statements.REQUEUE, **one, **requeue)) == 1
    assert outbox_world.state(message) == "ready"
    await outbox_world.claim(company, {sender: 1})

    # The late answer of attempt 1 changes nothing about attempt 2.
    assert await outbox_world.run(company, statements.REQUEUE, **one, **requeue) == []
    assert await outbox_world.run(company, statements.PARK, **one, **times) == []
    await outbox_world.run(company, statements.DONE, **one)
    assert outbox_world.state(message) == "posting"

    two = one | {"attempts": [2]}
    (parked,) = await outbox_world.run(company, statements.PARK, **two, **times)
    assert outbox_world.state(message) == "unknown"
    assert 50 < (parked.due_at - utc_now()).total_seconds() <= 60
    # An unknown text is not taken out by its sender, but by who knows what became of it.
    async with outbox_world.tenancy.tenant(company) as session:
        assert not await outbox.cancel(session, message)
    await outbox_world.run(company, statements.DONE, **two)
    assert outbox_world.state(message) is None


async def test_a_requeued_text_wakes_its_lane_at_its_time(outbox_world: OutboxWorld) -> None:
    company = await outbox_world.company()
    sender, other = await outbox_world.sender(company), await outbox_world.sender(company)
    await outbox_world.text(company, sender)
    await outbox_world.text(company, other)
    await outbox_world.claim(company, {sender: 1, other: 1})
    await outbox_world.next_due(company, [sender, other])
    now = utc_now()

    await outbox_world.run(
        company,
        statements.WAKE_LANES,
        senders=[sender, sender],
        due=[now + timedelta(seconds=9), now + timedelta(seconds=3)],
    )

    lanes = outbox_world.lanes()
    assert lanes[sender]["next_due"] == now + timedelta(seconds=3)
    assert lanes[other]["next_due"] > now + timedelta(seconds=LONG_DEAD - 5)
    # A wake-up never puts a lane off.
    await outbox_world.run(company, statements.WAKE_LANES, senders=[sender], due=[now + timedelta(seconds=60)])
    assert outbox_world.lanes()[sender]["next_due"] == now + timedelta(seconds=3)


async def test_an_intent_without_outcome_becomes_unknown_at_its_alarm_and_is_never_ready_again(
    outbox_world: OutboxWorld,
) -> None:
    company = await outbox_world.company()
    sender = await outbox_world.sender(company)
    message = await outbox_world.text(company, sender)
    times = {"look_after": 60.0, "give_up_after": 600.0, "presumed_dead": LONG_DEAD}
    await outbox_world.claim(company, {sender: 1})

    assert await outbox_world.run(company, statements.PRESUME_DEAD, senders=[sender], **times) == []
    outbox_world.change("UPDATE outbox SET due_at = now() - interval '1 second'")
    (dead,) = await outbox_world.run(company, statements.PRESUME_DEAD, senders=[sender], **times)
    assert (dead.message_id, dead.attempt) == (message, 1)
    (row,) = outbox_world.look("SELECT state, due_at - now() AS look, unknown_until - now() AS give_up FROM outbox")
    assert row["state"] == "unknown"
    # Both are counted from the intent.
    assert row["look"].total_seconds() == pytest.approx(60 - LONG_DEAD - 1, abs=2)
    assert row["give_up"].total_seconds() == pytest.approx(600 - LONG_DEAD - 1, abs=2)
    assert await outbox_world.claim(company, {sender: 9}) == []


async def test_an_emptied_lane_goes_and_one_with_any_row_stays(outbox_world: OutboxWorld) -> None:
    company = await outbox_world.company()
    empty, busy = await outbox_world.sender(company), await outbox_world.sender(company)
    first = await outbox_world.text(company, empty)
    await outbox_world.text(company, busy)
    await outbox_world.claim(company, {busy: 1, empty: 1})
    async with outbox_world.tenancy.tenant(company) as session:
        await outbox.settle(session, [first])

    await outbox_world.next_due(company, [empty, busy])

    assert set(outbox_world.lanes()) == {busy}


@pytest.mark.parametrize("values", [{"priority": 4}, {"priority": -1}])
async def test_a_priority_that_no_claim_looks_at_cannot_be_stored(
    outbox_world: OutboxWorld, values: dict[str, int]
) -> None:
    company = await outbox_world.company()
    sender = await outbox_world.sender(company)

    with pytest.raises(IntegrityError):
        await outbox_world.text(company, sender, **values)


async def test_one_companys_statements_see_nothing_of_anothers(outbox_world: OutboxWorld) -> None:
    ours, theirs = await outbox_world.company(), await outbox_world.company()
    sender = await outbox_world.sender(theirs)
    message = await outbox_world.text(theirs, sender)

    assert await outbox_world.claim(ours, {sender: 9}) == []
    async with outbox_world.tenancy.tenant(ours) as session:
        assert not await outbox.cancel(session, message)
    assert await outbox_world.next_due(ours, [sender]) == {}
    assert outbox_world.lanes()[sender]["due"]
    assert await outbox_world.claim(theirs, {sender: 9}) == [message]
