"""What becomes of texts when Twilio answers well, badly, late or not at all: the dispatcher against the emulator."""

from collections.abc import AsyncIterator

import pytest

from tests.factories.cluster import Database
from tests.factories.stage import Sent, Stage, open_stage
from tests.factories.waiting import eventually

NEVER_SEEN = ("500", "503", "502_html", "hang", "reset_before_accept")
SEEN = ("500_after_accept", "accept_then_reset", "hang_after_accept", "empty_201", "truncated_201")


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    async with open_stage(database) as stage:
        yield stage


async def test_an_accepted_text_is_delivered_once_and_leaves_nothing_behind(stage: Stage) -> None:
    async with stage.dispatching():
        texts = [await stage.send(line, sender=n % 4) for n in range(8) for line in (stage.a, stage.b)]
        await stage.until(texts, "delivered")
    for text in texts:
        tally = await stage.creates(text)
        assert (tally["received"], tally["accepted"], tally["attempts"]) == (1, 1, {"1": 1})
        assert stage.record(text)["twilio_sid"] == tally["sids"][0]
        assert stage.record(text)["account_sid"] == text.line.account_sid
        assert [kind for kind, _ in stage.timeline(text)].count("accepted") == 1
    assert stage.look("SELECT * FROM outbox") == []


async def test_definite_refusals_are_final_and_carry_their_code(stage: Stage) -> None:
    texts = {code: await stage.send(stage.a) for code in (21610, 21211, 21614)}
    for code, text in texts.items():
        await stage.fault(str(code), text.to)
    fine = await stage.send(stage.a)

    async with stage.dispatching():
        await stage.until([*texts.values()], "failed")
        await stage.until([fine], "delivered")
        for code, text in texts.items():
            assert stage.record(text)["error_code"] == code
            assert (await stage.creates(text))["received"] == 1
        # Twilio knows of an opt-out: so do we from now on, for this number and no other.
        again = await stage.send(stage.a, to=texts[21610].to, body="Again")
        other = await stage.send(stage.a, to=texts[21211].to, body="Again")
        assert stage.record(again)["status"] == "refused"
        await stage.until([other], "failed")


async def test_what_twilio_did_not_process_is_sent_later_and_once(stage: Stage) -> None:
    text, fine = await stage.send(stage.a), await stage.send(stage.a)
    await stage.fault("429", text.to, count=2)

    async with stage.dispatching():
        await stage.until([text, fine], "delivered")

    tally = await stage.creates(text)
    assert (tally["received"], tally["accepted"]) == (3, 1)
    assert tally["attempts"] == {"1": 1, "2": 1, "3": 1}
    assert [kind for kind, _ in stage.timeline(text)].count("requeued") == 2
    assert (await stage.creates(fine))["received"] == 1


async def test_a_daily_limit_pauses_its_sender_and_no_other(stage: Stage) -> None:
    text = await stage.send(stage.a, sender=0)
    await stage.fault("63038", text.to)

    async with stage.dispatching():

        async def paused() -> bool:
            return bool(stage.look("SELECT 1 FROM lane WHERE paused_until > now() + interval '50 minutes'"))

        await eventually(paused)
        behind = await stage.send(stage.a, sender=0)
        beside, foreign = await stage.send(stage.a, sender=1), await stage.send(stage.b)
        await stage.until([beside, foreign], "delivered")
        await stage.until([text, behind], "queued")
        assert (await stage.creates(behind))["received"] == 0
        # The hour passes.
        await stage.clear_faults()
        await stage.change("UPDATE lane SET paused_until = now(), next_due = now()")
        await stage.change("UPDATE outbox SET due_at = now()")
        await stage.until([text, behind], "delivered")
    assert (await stage.creates(text))["accepted"] == 1


async def test_what_twilio_never_saw_ends_unconfirmed_and_is_never_sent_again(stage: Stage) -> None:
    texts = {kind: await stage.send(stage.a, sender=n % 4) for n, kind in enumerate(NEVER_SEEN)}
    for kind, text in texts.items():
        await stage.fault(kind, text.to)
    fine = await stage.send(stage.b)

    async with stage.dispatching():
        await stage.until([fine], "delivered")
        await stage.until([*texts.values()], "unconfirmed")
    for kind, text in texts.items():
        tally = await stage.creates(text)
        assert (kind, tally["received"], tally["accepted"]) == (kind, 1, 0)
        assert [event for event, _ in stage.timeline(text)] == ["queued", "unknown", "unconfirmed"], kind
    assert stage.look("SELECT * FROM outbox") == []


async def test_what_twilio_took_without_saying_so_is_adopted_by_its_callback(stage: Stage) -> None:
    texts = {kind: await stage.send(stage.a, sender=n % 4) for n, kind in enumerate(SEEN)}
    for kind, text in texts.items():
        await stage.fault(kind, text.to)

    async with stage.dispatching():
        await stage.until([*texts.values()], "delivered")
    for kind, text in texts.items():
        await _assert_adopted(stage, text, "callback", kind)


async def test_what_twilio_took_without_any_callback_is_adopted_from_its_list(stage: Stage) -> None:
    texts = {kind: await stage.send(stage.a, sender=n % 4) for n, kind in enumerate(SEEN)}
    for kind, text in texts.items():
        await stage.fault(kind, text.to)
        await stage.fault("callback_drop", text.to)
    # One is listed only after it was looked for the first time.
    await stage.fault("list_delay", texts["empty_201"].to, delay_seconds=1.5)

    async with stage.dispatching():
        await stage.until([*texts.values()], "delivered", "sent", "sending")
    for kind, text in texts.items():
        await _assert_adopted(stage, text, "list", kind)
    assert stage.look("SELECT * FROM outbox") == []


async def _assert_adopted(stage: Stage, text: Sent, via: str, kind: str) -> None:
    tally = await stage.creates(text)
    assert (kind, tally["received"], tally["accepted"]) == (kind, 1, 1)
    assert stage.record(text)["twilio_sid"] == tally["sids"][0], kind
    (accepted,) = [detail for event, detail in stage.timeline(text) if event == "accepted"]
    assert (kind, accepted["via"]) == (kind, via)


async def test_callbacks_that_are_early_late_twice_or_out_of_order_leave_one_truth(stage: Stage) -> None:
    kinds = ("callback_early", "callback_late", "callback_duplicate", "callback_reorder")
    texts = {kind: await stage.send(stage.a, sender=n % 4) for n, kind in enumerate(kinds)}
    for kind, text in texts.items():
        await stage.fault(kind, text.to, delay_seconds=0.5)

    async with stage.dispatching():
        await stage.until([*texts.values()], "delivered")
    for kind, text in texts.items():
        assert (await stage.creates(text))["accepted"] == 1
        events = [event for event, _ in stage.timeline(text)]
        assert (kind, events.count("accepted"), events.count("anomaly")) == (kind, 1, 0)
    assert stage.look("SELECT * FROM outbox") == []


async def test_a_person_is_told_too_early_and_a_late_callback_still_adopts(stage: Stage) -> None:
    text = await stage.send(stage.a)
    await stage.fault("accept_then_reset", text.to)
    await stage.fault("callback_late", text.to, delay_seconds=4)
    await stage.fault("list_delay", text.to, delay_seconds=60)

    async with stage.dispatching():
        await stage.until([text], "unconfirmed")
        await stage.until([text], "delivered")
    assert (await stage.creates(text))["accepted"] == 1


async def test_the_list_answers_only_what_it_proves(stage: Stage) -> None:
    """Of two similar texts to one number Twilio took one; of two equal ones it took one: the lost ones stay lost."""
    similar, equal = stage.customer(), stage.customer()
    await stage.fault("callback_drop")
    lost = [
        await stage.send(stage.a, to=similar, body="OK"),
        await stage.send(stage.a, to=equal, body="Same", sender=1),
    ]
    for number in (similar, equal):
        await stage.fault("reset_before_accept", number, count=1)

    async with stage.dispatching():

        async def unknown() -> bool:
            return len(stage.look("SELECT 1 FROM outbox WHERE state = 'unknown'")) == 2

        await eventually(unknown)
        for number in (similar, equal):
            await stage.fault("accept_then_reset", number, count=1)
        taken = [
            await stage.send(stage.a, to=similar, body="It's OK"),
            await stage.send(stage.a, to=equal, body="Same", sender=1, allow_duplicate=True),
        ]
        await stage.until(lost, "unconfirmed")
        await stage.until(taken, "delivered", "sent", "sending", "unconfirmed")
    for text in taken:
        assert stage.record(text)["twilio_sid"] in {None, (await stage.creates(text))["sids"][0]}
    assert stage.record(taken[0])["twilio_sid"] is not None
