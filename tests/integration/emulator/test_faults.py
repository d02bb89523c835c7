"""Faults: each one strikes as described, and the ledger of creates stays exact."""

import asyncio
import json

import aiohttp
import pytest

from ringfence.emulator.faults import AFTER_ACCEPT, BEFORE_ACCEPT, CALLBACKS
from tests.factories.waiting import eventually
from tests.integration.emulator.emulator_world import (
    ACME_NUMBER,
    ACME_SECOND,
    ACME_SID,
    ACME_TOKEN,
    BOLT_NUMBER,
    BOLT_SID,
    BOLT_TOKEN,
    CUSTOMER,
    OTHER_CUSTOMER,
    Application,
    Phone,
)


async def creates(phone: Phone, message_id: str = "m-1") -> dict[str, object]:
    report = await phone.control("GET", f"/creates?message_id={message_id}")
    return report["creates"][message_id]


def callback(application: Application, message_id: str = "m-1", attempt: int = 1) -> str:
    return f"{application.url}/status?company=c&message_id={message_id}&attempt={attempt}&mac=f0"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("401", 401, 20003),
        ("429", 429, 20429),
        ("63038", 429, 63038),
        ("500", 500, 20500),
        ("503", 503, 20503),
        ("504", 504, 20503),
        ("21610", 400, 21610),
        ("21611", 400, 21611),
        ("21408", 400, 21408),
    ],
)
async def test_refusals_create_nothing_and_are_counted(
    phone: Phone, application: Application, kind: str, status: int, code: int
) -> None:
    await phone.fault(kind, count=1)
    got, body = await phone.send(StatusCallback=callback(application))
    assert (got, body["code"], body["status"]) == (status, code, status)
    assert (await creates(phone))["received"] == 1
    assert (await creates(phone))["accepted"] == 0
    # The fault is spent.
    assert (await phone.send(StatusCallback=callback(application, attempt=2)))[0] == 201
    assert (await creates(phone)) | {"sids": []} == {
        "received": 2,
        "accepted": 1,
        "sids": [],
        "attempts": {"1": 1, "2": 1},
    }


async def test_retry_after_is_sent_when_asked_for(phone: Phone) -> None:
    form = {"From": ACME_NUMBER, "To": CUSTOMER, "Body": "x"}
    headers = {"Authorization": aiohttp.encode_basic_auth(ACME_SID, ACME_TOKEN)}
    url = f"{phone.emulator.base_url}/2010-04-01/Accounts/{ACME_SID}/Messages.json"
    await phone.fault("429", retry_after=7, count=1)
    async with phone.session.post(url, data=form, headers=headers) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
        assert answer.headers["Twilio-Request-Id"].startswith("RQ")
    await phone.fault("429", count=1)
    async with phone.session.post(url, data=form, headers=headers) as answer:
        assert answer.status == 429
        assert "Retry-After" not in answer.headers


async def test_a_proxys_error_page_is_html(phone: Phone) -> None:
    await phone.fault("502_html", count=1)
    status, body = await phone.send()
    assert status == 502
    assert isinstance(body, str)
    assert "<html>" in body
    assert (await phone.send())[0] == 201


@pytest.mark.parametrize("kind", ["500_after_accept", "503_after_accept", "502_html_after_accept"])
async def test_errors_after_accept_leave_a_message_that_is_delivered(
    phone: Phone, application: Application, kind: str
) -> None:
    await phone.fault(kind, count=1)
    status, _ = await phone.send(StatusCallback=callback(application))
    assert status in {500, 502, 503}
    tally = await creates(phone)
    assert (tally["received"], tally["accepted"]) == (1, 1)
    received = await application.until(2)
    assert {item.form["MessageSid"] for item in received} == set(tally["sids"])  # type: ignore[call-overload]


@pytest.mark.parametrize(("kind", "accepted"), [("reset_before_accept", 0), ("accept_then_reset", 1)])
async def test_resets_cut_the_connection(phone: Phone, application: Application, kind: str, accepted: int) -> None:
    await phone.fault(kind, count=1)
    with pytest.raises(aiohttp.ClientError):
        await phone.send(StatusCallback=callback(application))
    tally = await creates(phone)
    assert (tally["received"], tally["accepted"]) == (1, accepted)
    assert (await phone.send())[0] == 201


@pytest.mark.parametrize(("kind", "accepted"), [("hang", 0), ("hang_after_accept", 1)])
async def test_hanging_requests_outlast_the_callers_deadline(
    phone: Phone, application: Application, kind: str, accepted: int
) -> None:
    await phone.fault(kind, count=1)
    form = {"From": ACME_NUMBER, "To": CUSTOMER, "Body": "x", "StatusCallback": callback(application)}
    with pytest.raises(TimeoutError):
        await phone.rest("POST", "/Messages.json", form=form, timeout=0.2)
    tally = await creates(phone)
    assert (tally["received"], tally["accepted"]) == (1, accepted)


@pytest.mark.parametrize("kind", ["slow", "slow_after_accept"])
async def test_slow_requests_are_accepted_all_the_same(phone: Phone, application: Application, kind: str) -> None:
    await phone.fault(kind, count=1, delay_seconds=0.3)
    form = {"From": ACME_NUMBER, "To": CUSTOMER, "Body": "x", "StatusCallback": callback(application)}
    with pytest.raises(TimeoutError):
        await phone.rest("POST", "/Messages.json", form=form, timeout=0.1)

    async def accepted() -> bool:
        return (await creates(phone))["accepted"] == 1

    await eventually(accepted)


async def test_a_201_may_come_empty_or_cut(phone: Phone, application: Application) -> None:
    await phone.fault("empty_201", count=1)
    assert await phone.send(StatusCallback=callback(application, "m-1")) == (201, None)
    await phone.fault("truncated_201", count=1)
    with pytest.raises(json.JSONDecodeError):
        await phone.send(StatusCallback=callback(application, "m-2"))
    for message_id in ("m-1", "m-2"):
        assert (await creates(phone, message_id))["accepted"] == 1


async def test_late_failures_come_by_callback(phone: Phone, application: Application) -> None:
    await phone.fault("30001", count=1)
    await phone.fault("30005", count=1, number=OTHER_CUSTOMER)
    _, undelivered = await phone.send(To=OTHER_CUSTOMER)
    _, failed = await phone.send(StatusCallback=callback(application))
    assert (await phone.until_status(failed["sid"], "failed"))["error_code"] == 30001
    assert (await phone.until_status(undelivered["sid"], "undelivered"))["error_code"] == 30005
    received = await application.until(1)
    assert (received[0].form["MessageStatus"], received[0].form["ErrorCode"]) == ("failed", "30001")


async def test_a_new_message_can_be_missing_from_the_list_for_a_while(phone: Phone) -> None:
    await phone.fault("list_delay", count=1, delay_seconds=0.3)
    _, made = await phone.send("later")
    status, _ = await phone.rest("GET", f"/Messages/{made['sid']}.json")
    assert status == 200

    async def listed() -> bool:
        return bool((await phone.rest("GET", "/Messages.json"))[1]["messages"])

    assert not await listed()
    await eventually(listed)


async def test_an_early_callback_is_there_before_the_answer(phone: Phone, application: Application) -> None:
    await phone.fault("callback_early", count=1)
    status, made = await phone.send(StatusCallback=callback(application))
    assert (status, made["status"]) == (201, "queued")
    assert application.statuses()[0] == "sent"
    assert application.received[0].form["MessageSid"] == made["sid"]
    await application.until(2)
    assert application.statuses() == ["sent", "delivered"]


async def test_callbacks_can_be_doubled_turned_around_or_dropped(phone: Phone, application: Application) -> None:
    await phone.fault("callback_duplicate", count=1)
    await phone.send(StatusCallback=callback(application))
    received = list(await application.until(6))
    assert sorted(application.statuses()) == ["delivered"] * 3 + ["sent"] * 3
    sent = [item.headers["i-twilio-idempotency-token"] for item in received if item.form["MessageStatus"] == "sent"]
    assert len(set(sent)) == 2

    application.received.clear()
    await phone.fault("callback_reorder", count=1)
    await phone.send(StatusCallback=callback(application))
    await application.until(2)
    assert application.statuses() == ["delivered", "sent"]

    application.received.clear()
    await phone.fault("callback_drop", count=1)
    _, dropped = await phone.send(StatusCallback=callback(application, "dropped"))
    await phone.until_status(dropped["sid"], "delivered")
    await phone.send(StatusCallback=callback(application, "kept"))
    received = list(await application.until(2))
    assert all("message_id=kept" in item.path for item in received)


async def test_the_final_callback_can_be_missing_or_contradict_itself(phone: Phone, application: Application) -> None:
    await phone.fault("callback_missing_final", count=1)
    _, made = await phone.send(StatusCallback=callback(application, "cut"))
    await phone.until_status(made["sid"], "delivered")
    await phone.fault("callback_contradiction", count=1)
    _, made = await phone.send(StatusCallback=callback(application, "both"))
    await application.until(4)
    seen = {item.path.split("message_id=")[1].split("&")[0]: set() for item in application.received}
    for item in application.received:
        seen[item.path.split("message_id=")[1].split("&")[0]].add(item.form["MessageStatus"])
    assert seen == {"cut": {"sent"}, "both": {"sent", "delivered", "undelivered"}}
    assert (await phone.rest("GET", f"/Messages/{made['sid']}.json"))[1]["status"] == "delivered"


async def test_late_callbacks_come_after_the_state_has_changed(phone: Phone, application: Application) -> None:
    await phone.fault("callback_late", count=1, delay_seconds=0.3)
    _, made = await phone.send(StatusCallback=callback(application))
    await phone.until_status(made["sid"], "delivered")
    assert application.received == []
    await application.until(2)


async def test_callbacks_can_be_forged(phone: Phone, application: Application) -> None:
    await phone.fault("callback_bad_signature", count=1)
    await phone.send(StatusCallback=callback(application))
    received = list(await application.until(2))
    assert not any(item.genuine for item in received)

    application.received.clear()
    application.tokens = {}  # Every signature is checked with Acme's token.
    await phone.fault("callback_foreign_account", count=1)
    await phone.send(StatusCallback=callback(application))
    received = list(await application.until(2))
    assert all(item.genuine and item.form["AccountSid"] == BOLT_SID for item in received)


async def test_faults_are_confined_to_their_account_and_number(phone: Phone) -> None:
    await phone.fault("500", account_sid=ACME_SID, number=ACME_SECOND)
    bolt = {"From": BOLT_NUMBER, "To": CUSTOMER, "Body": "x"}
    assert (await phone.send(From=ACME_SECOND))[0] == 500
    assert (await phone.send())[0] == 201
    assert (await phone.rest("POST", "/Messages.json", sid=BOLT_SID, token=BOLT_TOKEN, form=bolt))[0] == 201
    await phone.fault("500", number=CUSTOMER)
    assert (await phone.send())[0] == 500
    assert (await phone.send(To=OTHER_CUSTOMER))[0] == 201

    assert (await phone.control("DELETE", "/faults"))["removed"] == 2
    assert (await phone.send(From=ACME_SECOND))[0] == 201


async def test_faults_can_strike_reads_and_media_instead(phone: Phone) -> None:
    fault = await phone.fault("429", operation="read", count=1)
    assert (await phone.send())[0] == 201
    assert (await phone.rest("GET", "/Messages.json"))[0] == 429
    assert (await phone.rest("GET", "/Messages.json"))[0] == 200
    assert (await phone.control("GET", "/faults"))["faults"][0]["fired"] == 1
    await phone.control("DELETE", f"/faults/{fault}")
    assert (await phone.control("GET", "/faults"))["faults"] == []


async def test_a_fault_may_be_a_matter_of_chance(phone: Phone) -> None:
    await phone.fault("500", probability=0.5)
    statuses = {(await phone.send())[0] for _ in range(60)}
    assert statuses == {201, 500}
    assert (await phone.try_control("POST", "/faults", {"kind": "500", "probability": 1.5}))[0] == 400


@pytest.mark.parametrize(
    "body",
    [{}, {"kind": "nonsense"}, {"kind": "500", "count": 0}, {"kind": "500", "unknown": 1}, {"kind": "12345"}],
)
async def test_mistaken_faults_are_refused(phone: Phone, body: dict[str, object]) -> None:
    status, answer = await phone.try_control("POST", "/faults", body)
    assert status == 400
    assert answer["error"]
    assert (await phone.control("GET", "/faults"))["faults"] == []


async def test_every_named_fault_can_be_switched_on(phone: Phone) -> None:
    kinds = sorted(BEFORE_ACCEPT | AFTER_ACCEPT | CALLBACKS | {"list_delay", "21610", "30034"})
    for kind in kinds:
        await phone.fault(kind)
    assert [item["kind"] for item in (await phone.control("GET", "/faults"))["faults"]] == kinds


async def test_the_ledger_counts_every_create_by_message_id(phone: Phone, application: Application) -> None:
    for attempt, message_id in ((1, "one"), (1, "two"), (2, "two")):
        await phone.send(StatusCallback=callback(application, message_id, attempt))
    await phone.send()
    await phone.send(To="", StatusCallback=callback(application, "refused"))
    form = {"From": ACME_NUMBER, "To": CUSTOMER, "Body": "x", "StatusCallback": callback(application, "stranger")}
    assert (await phone.rest("POST", "/Messages.json", token="wrong", form=form))[0] == 401

    report = await phone.control("GET", "/creates")
    assert {key: (item["received"], item["accepted"]) for key, item in report["creates"].items()} == {
        "one": (1, 1),
        "two": (2, 2),
        "refused": (1, 0),
        "stranger": (1, 0),
    }
    assert (report["received"], report["accepted"], report["ids"]) == (6, 4, 4)
    assert report["without_id"] == {"received": 1, "accepted": 1}
    assert list((await phone.control("GET", "/creates?over=1"))["creates"]) == ["two"]

    await phone.control("POST", "/reset")
    report = await phone.control("GET", "/creates")
    assert (report["received"], report["creates"]) == (0, {})
    assert (await phone.rest("GET", "/Messages.json"))[1]["messages"] == []
    assert (await phone.send())[0] == 201


async def test_an_account_may_have_only_so_many_requests_at_once(phone: Phone) -> None:
    await phone.control("PUT", "/settings", {"latency": 0.2, "concurrency_limit": 2})
    answers = await asyncio.gather(*(phone.send() for _ in range(4)))
    assert sorted(status for status, _ in answers) == [201, 201, 429, 429]
    assert {body["code"] for status, body in answers if status == 429} == {20429}
