"""Order, pace and fairness as Twilio sees them, and what stops a text at the last moment."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from ringfence.dispatch.pacing import BURST_SECONDS
from ringfence.emulator.behaviour import Behaviour, Span
from ringfence.features.audit_log.values import COMMAND_LINE
from ringfence.features.conversations.values import THE_COMPANY
from ringfence.features.messages.actions.deleting import delete_message
from tests.factories.cluster import Database
from tests.factories.stage import Stage, open_stage
from tests.factories.waiting import eventually


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    async with open_stage(database) as stage:
        yield stage


@pytest.mark.parametrize(("rate", "body", "texts"), [(20, "One segment", 50), (20, "x" * 400, 16)])
async def test_a_sender_keeps_its_rate_in_segments(stage: Stage, rate: int, body: str, texts: int) -> None:
    segments = 3 if len(body) > 160 else 1
    await stage.fault("callback_drop")
    sent = await stage.put(stage.a, texts, body=body, rate=str(rate))

    async with stage.dispatching():
        await stage.until(sent, "sending", within=60)

    times = [message.date_created for message in stage.accepted()]
    # What one second may bring: the rate, what may be sent ahead of it, and the text that overdraws. And what half a
    # second more would bring, for POSTs that are held up on their way; without any pacing all of them come at once.
    most = rate * (1 + BURST_SECONDS + 0.5) + segments
    assert most < texts * segments
    for first in times:
        within = sum(segments for at in times if first <= at < first + timedelta(seconds=1))
        assert within <= most
    seconds = (times[-1] - times[0]).total_seconds()
    ideal = (texts * segments - rate * BURST_SECONDS) / rate
    assert ideal * 0.8 <= seconds <= ideal * 4


async def test_a_reply_overtakes_a_campaign_on_its_own_number(stage: Stage) -> None:
    campaign = await stage.put(stage.a, 60, priority=3, rate="20")

    async with stage.dispatching():

        async def begun() -> bool:
            return len(stage.accepted()) >= 5

        await eventually(begun)
        (reply,) = await stage.put(stage.a, 1, priority=0, rate="20", body="Reply")
        before = len(stage.accepted())
        await stage.until([reply], "delivered")
        order = [message.body for message in stage.accepted()]
        assert order.index("Reply") <= before + 6
        assert len(order) < len(campaign)


async def test_one_companys_flood_does_not_delay_anothers_text(database: Database) -> None:
    """Counted in POSTs, not in time: between the text's arrival and its turn goes at most what was under way."""
    network = Behaviour(latency=Span(0.02, 0.04), price_delay=Span(60, 60))
    in_flight = 24
    async with open_stage(
        database, network=network, dispatch_in_flight=in_flight, account_in_flight=in_flight
    ) as stage:
        await stage.fault("callback_drop")
        for sender in range(4):
            await stage.put(stage.a, 250, sender=sender, rate="1000")
        async with stage.dispatching():

            async def flooding() -> bool:
                return len(stage.accepted()) > 100

            await eventually(flooding)
            for body in ("first", "second"):
                (quiet,) = await stage.put(stage.b, 1, body=body, rate="1000")
                before = len(stage.accepted())
                await stage.until([quiet], "sending")
                order = [message.body for message in stage.accepted()]
                assert order.index(body) - before <= 3 * in_flight
                assert len(order) < 1000, "the flood had ended: nothing was shown"


async def test_a_stop_between_sending_and_the_claim_wins(stage: Stage) -> None:
    text, other = await stage.send(stage.a), await stage.send(stage.a)
    answer = await stage.inbound(text.to, stage.a.numbers[0], "STOP")
    assert answer["webhook"]["status"] == 200, answer

    async with stage.dispatching():
        await stage.until([other], "delivered")
        await stage.until([text], "refused")
    assert (await stage.creates(text))["received"] == 0
    assert stage.record(text)["refusal_code"] == "opted_out"


async def test_deleted_canceled_and_forbidden_texts_never_go(stage: Stage) -> None:
    deleted, fine = await stage.send(stage.a), await stage.send(stage.a)
    foreign = await stage.send(stage.b)
    async with stage.tenancy.tenant(stage.a.company_id) as session:
        await delete_message(session, THE_COMPANY, deleted.id, actor=COMMAND_LINE, may_remove=True)
    await stage.change(
        "UPDATE twilio_settings SET status = 'suspended' WHERE company_id = %(id)s", id=stage.b.company_id
    )

    async with stage.dispatching():
        await stage.until([fine], "delivered")
        await stage.until([foreign], "refused")
    assert stage.record(deleted)["status"] == "canceled"
    for text in (deleted, foreign):
        assert (await stage.creates(text))["received"] == 0
    assert stage.look("SELECT * FROM outbox") == []


async def test_one_of_two_dispatchers_sends_and_a_stopped_one_hands_over_at_once(database: Database) -> None:
    # Answers and their recording may take their time, however busy the machine is: a late one would be left unknown.
    patience = {"dispatcher_lease_seconds": 10, "post_timeout_seconds": 10, "post_grace_seconds": 10}
    async with open_stage(database, network=Behaviour(latency=Span(0.3, 0.3)), **patience) as stage:
        async with stage.dispatching() as standing_by:
            async with stage.dispatching() as first:

                async def one_is_active() -> bool:
                    return first.active or standing_by.active

                await eventually(one_is_active)
                assert [first.active, standing_by.active].count(True) == 1

            # The inner one is stopped now; whichever was active, the other one holds the lease within moments.
            async def taken_over() -> bool:
                return standing_by.active

            await eventually(taken_over, within=3)
            texts = [await stage.send(stage.a) for _ in range(5)]

            async def under_way() -> bool:
                return len(stage.accepted()) == len(texts)

            await eventually(under_way)
        # Stopped in the middle of the POSTs: all of them were waited for and recorded.
        assert {stage.record(text)["status"] for text in texts} <= {"sending", "sent", "delivered"}
        assert all(stage.record(text)["twilio_sid"] for text in texts)
        (lease,) = stage.look("SELECT until < now() AS free FROM dispatcher_lease")
        assert lease["free"]
        assert await stage.doubles() == {}


async def test_companies_tasks_that_fail_do_not_stop_the_others(stage: Stage) -> None:
    """A token that no key opens: that company's texts are refused, and the other one's go."""
    lost, fine = await stage.send(stage.a), await stage.send(stage.b)
    await stage.change(
        "UPDATE twilio_settings SET sealed_auth_token = 'x' WHERE company_id = %(id)s", id=stage.a.company_id
    )

    async with stage.dispatching():
        await stage.until([fine], "delivered")
        await stage.until([lost], "refused")
    assert (await stage.creates(lost))["received"] == 0


async def test_a_flood_of_answers_while_lanes_are_woken_does_not_deadlock(stage: Stage) -> None:
    """Many senders, refused for the moment again and again: claims and outcomes lock the same lanes all the time."""
    await stage.fault("callback_drop")
    await stage.fault("429", probability=0.3)
    sent = [text for n in range(4) for text in await stage.put(stage.a, 15, sender=n % 4, rate="1000")]

    async with stage.dispatching():
        await stage.until(sent, "sending", within=60)
    assert await stage.doubles() == {}
    deadlocks = stage.look("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks[0]["deadlocks"] == 0
    assert {text.id for text in sent} == {
        UUID(message.status_callback.split("message_id=")[1][:36]) for message in stage.accepted()
    }
