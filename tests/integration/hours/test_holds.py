"""The company's own rules at the gate: when a text is handed in, and again when the dispatcher takes it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine

from ringfence.dispatch.ports import Hold, Refuse, Text
from ringfence.features.companies.values import ReviewHeld
from ringfence.features.messages.jobs import ReviewHeldHandler
from ringfence.jobqueue.jobs import JobContext
from tests.factories.texts import CUSTOMER, Line, Texting

NIGHT = {"from": "21:00", "to": "08:00"}
# 21:30 in Phoenix, where CUSTOMER is; 00:30 in New York, 05:30 in London.
LATE = datetime(2026, 6, 2, 4, 30, tzinfo=UTC)
MORNING = datetime(2026, 6, 2, 15, 0, tzinfo=UTC)
NOON = datetime(2026, 6, 2, 19, 0, tzinfo=UTC)
IN_NEW_YORK = "+12125550990"


async def rule(texting: Texting, line: Line, **rules: Any) -> None:
    answer = await texting.call("PATCH", "/api/company", line, json={"texting": rules})
    assert answer.status_code == 200, answer.text


def outbox_due(texting: Texting, line: Line) -> dict[str, datetime]:
    return {str(row["message_id"]): row["due_at"] for row in texting.stored(line, "outbox")["outbox"]}


async def test_quiet_hours_hold_a_text_until_morning_where_the_recipient_is(texting: Texting) -> None:
    await rule(texting, texting.a, quiet_hours=NIGHT)
    with time_machine.travel(LATE):
        held = await texting.sent(texting.a)
        in_london = await texting.sent(texting.a, to="+442079460990")
        of_b = await texting.sent(texting.b)

    assert (held["status"], held["refusal_code"]) == ("held", "quiet_hours")
    assert datetime.fromisoformat(held["not_before"]) == MORNING
    assert "08:00 (America/Phoenix)" in held["reason"]
    assert datetime.fromisoformat(in_london["not_before"]) == datetime(2026, 6, 2, 7, 0, tzinfo=UTC)
    assert of_b["status"] == "queued"
    assert outbox_due(texting, texting.a)[held["id"]] == MORNING
    [line] = await texting.timeline(texting.a, held["id"])
    assert (line["kind"], line["detail"]["code"]) == ("held", "quiet_hours")
    assert datetime.fromisoformat(line["detail"]["until"]) == MORNING


async def test_the_gate_is_asked_again_at_dispatch_and_lets_the_text_out_in_the_morning(texting: Texting) -> None:
    await rule(texting, texting.a, quiet_hours=NIGHT)
    with time_machine.travel(LATE):
        held = await texting.sent(texting.a)
        still = await texting.judge(texting.a, held["id"])
    with time_machine.travel(MORNING):
        let_out = await texting.judge(texting.a, held["id"])

    assert isinstance(still, Hold)
    assert still.until == MORNING
    assert isinstance(let_out, Text)
    text = await texting.message(texting.a, held["id"])
    assert (text["status"], text["refusal_code"], text["reason"], text["not_before"]) == ("queued", None, None, None)
    assert [line["kind"] for line in await texting.timeline(texting.a, held["id"])] == ["held", "released"]


async def test_a_text_that_was_queued_by_day_is_held_when_its_turn_comes_at_night(texting: Texting) -> None:
    await rule(texting, texting.a, quiet_hours=NIGHT)
    with time_machine.travel(NOON):
        queued = await texting.sent(texting.a)
    with time_machine.travel(LATE + timedelta(days=1)):
        verdict = await texting.judge(texting.a, queued["id"])

    assert queued["status"] == "queued"
    assert isinstance(verdict, Hold)
    assert verdict.until == MORNING + timedelta(days=1)


async def test_a_stop_wins_over_a_hold(texting: Texting) -> None:
    await rule(texting, texting.a, quiet_hours=NIGHT)
    with time_machine.travel(LATE):
        held = await texting.sent(texting.a)
        await texting.inbound(texting.a, body="STOP")
        verdict = await texting.judge(texting.a, held["id"])
        refused = await texting.send(texting.a, body="Another")

    assert isinstance(verdict, Refuse)
    assert (verdict.code, refused.json()["code"]) == ("opted_out", "opted_out")


async def test_holidays_hold_all_day_in_the_recipients_zone(texting: Texting) -> None:
    await rule(texting, texting.a, holidays=["2026-06-02"])
    with time_machine.travel(LATE):
        # In Phoenix it is still the day before, in New York it is the holiday.
        in_phoenix = await texting.sent(texting.a)
        in_new_york = await texting.sent(texting.a, to=IN_NEW_YORK)

    assert in_phoenix["status"] == "queued"
    assert (in_new_york["status"], in_new_york["refusal_code"]) == ("held", "holiday")
    assert datetime.fromisoformat(in_new_york["not_before"]) == datetime(2026, 6, 3, 4, 0, tzinfo=UTC)


async def test_a_number_that_may_be_in_many_zones_waits_for_all_of_them(texting: Texting) -> None:
    await rule(texting, texting.a, quiet_hours=NIGHT)
    with time_machine.travel(datetime(2026, 6, 2, 13, 30, tzinfo=UTC)):
        toll_free = await texting.sent(texting.a, to="+18005550990")
        in_new_york = await texting.sent(texting.a, to=IN_NEW_YORK)

    assert in_new_york["status"] == "queued"
    assert (toll_free["status"], toll_free["refusal_code"]) == ("held", "quiet_hours")
    assert "zones of this number" in toll_free["reason"]


async def test_the_contacts_own_zone_goes_before_the_number(texting: Texting) -> None:
    await rule(texting, texting.a, quiet_hours=NIGHT)
    away = {"phone_number": CUSTOMER, "time_zone": "Asia/Kolkata"}
    contact = await texting.call("POST", "/api/contacts", texting.a, json=away)
    assert contact.status_code == 201
    with time_machine.travel(LATE):
        in_india = await texting.sent(texting.a)
        in_phoenix = await texting.sent(texting.a, to="+16025550991")
        verdict = await texting.judge(texting.a, in_india["id"])
    with time_machine.travel(NOON):
        at_night_in_india = await texting.sent(texting.a, body="Late there")

    assert (in_india["status"], in_phoenix["status"]) == ("queued", "held")
    assert isinstance(verdict, Text)
    assert datetime.fromisoformat(at_night_in_india["not_before"]) == datetime(2026, 6, 3, 2, 30, tzinfo=UTC)


async def test_an_answer_to_a_recent_text_is_exempt_unless_the_company_says_otherwise(texting: Texting) -> None:
    await rule(texting, texting.a, quiet_hours=NIGHT)
    with time_machine.travel(LATE):
        before = await texting.sent(texting.a, body="Out of the blue")
        await texting.inbound(texting.a, body="Anybody there?")
        answers = [await texting.sent(texting.a, body=body) for body in ("Yes", "And more")]
        other = await texting.sent(texting.a, to="+16025550991")
        verdict = await texting.judge(texting.a, answers[1]["id"])
        await rule(texting, texting.a, replies_exempt=False)
        strict = await texting.sent(texting.a, body="Still there?")
    with time_machine.travel(LATE + timedelta(days=1, minutes=5)):
        await rule(texting, texting.a, replies_exempt=True)
        a_day_later = await texting.sent(texting.a, body="One more thing")

    assert [text["status"] for text in (before, *answers, other, strict, a_day_later)] == [
        "held",
        "queued",
        "queued",
        "held",
        "held",
        "held",
    ]
    assert isinstance(verdict, Text)


async def test_frequency_cap_refuses_what_is_too_much_and_says_until_when(texting: Texting) -> None:
    await rule(texting, texting.a, frequency_cap={"texts": 2, "days": 7})
    with time_machine.travel(NOON):
        first = await texting.sent(texting.a, body="One")
    with time_machine.travel(NOON + timedelta(days=1)):
        second = await texting.sent(texting.a, body="Two")
        third = await texting.send(texting.a, body="Three")
        to_another = await texting.send(texting.a, to=IN_NEW_YORK)
        of_b = [await texting.send(texting.b, body=body) for body in "123"]
    with time_machine.travel(NOON + timedelta(days=6, hours=23)):
        still = await texting.send(texting.a, body="Four")
    with time_machine.travel(NOON + timedelta(days=7, minutes=1)):
        again = await texting.send(texting.a, body="Five")

    assert (third.status_code, third.json()["code"]) == (422, "frequency_cap")
    assert "2026-06-09 12:00 (America/Phoenix)" in third.json()["detail"]
    assert [answer.status_code for answer in (to_another, still, again, *of_b)] == [202, 422, 202, 202, 202, 202]
    # What was let in under the cap is let out, however much came after it.
    with time_machine.travel(NOON + timedelta(days=1, minutes=1)):
        for text in (first, second):
            assert isinstance(await texting.judge(texting.a, text["id"]), Text)
    [line] = await texting.timeline(texting.a, third.json()["message_id"])
    assert (line["kind"], line["detail"]["code"]) == ("refused", "frequency_cap")


async def test_the_days_budget_is_spent_in_order_and_the_rest_waits_for_midnight_at_home(texting: Texting) -> None:
    await rule(texting, texting.a, daily_budget={"unit": "segments", "most": 3})
    midnight = datetime(2026, 6, 3, 7, 0, tzinfo=UTC)
    with time_machine.travel(NOON):
        texts = [await texting.sent(texting.a, body=f"{n} " + "x" * 160 * extra) for n, extra in enumerate((0, 1, 0))]
        verdicts = [await texting.judge(texting.a, text["id"]) for text in texts]
        again = await texting.judge(texting.a, texts[0]["id"])
        late = await texting.sent(texting.a, body="Late")
        too_long = await texting.send(texting.a, body="y" * 1000)
        of_b = await texting.sent(texting.b)
    with time_machine.travel(midnight):
        next_day = [await texting.judge(texting.a, text["id"]) for text in (texts[2], late)]

    assert [type(verdict) for verdict in (*verdicts, again)] == [Text, Text, Hold, Text]
    assert verdicts[2].code == "daily_budget"
    assert verdicts[2].until == midnight
    assert (late["status"], late["refusal_code"], datetime.fromisoformat(late["not_before"])) == (
        "held",
        "daily_budget",
        midnight,
    )
    assert (too_long.status_code, too_long.json()["code"]) == (422, "daily_budget")
    assert of_b["status"] == "queued"
    assert [type(verdict) for verdict in next_day] == [Text, Text]


async def test_budget_of_one_batch_is_not_overrun(texting: Texting) -> None:
    await rule(texting, texting.a, daily_budget={"unit": "texts", "most": 2})
    with time_machine.travel(NOON):
        texts = [await texting.sent(texting.a, body=f"Text {n}") for n in range(4)]
        ids = [UUID(text["id"]) for text in texts]
        async with texting.world.tenancy.tenant(texting.a.company_id) as session:
            verdicts = await texting.texts.judge(session, ids[::-1])

    assert [type(verdicts[message_id]) for message_id in ids] == [Text, Text, Hold, Hold]


async def test_several_reasons_to_wait_give_the_longest(texting: Texting) -> None:
    await rule(
        texting, texting.a, quiet_hours=NIGHT, holidays=["2026-06-02"], daily_budget={"most": 1, "unit": "texts"}
    )
    with time_machine.travel(LATE):
        held = await texting.sent(texting.a)

    assert (held["refusal_code"], datetime.fromisoformat(held["not_before"])) == (
        "quiet_hours",
        datetime(2026, 6, 3, 15, 0, tzinfo=UTC),
    )


async def test_changed_hours_bring_held_texts_before_the_gate_at_once(texting: Texting) -> None:
    await rule(texting, texting.a, quiet_hours=NIGHT)
    await rule(texting, texting.b, quiet_hours=NIGHT)
    with time_machine.travel(LATE, tick=False):
        held, of_b = await texting.sent(texting.a), await texting.sent(texting.b)
        taken_back = await texting.sent(texting.a, to=IN_NEW_YORK, undo_seconds=0)
        await rule(texting, texting.a, quiet_hours={"from": "22:00", "to": "08:00"})
        await ReviewHeldHandler()(JobContext(texting.world.tenancy, texting.a.company_id), ReviewHeld())
        due = outbox_due(texting, texting.a)
        verdict = await texting.judge(texting.a, held["id"])
        still = await texting.judge(texting.a, taken_back["id"])

    assert due[held["id"]] == LATE
    assert isinstance(verdict, Text)
    assert isinstance(still, Hold)
    assert outbox_due(texting, texting.b)[of_b["id"]] == MORNING


async def test_a_manager_lets_a_held_text_go_and_it_is_in_the_audit_log(texting: Texting) -> None:
    await rule(texting, texting.a, quiet_hours=NIGHT)
    with time_machine.travel(LATE):
        held = await texting.sent(texting.a)
        path = f"/api/sms/messages/{held['id']}/release"
        refused = [await texting.call("POST", path, texting.a, scope=scope) for scope in ("read", "send")]
        foreign = await texting.call("POST", path, texting.b, scope="manage")
        unknown = await texting.call("POST", f"/api/sms/messages/{texting.b.company_id}/release", texting.b)
        released = await texting.call("POST", path, texting.a, scope="manage")
        twice = await texting.call("POST", path, texting.a, scope="manage")
        verdict = await texting.judge(texting.a, held["id"])

    assert [answer.status_code for answer in refused] == [403, 403]
    assert (foreign.status_code, foreign.content) == (404, unknown.content)
    assert (released.status_code, released.json()["status"], released.json()["not_before"]) == (200, "queued", None)
    assert (twice.status_code, twice.json()["code"]) == (409, "not_held")
    assert isinstance(verdict, Text)
    assert outbox_due(texting, texting.a)[held["id"]] < LATE + timedelta(minutes=5)
    [entry] = (await texting.get("/api/audit-log", texting.a, action="message.released"))["items"]
    assert (entry["target_id"], entry["before"]["code"]) == (held["id"], "quiet_hours")


async def test_a_released_text_still_obeys_a_stop(texting: Texting) -> None:
    await rule(texting, texting.a, quiet_hours=NIGHT)
    with time_machine.travel(LATE):
        held = await texting.sent(texting.a)
        await texting.call("POST", f"/api/sms/messages/{held['id']}/release", texting.a)
        await texting.inbound(texting.a, body="STOP")
        verdict = await texting.judge(texting.a, held["id"])

    assert isinstance(verdict, Refuse)


async def test_undo_seconds_leave_time_to_take_a_text_back(texting: Texting) -> None:
    with time_machine.travel(NOON, tick=False):
        waiting = await texting.sent(texting.a, undo_seconds=10)
        at_once = await texting.sent(texting.a, body="Now")
        taken_back = await texting.call("DELETE", f"/api/sms/messages/{waiting['id']}", texting.a, scope="send")

    assert (waiting["status"], datetime.fromisoformat(waiting["not_before"])) == (
        "queued",
        NOON + timedelta(seconds=10),
    )
    assert at_once["not_before"] is None
    assert (taken_back.status_code, taken_back.json()["status"]) == (200, "canceled")
    assert list(outbox_due(texting, texting.a).values()) == [NOON]


@pytest.mark.parametrize("seconds", [-1, 61, "soon"])
async def test_undo_is_a_minute_at_most(texting: Texting, seconds: Any) -> None:
    assert (await texting.send(texting.a, undo_seconds=seconds)).status_code == 422
    assert (await texting.send(texting.a, undo_seconds=60, to=CUSTOMER)).status_code == 202
