"""The automatic reply while the company is closed: once, to people, through the gate."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
import time_machine

from ringfence.features.messages.jobs import AnswerByItselfHandler
from ringfence.features.messages.values import AnswerByItself
from ringfence.jobqueue.jobs import JobContext
from tests.factories.texts import CUSTOMER, Line, Texting

# Tuesday 2026-06-02 in Phoenix: open from nine to five.
EVENING = datetime(2026, 6, 3, 1, 0, tzinfo=UTC)
AFTERNOON = datetime(2026, 6, 2, 22, 0, tzinfo=UTC)
REPLY = {"body": "We are back at nine.", "open_hours": {"tuesday": {"from": "09:00", "to": "17:00"}}}


async def switch_on(texting: Texting, line: Line, **rules: Any) -> None:
    answer = await texting.call("PATCH", "/api/company", line, json={"texting": {"auto_reply": REPLY, **rules}})
    assert answer.status_code == 200, answer.text


def waiting_jobs(texting: Texting, line: Line) -> list[UUID]:
    """The texts that wait for their automatic reply."""
    with psycopg.connect(texting.database.admin_url) as connection:
        rows = connection.execute(
            "SELECT args -> 'fields' ->> 'message_id' FROM procrastinate_jobs"
            " WHERE task_name = 'messages.answer_by_itself' AND args ->> 'company_id' = %s ORDER BY id",
            [str(line.company_id)],
        )
        return [UUID(message_id) for (message_id,) in rows]


async def work(texting: Texting, line: Line) -> None:
    """What the worker does with them; twice, as a worker that dies after the work has it done."""
    for message_id in waiting_jobs(texting, line) * 2:
        context = JobContext(texting.world.tenancy, line.company_id)
        await AnswerByItselfHandler()(context, AnswerByItself(message_id=message_id))


def replies(texting: Texting, line: Line) -> list[dict[str, Any]]:
    return [row for row in texting.stored(line, "sms_messages")["sms_messages"] if row["source"] == "auto_reply"]


async def test_it_is_off_until_it_is_set(texting: Texting) -> None:
    await switch_on(texting, texting.b)
    with time_machine.travel(EVENING):
        for line in (texting.a, texting.b):
            await texting.inbound(line, body="Anybody there?")
            await work(texting, line)

    assert (replies(texting, texting.a), len(replies(texting, texting.b))) == ([], 1)
    assert waiting_jobs(texting, texting.a) == []


async def test_one_answer_a_day_and_conversation_from_the_number_that_was_texted(texting: Texting) -> None:
    await switch_on(texting, texting.a)
    with time_machine.travel(EVENING):
        for body in ("Hello?", "Hello??"):
            await texting.inbound(texting.a, body=body, to=texting.a.numbers[1])
        await work(texting, texting.a)
        [reply] = replies(texting, texting.a)
        await texting.inbound(texting.a, body="Somebody else", sender="+16025550991")
        await work(texting, texting.a)
    with time_machine.travel(EVENING + timedelta(days=1)):
        await texting.inbound(texting.a, body="Still there?", to=texting.a.numbers[1])
        await work(texting, texting.a)

    assert (reply["to_number"], reply["from_number"], reply["body"], reply["status"], reply["priority"]) == (
        CUSTOMER,
        texting.a.numbers[1],
        REPLY["body"],
        "queued",
        0,
    )
    assert sorted(row["to_number"] for row in replies(texting, texting.a)) == [CUSTOMER, CUSTOMER, "+16025550991"]
    [line] = await texting.timeline(texting.a, str(reply["id"]))
    assert (line["detail"]["by"], line["detail"]["source"]) == ("Ringfence", "auto_reply")


async def test_an_open_company_does_not_answer_and_a_holiday_is_closed(texting: Texting) -> None:
    await switch_on(texting, texting.a)
    await switch_on(texting, texting.b, holidays=["2026-06-02"])
    with time_machine.travel(AFTERNOON):
        for line in (texting.a, texting.b):
            await texting.inbound(line)
            await work(texting, line)

    assert (len(replies(texting, texting.a)), len(replies(texting, texting.b))) == (0, 1)


@pytest.mark.parametrize(
    "what",
    [
        {"body": "STOP"},
        {"body": "help"},
        {"body": "START"},
        {"body": "anything", "fields": {"OptOutType": "STOP"}},
        {"sender": "72345"},
        {"sender": "BANK"},
    ],
)
async def test_keywords_and_short_codes_are_never_answered(texting: Texting, what: dict[str, Any]) -> None:
    await switch_on(texting, texting.a)
    with time_machine.travel(EVENING):
        assert (await texting.inbound(texting.a, **what)).status_code == 200
        await work(texting, texting.a)
        none = replies(texting, texting.a)
        await texting.inbound(texting.a, body="A person", sender="+16025550991")
        await work(texting, texting.a)

    assert none == []
    assert [row["to_number"] for row in replies(texting, texting.a)] == ["+16025550991"]


async def test_who_opted_out_and_our_own_numbers_get_no_answer(texting: Texting) -> None:
    await switch_on(texting, texting.a)
    with time_machine.travel(EVENING):
        await texting.inbound(texting.a, body="STOP")
        for sender in (CUSTOMER, texting.a.numbers[1], "+16025550991"):
            await texting.inbound(texting.a, body="Hello", sender=sender)
        await work(texting, texting.a)

    assert [row["to_number"] for row in replies(texting, texting.a)] == ["+16025550991"]


async def test_a_late_answer_is_none(texting: Texting) -> None:
    await switch_on(texting, texting.a)
    with time_machine.travel(EVENING):
        await texting.inbound(texting.a)
    with time_machine.travel(EVENING + timedelta(minutes=61)):
        await work(texting, texting.a)
    late = replies(texting, texting.a)
    with time_machine.travel(EVENING + timedelta(minutes=59)):
        await work(texting, texting.a)

    assert (late, len(replies(texting, texting.a))) == ([], 1)


async def test_the_answer_passes_the_gate(texting: Texting) -> None:
    night = {"from": "17:00", "to": "09:00"}
    await switch_on(texting, texting.a, quiet_hours=night, replies_exempt=False)
    await switch_on(texting, texting.b, quiet_hours=night)
    with time_machine.travel(EVENING):
        for line in (texting.a, texting.b):
            await texting.inbound(line)
            await work(texting, line)

    assert [row["status"] for line in (texting.a, texting.b) for row in replies(texting, line)] == ["held", "queued"]


async def test_a_number_that_was_given_up_meanwhile_answers_nothing(texting: Texting) -> None:
    await switch_on(texting, texting.a)
    with time_machine.travel(EVENING):
        await texting.inbound(texting.a)
        texting.change(
            "UPDATE phone_numbers SET released_at = now(), is_default = false WHERE phone_number = %s", texting.a.number
        )
        await work(texting, texting.a)

    assert replies(texting, texting.a) == []
