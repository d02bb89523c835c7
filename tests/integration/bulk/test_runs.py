"""A bulk send under way: lanes, pauses, guards, times, results; what becomes of every recipient is accounted for."""

import asyncio
import csv
import io
from datetime import timedelta
from uuid import UUID

import time_machine

from ringfence.features.bulk.actions.running import top_up
from ringfence.kit.clock import utc_now
from tests.factories.bulk import (
    act,
    created,
    customers,
    delivered,
    look,
    recount,
    rehearsed,
    started,
    texts_of,
    turn,
)
from tests.factories.texts import Texting


async def audit(texting: Texting) -> list[str]:
    entries = (await texting.get("/api/audit-log", texting.a, limit=200))["items"]
    return [entry["action"] for entry in reversed(entries) if entry["action"].startswith("bulk.")]


async def test_lanes_are_never_filled_with_more_than_two_minutes(texting: Texting) -> None:
    a = texting.a
    made = await started(texting, a, customers(300))
    assert (made["counts"], made["remaining"]) == ({"queued": 120}, 180)
    await turn(texting, a)
    assert len(texting.stored(a, "outbox")["outbox"]) == 120
    rows = texting.stored(a, "outbox")["outbox"]
    assert {row["priority"] for row in rows} == {3}
    await delivered(texting, a, texts_of(texting, a, made["id"])[:50])
    await turn(texting, a)
    found = await look(texting, a, made["id"])
    assert found["counts"] == {"queued": 120, "delivered": 50} == recount(texting, a, made["id"])


async def test_two_workers_at_once_take_nobody_twice(texting: Texting) -> None:
    a = texting.a
    made = await created(texting, a, customers(300), canary=False, from_numbers=list(a.numbers))
    await act(texting, a, made["id"], "start")
    await asyncio.gather(*(turn(texting, a) for _ in range(4)))
    await turn(texting, a)
    numbers = [text["to_number"] for text in texts_of(texting, a, made["id"])]
    assert len(numbers) == len(set(numbers)) == 240
    assert (await look(texting, a, made["id"]))["counts"] == {"queued": 240} == recount(texting, a, made["id"])


async def test_rotation_fills_every_lane_and_keeps_to_the_number_people_know(texting: Texting) -> None:
    a = texting.a
    numbers = customers(40)
    for number in numbers[:3]:
        await texting.sent(a, to=number, from_number=a.numbers[1], body="Before")
    made = await started(texting, a, numbers, from_numbers=list(a.numbers))
    texts = texts_of(texting, a, made["id"])
    assert [text["from_number"] for text in texts[:3]] == [a.numbers[1]] * 3
    share = [sum(text["from_number"] == number for text in texts) for number in a.numbers]
    assert sum(share) == 40
    assert min(share) >= 18


async def test_texts_stand_in_their_threads_and_timelines(texting: Texting) -> None:
    a, (number,) = texting.a, customers(1)
    contact = await texting.call("POST", "/api/contacts", a, json={"first_name": "Ada", "phone_number": number})
    made = await started(texting, a, [number])
    (thread,) = (await texting.get("/api/sms/conversations", a))["items"]
    (text,) = (await texting.get(f"/api/sms/conversations/{thread['id']}/messages", a))["items"]
    assert (text["source"], text["body"], text["contact_id"]) == ("bulk", "Sale on Friday", contact.json()["id"])
    assert text["bulk_send_id"] == made["id"]
    (line,) = await texting.timeline(a, text["id"])
    assert (line["kind"], line["detail"]["bulk_send_id"]) == ("queued", made["id"])


async def test_stop_between_hand_in_and_dispatch_wins(texting: Texting) -> None:
    a, numbers = texting.a, customers(3)
    made = await started(texting, a, numbers)
    await texting.inbound(a, sender=numbers[1], body="STOP")
    text = texts_of(texting, a, made["id"])[1]
    refusal = await texting.judge(a, str(text["id"]))
    assert refusal.code == "opted_out"
    async with texting.world.tenancy.tenant(a.company_id) as session:
        await texting.texts.refuse(session, {text["id"]: refusal})
    found = await look(texting, a, made["id"])
    assert found["counts"] == {"queued": 2, "refused": 1}
    assert found["reasons"] == [{"status": "refused", "code": "opted_out", "recipients": 1}]


async def test_pause_takes_back_and_resume_goes_on_without_repeating_anyone(texting: Texting) -> None:
    a = texting.a
    made = await started(texting, a, customers(200))
    before = texts_of(texting, a, made["id"])
    await delivered(texting, a, before[:10])
    texting.change("UPDATE outbox SET state = 'posting' WHERE message_id = %s", before[10]["id"])
    # One was tried, and Twilio said that it did not take it: its attempts must go on counting after the pause.
    texting.change("UPDATE outbox SET attempt = 1 WHERE message_id = %s", before[11]["id"])
    texting.change("INSERT INTO send_attempt VALUES (%s, %s, 1, 1, now())", a.company_id, before[11]["id"])

    paused = await act(texting, a, made["id"], "pause")
    assert paused["status"] == "paused"
    assert paused["code"] == "by_person"
    assert paused["counts"] == {"delivered": 10, "queued": 1, "held": 109}
    assert [row["message_id"] for row in texting.stored(a, "outbox")["outbox"]] == [before[10]["id"]]
    await turn(texting, a)
    assert (await look(texting, a, made["id"]))["counts"] == paused["counts"]
    early = await texting.call("POST", f"/api/sms/bulk/{made['id']}/start", a)
    assert (early.status_code, early.json()["code"]) == (409, "bulk_state")

    await act(texting, a, made["id"], "resume")
    await turn(texting, a)
    resumed = await look(texting, a, made["id"])
    assert resumed["counts"] == {"delivered": 10, "queued": 121} == recount(texting, a, made["id"])
    attempts = {row["message_id"]: row["attempt"] for row in texting.stored(a, "outbox")["outbox"]}
    assert (attempts[before[11]["id"]], attempts[before[12]["id"]]) == (1, 0)
    assert [text["id"] for text in texts_of(texting, a, made["id"])[:120]] == [text["id"] for text in before]
    assert len({text["to_number"] for text in texts_of(texting, a, made["id"])}) == 131
    assert await audit(texting) == ["bulk.created", "bulk.started", "bulk.paused", "bulk.resumed"]


async def test_a_turn_that_comes_after_the_pause_hands_in_nothing(texting: Texting) -> None:
    """The worker reads what runs first and takes each turn later: a pause in between counts."""
    a = texting.a
    made = await started(texting, a, customers(130))
    await delivered(texting, a, texts_of(texting, a, made["id"])[:20])

    async def late_turn() -> None:
        async with texting.world.tenancy.tenant(a.company_id) as session:
            await top_up(session, UUID(made["id"]))

    await act(texting, a, made["id"], "pause")
    await late_turn()
    assert texting.stored(a, "outbox")["outbox"] == []
    assert len(texts_of(texting, a, made["id"])) == 120

    await act(texting, a, made["id"], "resume")
    await late_turn()
    assert len(texting.stored(a, "outbox")["outbox"]) > 0


async def test_stop_cancels_what_waits_also_what_a_pause_took_back(texting: Texting) -> None:
    a = texting.a
    first = await started(texting, a, customers(5))
    stopped = await act(texting, a, first["id"], "stop")
    assert (stopped["status"], stopped["counts"]) == ("stopped", {"canceled": 5})
    assert texting.stored(a, "outbox")["outbox"] == []

    second = await started(texting, a, customers(150))
    await act(texting, a, second["id"], "pause")
    stopped = await act(texting, a, second["id"], "stop")
    assert (stopped["counts"], stopped["remaining"]) == ({"canceled": 120}, 30)
    again = await texting.call("POST", f"/api/sms/bulk/{second['id']}/resume", a)
    assert again.status_code == 409
    await turn(texting, a)
    assert texting.stored(a, "outbox")["outbox"] == []


async def test_a_paused_one_can_go_on_from_another_number(texting: Texting) -> None:
    a = texting.a
    made = await started(texting, a, customers(10))
    await act(texting, a, made["id"], "pause")
    path = f"/api/sms/bulk/{made['id']}"
    answer = await texting.call("PATCH", path, a, json={"from_numbers": [a.numbers[1]]})
    assert answer.json()["from_numbers"] == [a.numbers[1]]
    other = await texting.call("PATCH", path, a, json={"body": "Something else"})
    assert (other.status_code, other.json()["code"]) == (409, "bulk_state")
    await act(texting, a, made["id"], "resume")
    await turn(texting, a)
    await turn(texting, a)
    texts = texts_of(texting, a, made["id"])
    assert {text["from_number"] for text in texts} == {a.numbers[1]}
    assert (await look(texting, a, made["id"]))["counts"] == {"queued": 10}


async def test_what_is_wrong_with_the_company_pauses_it(texting: Texting) -> None:
    a = texting.a
    made = await started(texting, a, customers(200))
    await texting.call("PATCH", f"/api/sms/phone-numbers/{await number_id(texting)}", a, json={"status": "inactive"})
    await turn(texting, a)
    paused = await look(texting, a, made["id"])
    assert (paused["status"], paused["code"]) == ("paused", "sender_inactive")
    assert a.number in paused["reason"]
    again = await texting.call("POST", f"/api/sms/bulk/{made['id']}/resume", a)
    assert (again.status_code, again.json()["code"]) == (422, "sender_inactive")
    await texting.call("PATCH", f"/api/sms/phone-numbers/{await number_id(texting)}", a, json={"status": "active"})
    await act(texting, a, made["id"], "resume")
    texting.change("UPDATE twilio_settings SET status = 'suspended' WHERE company_id = %s", a.company_id)
    await turn(texting, a)
    assert (await look(texting, a, made["id"]))["code"] == "account_suspended"
    assert (await audit(texting))[-3:] == ["bulk.paused", "bulk.resumed", "bulk.paused"]


async def number_id(texting: Texting) -> str:
    numbers = (await texting.get("/api/sms/phone-numbers", texting.a))["items"]
    return next(item["id"] for item in numbers if item["phone_number"] == texting.a.number)


async def test_canary_that_fails_pauses_and_can_be_overruled(texting: Texting) -> None:
    a = texting.a
    made = await started(texting, a, customers(100), canary=True)
    assert (made["canary"], made["canary_size"], made["counts"]) == ("sending", 20, {"queued": 20})
    texts = texts_of(texting, a, made["id"])
    await delivered(texting, a, texts[:2], "undelivered")
    await turn(texting, a)
    assert (await look(texting, a, made["id"]))["status"] == "running"
    await delivered(texting, a, texts[2:3], "undelivered")
    await turn(texting, a)
    paused = await look(texting, a, made["id"])
    assert (paused["status"], paused["code"], paused["remaining"]) == ("paused", "canary_failed", 80)
    assert paused["reason"] == "3 of the first 20 texts failed; more than 10 % pauses a bulk send."
    assert paused["counts"] == {"undelivered": 3, "held": 17}
    assert {"status": "undelivered", "code": "30005", "recipients": 3} in paused["reasons"]
    await act(texting, a, made["id"], "resume")
    await turn(texting, a)
    await turn(texting, a)
    resumed = await look(texting, a, made["id"])
    assert (resumed["status"], resumed["canary"], resumed["remaining"]) == ("running", "overruled", 0)


async def test_canary_waits_for_receipts_and_then_everything_goes(texting: Texting) -> None:
    a = texting.a
    made = await started(texting, a, customers(100), canary=True, canary_wait_seconds=60)
    texts = texts_of(texting, a, made["id"])
    await delivered(texting, a, texts[:10])
    await delivered(texting, a, texts[10:], "sent")
    await turn(texting, a)
    waiting = await look(texting, a, made["id"])
    assert (waiting["canary"], waiting["remaining"]) == ("sending", 80)
    with time_machine.travel(utc_now() + timedelta(seconds=61), tick=False):
        await turn(texting, a)
    passed = await look(texting, a, made["id"])
    assert (passed["canary"], passed["remaining"]) == ("passed", 0)


async def test_opt_outs_of_the_first_ones_pause_it(texting: Texting) -> None:
    a, numbers = texting.a, customers(100)
    made = await started(texting, a, numbers, canary=True)
    await delivered(texting, a, texts_of(texting, a, made["id"]))
    for number in numbers[:2]:
        await texting.inbound(a, sender=number, body="STOP")
    await turn(texting, a)
    paused = await look(texting, a, made["id"])
    assert (paused["status"], paused["code"], paused["opt_outs"]) == ("paused", "canary_opt_outs", 2)


async def test_failures_after_the_canary_pause_it_too(texting: Texting) -> None:
    a = texting.a
    made = await started(texting, a, customers(100), canary=True)
    await delivered(texting, a, texts_of(texting, a, made["id"]))
    await turn(texting, a)
    assert (await look(texting, a, made["id"]))["canary"] == "passed"
    await delivered(texting, a, texts_of(texting, a, made["id"])[20:30], "failed")
    await turn(texting, a)
    assert (await look(texting, a, made["id"]))["code"] == "too_many_failed"


async def test_quiet_hours_put_recipients_off_without_filling_lanes(texting: Texting) -> None:
    """Nobody's day is over for all: who may be texted is texted, whoever is asleep waits outside the lane."""
    a = texting.a
    made = await created(texting, a, [*customers(3), "+12125550100"], canary=False)
    rules = {"quiet_hours": {"from": "21:00", "to": "08:00"}}
    await texting.call("PATCH", "/api/company", a, json={"texting": rules})
    # Half past seven in the evening in Arizona, half past ten in New York.
    with time_machine.travel("2026-06-03T02:30:00+00:00", tick=False):
        await act(texting, a, made["id"], "start")
        await turn(texting, a)
        found = await look(texting, a, made["id"])
        assert found["counts"] == {"queued": 3, "waiting": 1}
        assert found["reasons"] == [{"status": "waiting", "code": "quiet_hours", "recipients": 1}]
        (asleep,) = (await texting.get(f"/api/sms/bulk/{made['id']}/recipients", a, state="waiting"))["items"]
        assert (asleep["to_number"], asleep["not_before"]) == ("+12125550100", "2026-06-03T12:00:00Z")
        await delivered(texting, a, texts_of(texting, a, made["id"]))
        await turn(texting, a)
        assert (await look(texting, a, made["id"]))["status"] == "running"
    with time_machine.travel("2026-06-03T12:00:01+00:00", tick=False):
        await turn(texting, a)
        assert (await look(texting, a, made["id"]))["counts"] == {"delivered": 3, "queued": 1}


async def test_it_starts_at_its_time_and_not_long_after(texting: Texting) -> None:
    a = texting.a
    at = utc_now() + timedelta(hours=3)
    ids = []
    for _ in range(2):
        made = await created(texting, a, customers(2), scheduled_at=at.isoformat())
        assert (await act(texting, a, made["id"], "start"))["status"] == "scheduled"
        ids.append(made["id"])
    moved = await texting.call(
        "PATCH", f"/api/sms/bulk/{ids[1]}", a, json={"scheduled_at": (at - timedelta(hours=2)).isoformat()}
    )
    assert moved.json()["status"] == "scheduled"
    await turn(texting, a)
    assert [(await look(texting, a, one))["status"] for one in ids] == ["scheduled", "scheduled"]
    with time_machine.travel(at + timedelta(seconds=1), tick=False):
        await turn(texting, a)
    on_time, late = [await look(texting, a, one) for one in ids]
    assert (on_time["status"], on_time["counts"]) == ("running", {"queued": 2})
    # Its time was two hours ago, which is as late as the company lets scheduled texts be.
    assert (late["status"], late["code"], late["counts"]) == ("paused", "late", {})


async def test_retry_goes_to_those_who_failed_and_to_unconfirmed_ones_only_if_asked(texting: Texting) -> None:
    a = texting.a
    made = await started(texting, a, customers(6))
    texts = texts_of(texting, a, made["id"])
    early = await texting.call("POST", f"/api/sms/bulk/{made['id']}/retry", a)
    assert (early.status_code, early.json()["code"]) == (409, "bulk_state")
    await delivered(texting, a, texts[:2])
    await delivered(texting, a, texts[2:5], "failed")
    texting.change("UPDATE sms_messages SET status = 'unconfirmed' WHERE id = %s", texts[5]["id"])
    texting.change("DELETE FROM outbox WHERE company_id = %s", a.company_id)
    texting.change(
        "UPDATE bulk_counts SET status = 'unconfirmed', recipients = 1 WHERE company_id = %s AND status = 'queued'",
        a.company_id,
    )
    texting.change("DELETE FROM bulk_count_changes WHERE status = 'queued' AND company_id = %s", a.company_id)
    await turn(texting, a)
    assert (await look(texting, a, made["id"]))["status"] == "done"
    # One is sent again by hand, and so not a second time by the retry.
    by_hand = await texting.call("POST", f"/api/sms/messages/{texts[2]['id']}/retry", a)
    assert by_hand.status_code == 202

    again = await act(texting, a, made["id"], "retry")
    assert (again["retry_of"], again["recipients"], again["status"]) == (made["id"], 2, "rehearsing")
    await rehearsed(texting, a, again["id"])
    await act(texting, a, again["id"], "start")
    await turn(texting, a)
    second = texts_of(texting, a, again["id"])
    assert [text["retry_of"] for text in second] == [text["id"] for text in texts[3:5]]
    everybody = await act(texting, a, made["id"], "retry", json={"unconfirmed": True})
    assert everybody["recipients"] == 1
    await rehearsed(texting, a, everybody["id"])
    assert (await look(texting, a, everybody["id"]))["rehearsal"]["will_send"] == 1


async def test_results_name_everybody_in_the_order_of_the_list(texting: Texting) -> None:
    a, numbers = texting.a, customers(130)
    await texting.call("POST", "/api/sms/opt-outs", a, json={"outside_number": numbers[1]})
    made = await started(texting, a, numbers)
    texts = texts_of(texting, a, made["id"])
    await delivered(texting, a, texts[:1])
    await delivered(texting, a, texts[1:2], "undelivered")
    answer = await texting.call("GET", f"/api/sms/bulk/{made['id']}/results", a, scope="manage")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["to_number"] for row in rows] == numbers
    assert [row["line"] for row in rows] == [str(n) for n in range(2, 132)]
    assert [(row["status"], row["code"]) for row in rows[:3]] == [
        ("delivered", ""),
        ("skipped", "opted_out"),
        ("undelivered", "30005"),
    ]
    assert {row["status"] for row in rows[3:121]} == {"queued"}
    assert {row["status"] for row in rows[121:]} == {"not_sent"}
    first = await texting.get(f"/api/sms/bulk/{made['id']}/recipients", a, limit=100)
    rest = await texting.get(f"/api/sms/bulk/{made['id']}/recipients", a, cursor=first["next_cursor"])
    assert [item["position"] for item in first["items"] + rest["items"]] == list(range(1, 122))


async def test_counts_follow_every_way_a_text_can_go(texting: Texting) -> None:
    """Canceled by hand, held by the gate and let go: counts and a recount agree."""
    a = texting.a
    made = await started(texting, a, customers(4))
    texts = texts_of(texting, a, made["id"])
    assert (await texting.call("DELETE", f"/api/sms/messages/{texts[0]['id']}", a)).status_code == 200
    rules = {"daily_budget": {"most": 1}}
    await texting.call("PATCH", "/api/company", a, json={"texting": rules})
    for text in texts[1:3]:
        verdict = await texting.judge(a, str(text["id"]))
        if hasattr(verdict, "until"):
            async with texting.world.tenancy.tenant(a.company_id) as session:
                await texting.texts.hold(session, {text["id"]: verdict})
    found = await look(texting, a, made["id"])
    assert found["counts"] == {"canceled": 1, "queued": 2, "held": 1} == recount(texting, a, made["id"])
    answer = await texting.call("POST", f"/api/sms/messages/{texts[2]['id']}/release", a)
    assert answer.is_success, answer.text
    assert (await look(texting, a, made["id"]))["counts"] == {"canceled": 1, "queued": 3}


async def test_companies_are_looked_at_only_while_there_is_something_to_do(texting: Texting) -> None:
    a = texting.a
    due = lambda: texting.stored(a, "bulk_due")["bulk_due"]  # noqa: E731
    made = await started(texting, a, customers(2))
    assert due()[0]["next_due"] <= utc_now()
    await delivered(texting, a, texts_of(texting, a, made["id"]))
    await turn(texting, a)
    await turn(texting, a)
    assert (await look(texting, a, made["id"]))["status"] == "done"
    assert timedelta(seconds=30) < due()[0]["next_due"] - utc_now() <= timedelta(minutes=1)
    with time_machine.travel(utc_now() + timedelta(days=3), tick=False):
        await turn(texting, a)
        assert due() == []
