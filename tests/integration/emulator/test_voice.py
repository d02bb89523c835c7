"""Calls through the emulator: legs, their states, TwiML, recordings, and the people at both ends."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator

from ringfence.emulator import Behaviour, Span
from ringfence.emulator.signature import sign, signed_address
from tests.factories.waiting import eventually
from tests.integration.emulator.emulator_world import (
    ACME_NUMBER,
    ACME_SID,
    ACME_TOKEN,
    BOLT_NUMBER,
    BOLT_SID,
    BOLT_TOKEN,
    CUSTOMER,
    OTHER_CUSTOMER,
    Application,
    Phone,
    running_emulator,
)

AGENT = "+16025550177"
LIVELY = Behaviour(
    callback_delay=Span(0, 0),
    price_delay=Span(0.01, 0.01),
    dial_delay=Span(0.02, 0.02),
    answer_delay=Span(0.02, 0.02),
    talk_time=Span(0.05, 0.05),
    say_time=Span(0.03, 0.03),
    recording_delay=Span(0.05, 0.05),
)
ALL_EVENTS = [("StatusCallbackEvent", name) for name in ("initiated", "ringing", "answered", "completed")]


@pytest.fixture
async def phone(application: Application) -> AsyncIterator[Phone]:
    async with running_emulator(application.url, LIVELY) as phone:
        yield phone


def says(*documents: tuple[str, str]) -> Any:
    """An application that answers each path with its TwiML."""
    known = dict(documents)

    async def answer(request: web.Request) -> web.Response:
        text = f"<Response>{known.get(request.path, '')}</Response>"
        return web.Response(text=text, content_type="text/xml")

    return answer


async def place(phone: Phone, url: str, **more: str) -> tuple[int, Any]:
    form = [("To", AGENT), ("From", ACME_NUMBER), ("Url", f"{url}/voice"), ("StatusCallback", f"{url}/state")]
    merged = [(name, more.pop(name, value)) for name, value in form] + list(more.items()) + ALL_EVENTS
    return await phone.rest("POST", "/Calls.json", form=merged)


async def ended(phone: Phone, sid: str) -> dict[str, Any]:
    async def reached() -> dict[str, Any] | None:
        _, call = await phone.rest("GET", f"/Calls/{sid}.json")
        return call if call["end_time"] else None

    call = await eventually(reached)
    assert call is not None
    return call


def states(application: Application, path: str = "/state") -> list[str]:
    return [item.form["CallStatus"] for item in application.received if item.path == path]


async def until_states(application: Application, last: str, path: str = "/state") -> list[str]:
    async def reached() -> bool:
        return last in states(application, path)

    await eventually(reached)
    return states(application, path)


async def test_an_outgoing_call_runs_its_twiml_and_reports_every_state(phone: Phone, application: Application) -> None:
    application.answer = says(("/voice", "<Say>hello</Say><Redirect>/more</Redirect>"), ("/more", "<Hangup/>"))
    status, made = await place(phone, application.url)
    assert (status, made["status"], made["direction"]) == (201, "queued", "outbound-api")
    call = await ended(phone, made["sid"])
    assert (call["status"], call["duration"], call["to"]) == ("completed", "1", AGENT)
    assert await until_states(application, "completed") == ["initiated", "ringing", "in-progress", "completed"]
    reports = [item for item in application.received if item.path == "/state"]
    assert [item.form["SequenceNumber"] for item in reports] == ["0", "1", "2", "3"]
    assert reports[-1].form["CallDuration"] == "1"
    assert "CallDuration" not in reports[0].form
    assert all(item.form["Timestamp"].endswith("+0000") for item in reports)
    assert all(item.genuine and item.form["AccountSid"] == ACME_SID for item in application.received)
    assert [item.path for item in application.received if item.path != "/state"] == ["/voice", "/more"]


@pytest.mark.parametrize(
    ("manners", "expected"),
    [({"busy": True}, "busy"), ({"no_answer": True}, "no-answer"), ({"answer_after": 5}, "no-answer")],
)
async def test_a_phone_can_be_busy_or_stay_silent(
    phone: Phone, application: Application, manners: dict[str, Any], expected: str
) -> None:
    await phone.control("POST", f"/phones/{AGENT}/behaviour", manners)
    _, made = await place(phone, application.url, Timeout="1")
    call = await ended(phone, made["sid"])
    assert (call["status"], call["duration"]) == (expected, "0")
    await until_states(application, expected)
    assert not [item for item in application.received if item.path == "/voice"]


async def test_dial_connects_another_leg_and_records_it(phone: Phone, application: Application) -> None:
    dial = (
        f'<Dial action="/after?x=1" callerId="{ACME_NUMBER}" record="record-from-answer-dual" '
        'recordingStatusCallback="/recorded">'
        f'<Number statusCallback="/leg" statusCallbackEvent="initiated ringing answered completed">{CUSTOMER}</Number>'
        "</Dial>"
    )
    application.answer = says(("/voice", dial))
    _, made = await place(phone, application.url)
    await ended(phone, made["sid"])
    legs = await until_states(application, "completed", "/leg")
    assert legs == ["initiated", "ringing", "in-progress", "completed"]
    child = next(item.form for item in application.received if item.path == "/leg")
    assert (child["ParentCallSid"], child["From"], child["To"]) == (made["sid"], ACME_NUMBER, CUSTOMER)
    assert child["Direction"] == "outbound-dial"
    after = next(item.form for item in application.received if item.path == "/after?x=1")
    assert (after["DialCallStatus"], after["DialCallSid"]) == ("completed", child["CallSid"])
    assert (after["DialBridged"], after["DialCallDuration"], after["CallSid"]) == ("true", "1", made["sid"])
    _, listed = await phone.rest("GET", f"/Calls.json?ParentCallSid={made['sid']}")
    assert [call["sid"] for call in listed["calls"]] == [child["CallSid"]]

    async def recorded() -> dict[str, str] | None:
        return next((item.form for item in application.received if item.path == "/recorded"), None)

    form = await eventually(recorded)
    assert form is not None
    assert (form["CallSid"], form["RecordingStatus"], form["RecordingSource"]) == (made["sid"], "completed", "DialVerb")
    assert (form["RecordingChannels"], form["RecordingDuration"]) == ("2", "1")
    assert all(item.genuine for item in application.received)


async def test_a_recording_is_served_to_its_account_only_and_can_be_deleted(
    phone: Phone, application: Application
) -> None:
    application.answer = says(("/voice", '<Say>Leave a message</Say><Record action="/left" maxLength="30"/>'))
    sid = await voice_number(phone, application)
    await phone.control("POST", f"/phones/{CUSTOMER}/behaviour", {"leave_voicemail": 0.05, "speak": "call me"})
    made = await phone.control("POST", "/call", {"from": CUSTOMER, "to": ACME_NUMBER, "account_sid": ACME_SID})
    call = await ended(phone, made["call_sid"])
    assert (call["direction"], call["status"], call["phone_number_sid"]) == ("inbound", "completed", sid)
    await application.until(2)
    left = next(item.form for item in application.received if item.path == "/left")
    assert left["Digits"] == "hangup"
    shown = (await phone.control("GET", "/calls"))["calls"][0]
    assert (shown["said"], len(shown["recordings"])) == ("call me", 1)

    path = left["RecordingUrl"]
    owner = {"Authorization": aiohttp.encode_basic_auth(ACME_SID, ACME_TOKEN)}
    stranger = {"Authorization": aiohttp.encode_basic_auth(BOLT_SID, BOLT_TOKEN)}

    async def sound() -> bytes | None:
        async with phone.session.get(path, headers=owner) as answer:
            return await answer.read() if answer.status == 200 else None

    content = await eventually(sound)
    assert content is not None
    assert content[:4] == b"RIFF"
    assert len(content) == 44 + 16000
    async with phone.session.get(f"{path}.mp3", headers=owner) as answer:
        assert (answer.content_type, (await answer.read())[:2]) == ("audio/mpeg", b"\xff\xfb")
    for headers in ({}, stranger):
        async with phone.session.get(path, headers=headers) as answer:
            assert answer.status == 401
    recording = left["RecordingSid"]
    status, _ = await phone.rest("GET", f"/Recordings/{recording}.json", sid=BOLT_SID, token=BOLT_TOKEN)
    assert status == 404
    _, stored = await phone.rest("GET", f"/Recordings/{recording}.json")
    assert (stored["status"], stored["source"], stored["duration"]) == ("completed", "RecordVerb", "1")
    _, of_call = await phone.rest("GET", f"/Calls/{made['call_sid']}/Recordings.json")
    assert [item["sid"] for item in of_call["recordings"]] == [recording]
    assert (await phone.rest("DELETE", f"/Recordings/{recording}.json"))[0] == 204
    async with phone.session.get(path, headers=owner) as answer:
        assert answer.status == 404


async def voice_number(phone: Phone, application: Application) -> str:
    """Point Acme's first number at the application's /voice; its SID."""
    _, listed = await phone.rest("GET", f"/IncomingPhoneNumbers.json?PhoneNumber={ACME_NUMBER[1:]}")
    sid = listed["incoming_phone_numbers"][0]["sid"]
    form = {"VoiceUrl": f"{application.url}/voice", "StatusCallback": f"{application.url}/state"}
    assert (await phone.rest("POST", f"/IncomingPhoneNumbers/{sid}.json", form=form))[0] == 200
    return sid


async def test_sequential_dial_rings_in_order_and_otherwise_all_at_once(phone: Phone, application: Application) -> None:
    numbers = f"<Number>{AGENT}</Number><Number>{OTHER_CUSTOMER}</Number>"
    await voice_number(phone, application)
    await phone.control("POST", f"/phones/{AGENT}/behaviour", {"answer_after": 0.3})
    await phone.control("POST", f"/phones/{OTHER_CUSTOMER}/behaviour", {"answer_after": 0.01})

    application.answer = says(("/voice", f'<Dial sequential="true" action="/one">{numbers}</Dial>'))
    made = await phone.control("POST", "/call", {"from": CUSTOMER, "to": ACME_NUMBER})
    await ended(phone, made["call_sid"])
    legs = [call for call in (await phone.control("GET", "/calls"))["calls"] if call["parent_sid"] == made["call_sid"]]
    assert {call["to"]: call["status"] for call in legs} == {AGENT: "completed"}
    # Without callerId the caller's own number is shown.
    assert {call["from"] for call in legs} == {CUSTOMER}

    application.answer = says(("/voice", f'<Dial action="/two">{numbers}</Dial>'))
    made = await phone.control("POST", "/call", {"from": CUSTOMER, "to": ACME_NUMBER})
    await ended(phone, made["call_sid"])
    legs = [call for call in (await phone.control("GET", "/calls"))["calls"] if call["parent_sid"] == made["call_sid"]]
    assert {call["to"]: call["status"] for call in legs} == {AGENT: "canceled", OTHER_CUSTOMER: "completed"}


async def test_a_foreign_caller_id_does_not_ring(phone: Phone, application: Application) -> None:
    application.answer = says(("/voice", f'<Dial action="/after" callerId="{BOLT_NUMBER}">{CUSTOMER}</Dial>'))
    _, made = await place(phone, application.url)
    await ended(phone, made["sid"])
    after = next(item.form for item in application.received if item.path == "/after")
    assert (after["DialCallStatus"], after["DialBridged"]) == ("failed", "false")


async def test_an_inbound_call_waits_to_be_answered_with_answer_on_bridge(
    phone: Phone, application: Application
) -> None:
    await voice_number(phone, application)
    await phone.control("POST", f"/phones/{AGENT}/behaviour", {"no_answer": True})
    application.answer = says(
        ("/voice", f'<Dial answerOnBridge="true" timeout="1">{AGENT}</Dial><Reject reason="busy"/>')
    )
    made = await phone.control("POST", "/call", {"from": CUSTOMER, "to": ACME_NUMBER})
    call = await ended(phone, made["call_sid"])
    assert (call["status"], call["start_time"]) == ("busy", None)
    assert await until_states(application, "busy") == ["busy"]


async def test_gather_hears_what_is_pressed(phone: Phone, application: Application) -> None:
    application.answer = says(
        ("/voice", '<Gather numDigits="1" action="/pressed" timeout="1"><Say>press</Say></Gather>'),
        ("/pressed", "<Hangup/>"),
    )
    await phone.control("POST", f"/phones/{AGENT}/behaviour", {"press": "1"})
    _, made = await place(phone, application.url)
    await ended(phone, made["sid"])
    assert next(item.form for item in application.received if item.path == "/pressed")["Digits"] == "1"


async def test_a_call_can_be_canceled_hung_up_and_redirected(phone: Phone, application: Application) -> None:
    application.answer = says(("/voice", '<Pause length="60"/>'), ("/other", "<Hangup/>"))
    await phone.control("POST", f"/phones/{CUSTOMER}/behaviour", {"answer_after": 60})
    _, ringing = await place(phone, application.url, To=CUSTOMER)
    path = f"/Calls/{ringing['sid']}.json"
    assert (await phone.rest("POST", path, form={"Url": f"{application.url}/other"}))[1]["code"] == 21220
    _, canceled = await phone.rest("POST", path, form={"Status": "canceled"})
    assert canceled["status"] == "canceled"
    status, refused = await phone.rest("POST", path, form={"Status": "completed"})
    assert (status, refused["code"]) == (400, 21220)

    for form in ({"Status": "completed"}, {"Url": f"{application.url}/other"}):
        application.received.clear()
        _, made = await place(phone, application.url)
        await until_states(application, "in-progress")
        assert (await phone.rest("POST", f"/Calls/{made['sid']}.json", form=form))[0] == 200
        assert (await ended(phone, made["sid"]))["status"] == "completed"

    assert (await phone.rest("DELETE", path))[0] == 204
    assert (await phone.rest("GET", path))[0] == 404


async def test_the_person_at_the_phone_can_hang_up(phone: Phone, application: Application) -> None:
    application.answer = says(("/voice", '<Pause length="60"/>'))
    _, made = await place(phone, application.url)
    await until_states(application, "in-progress")
    assert (await phone.control("POST", f"/calls/{made['sid']}/hang-up"))["status"] == "completed"
    await phone.control("POST", f"/phones/{AGENT}/behaviour", {"hang_up_after": 0.05})
    _, made = await place(phone, application.url)
    assert (await ended(phone, made["sid"]))["status"] == "completed"


async def test_a_failed_answer_goes_to_the_fallback(phone: Phone, application: Application) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/voice":
            return web.Response(status=500)
        return web.Response(text="<Response><Hangup/></Response>", content_type="text/xml")

    application.answer = answer
    _, made = await place(phone, application.url, FallbackUrl=f"{application.url}/fallback")
    await ended(phone, made["sid"])
    form = next(item.form for item in application.received if item.path == "/fallback")
    assert (form["ErrorCode"], form["ErrorUrl"]) == ("11200", f"{application.url}/voice")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": ""}, 21201),
        ({"From": ""}, 21213),
        ({"To": "12"}, 21211),
        ({"From": BOLT_NUMBER}, 21210),
        ({"From": "+15005550001"}, 21212),
        ({"To": "+15005550001"}, 21217),
        ({"To": "+15005550002"}, 21214),
        ({"To": "+15005550003"}, 21215),
        ({"To": "+15005550004"}, 21216),
        ({"Url": "ftp://x"}, 21205),
        ({"StatusCallback": "http://a_b.example/"}, 21609),
    ],
)
async def test_calls_that_cannot_be_made_are_refused(
    phone: Phone, application: Application, changes: dict[str, str], code: int
) -> None:
    status, refused = await place(phone, application.url, **changes)
    assert (status, refused["code"]) == (400, code)
    assert (await phone.rest("GET", "/Calls.json"))[1]["calls"] == []
    assert (await place(phone, application.url, From="+15005550006"))[0] == 201


async def test_creates_are_counted_and_faults_act_on_calls_alone(phone: Phone, application: Application) -> None:
    await phone.fault("503_after_accept", operation="call", count=1)
    assert (await phone.send())[0] == 201
    callback = f"{application.url}/state?call_id=c-1"
    assert (await place(phone, application.url, StatusCallback=callback))[0] == 503
    report = await phone.control("GET", "/call-creates")
    assert report["creates"]["c-1"]["accepted"] == 1
    assert (await phone.control("GET", "/call-creates?over=1"))["creates"] == {}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("callback_duplicate", ["initiated", "initiated", "ringing", "ringing"]),
        ("callback_reorder", ["completed", "in-progress", "ringing", "initiated"]),
        ("callback_drop", []),
    ],
)
async def test_callbacks_can_go_wrong(phone: Phone, application: Application, kind: str, expected: list[str]) -> None:
    await phone.fault(kind, operation="call", count=1)
    _, made = await place(phone, application.url)
    await ended(phone, made["sid"])
    # A second, sound call ends the wait for callbacks that do not come.
    _, sound = await place(phone, application.url)

    def reports(sid: str) -> list[Any]:
        return [item for item in application.received if item.path == "/state" and item.form["CallSid"] == sid]

    async def enough() -> bool:
        return len(reports(made["sid"])) >= len(expected) and len(reports(sound["sid"])) == 4

    await eventually(enough)
    mine = reports(made["sid"])
    found = [item.form["CallStatus"] for item in mine][:4]
    assert (sorted(found) if kind == "callback_duplicate" else found) == expected
    assert all(item.genuine for item in mine)


def test_the_port_of_an_https_address_is_not_signed_for_calls() -> None:
    url, form = "https://crm.example:8443/voice?a=1", {"CallSid": "CA1"}
    assert signed_address(url, voice=False) == url
    assert signed_address(url, voice=True) == "https://crm.example/voice?a=1"
    assert signed_address("http://crm.example:8080/v", voice=True) == "http://crm.example:8080/v"
    assert RequestValidator("t").validate(url, form, sign("t", signed_address(url, voice=True), form))
    assert not RequestValidator("t").validate(url, form, sign("u", signed_address(url, voice=True), form))
