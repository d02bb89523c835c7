"""Status callbacks and inbound webhooks: signed, ordered, retried, answered."""

import asyncio
import base64

import aiohttp
import pytest
from aiohttp import web

from ringfence.emulator.signature import sign
from tests.factories.waiting import eventually
from tests.integration.emulator.emulator_world import (
    ACME_NUMBER,
    ACME_SID,
    ACME_TOKEN,
    CUSTOMER,
    Application,
    Phone,
    running_emulator,
)

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def test_the_signature_is_the_published_one() -> None:
    parameters = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675310",
        "Digits": "1234",
        "From": "+14158675310",
        "To": "+18005551212",
    }
    signature = sign("12345", "https://example.com/myapp.php?foo=1&bar=2", parameters)
    assert signature == "L/OH5YylLD5NRKLltdqwSvS0BnU="


async def test_status_callbacks_are_signed_over_the_exact_address(phone: Phone, application: Application) -> None:
    callback = f"{application.url}/status/a%2Fb?message_id=m-1&attempt=1&empty=&sig=%7E~+x"
    _, made = await phone.send("hi", StatusCallback=f"{callback}#rc=2&rp=all")
    received = await application.until(2)
    assert application.statuses() == ["sent", "delivered"]
    for item in received:
        assert item.genuine
        assert item.path == callback.removeprefix(application.url)
        assert item.headers["user-agent"] == "TwilioProxy/1.1"
        assert item.headers["content-type"] == "application/x-www-form-urlencoded; charset=utf-8"
        assert item.form["MessageSid"] == item.form["SmsSid"] == made["sid"]
        assert item.form["AccountSid"] == ACME_SID
        assert (item.form["From"], item.form["To"]) == (ACME_NUMBER, CUSTOMER)
    assert len({item.headers["i-twilio-idempotency-token"] for item in received}) == 2


async def test_userinfo_is_sent_only_when_asked_for_and_is_not_signed(phone: Phone, application: Application) -> None:
    async def ask(request: web.Request) -> web.Response:
        known = request.headers.get("Authorization") == "Basic " + base64.b64encode(b"user:pass").decode()
        return web.Response(status=204 if known else 401)

    application.answer = ask
    await phone.send(StatusCallback=application.url.replace("://", "://user:pass@") + "/s")
    received = await application.until(2)
    assert "authorization" not in received[0].headers
    assert "authorization" in received[1].headers
    assert all(item.genuine for item in received)


async def test_failed_texts_report_their_code(phone: Phone, application: Application) -> None:
    await phone.control("POST", f"/numbers/{CUSTOMER}/carrier", {"outcome": "failed", "error_code": 30001})
    await phone.send(StatusCallback=f"{application.url}/s")
    received = await application.until(1)
    assert (received[0].form["MessageStatus"], received[0].form["ErrorCode"]) == ("failed", "30001")


async def test_an_inbound_text_reaches_the_numbers_webhook(phone: Phone, application: Application) -> None:
    result = await phone.text("Grüße & 100% 😀")
    received = application.received[0]
    assert received.genuine
    assert received.path == "/sms?company=1&x=a%20b"
    assert received.form["Body"] == "Grüße & 100% 😀"
    assert received.form["SmsStatus"] == "received"
    assert received.form["FromCity"] == ""
    assert received.form["NumMedia"] == "0"
    assert "OptOutType" not in received.form
    assert result["webhook"]["status"] == 200
    _, stored = await phone.rest("GET", f"/Messages/{result['message_sid']}.json")
    assert (stored["direction"], stored["status"]) == ("inbound", "received")


async def test_a_replay_repeats_the_same_text_under_a_new_token(phone: Phone, application: Application) -> None:
    sid = (await phone.text("once"))["message_sid"]
    replayed = await phone.control("POST", "/inbound", {"message_sid": sid})
    assert replayed["message_sid"] == sid
    first, second = application.received
    assert first.form == second.form
    assert second.genuine
    assert first.headers["i-twilio-idempotency-token"] != second.headers["i-twilio-idempotency-token"]
    _, listed = await phone.rest("GET", "/Messages.json")
    assert len(listed["messages"]) == 1
    status, _ = await phone.try_control("POST", "/inbound", {"message_sid": "SM" + "0" * 32})
    assert status == 404


async def test_pictures_are_served_behind_basic_authentication(phone: Phone, application: Application) -> None:
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    result = await phone.text("look", media_urls=[url])
    form = application.received[0].form
    assert (form["NumMedia"], form["MediaContentType0"]) == ("1", "image/png")
    assert result["message_sid"].startswith("MM")

    async with phone.session.get(form["MediaUrl0"]) as answer:
        assert answer.status == 401
    headers = {"Authorization": aiohttp.encode_basic_auth(ACME_SID, ACME_TOKEN)}
    async with phone.session.get(form["MediaUrl0"], headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "image/png")
        assert await answer.read() == PNG

    path = form["MediaUrl0"].split(ACME_SID, 1)[1]
    _, listed = await phone.rest("GET", f"/Messages/{result['message_sid']}/Media.json")
    assert [item["content_type"] for item in listed["media_list"]] == ["image/png"]
    status, _ = await phone.rest("DELETE", f"{path}.json")
    assert status == 204
    status, _ = await phone.rest("GET", path)
    assert status == 404


async def test_pictures_of_outbound_texts_are_fetched_and_a_lost_one_fails_the_text(
    phone: Phone, application: Application
) -> None:
    async def serve(request: web.Request) -> web.Response:
        if request.path == "/picture":
            return web.Response(body=PNG, content_type="image/png")
        return web.Response(status=404)

    application.answer = serve
    _, good = await phone.send(MediaUrl=f"{application.url}/picture")
    await phone.until_status(good["sid"], "delivered")
    _, listed = await phone.rest("GET", f"/Messages/{good['sid']}/Media.json")
    assert len(listed["media_list"]) == 1
    _, bad = await phone.send(MediaUrl=f"{application.url}/gone")
    failed = await phone.until_status(bad["sid"], "failed")
    assert failed["error_code"] == 11200


@pytest.mark.parametrize(
    ("content_type", "text", "bodies"),
    [
        ("text/xml", "<Response/>", []),
        ("text/xml", "", []),
        ("text/xml", "<Response><Message>hi</Message></Response>", ["hi"]),
        ("application/xml", "<Response><Message><Body>a &amp; b</Body></Message><Message>c</Message></Response>", None),
        ("text/plain", "plain", ["plain"]),
    ],
)
async def test_what_the_application_answers_is_sent_back(
    phone: Phone, application: Application, content_type: str, text: str, bodies: list[str] | None
) -> None:
    async def reply(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type=content_type)

    application.answer = reply
    result = await phone.text("question")
    assert result["webhook"]["error"] is None
    sent = await phone.control("GET", "/messages?direction=outbound-reply")
    expected = ["c", "a & b"] if bodies is None else bodies
    assert [item["body"] for item in sent["messages"]] == expected
    assert len(result["replies"]) == len(expected)


@pytest.mark.parametrize(
    ("content_type", "text", "code"),
    [
        ("text/xml", "<Response><Message>", 12100),
        ("text/xml", '<!DOCTYPE x [<!ENTITY a "b">]><Response/>', 12100),
        ("application/json", "{}", 12300),
        ("text/xml", "<Response>" + "<Message>x</Message>" * 11 + "</Response>", 14109),
        ("text/xml", "<Response>" + " " * 65536 + "</Response>", 11750),
    ],
)
async def test_answers_twilio_cannot_use_go_to_the_fallback_address(
    phone: Phone, application: Application, content_type: str, text: str, code: int
) -> None:
    async def reply(request: web.Request) -> web.Response:
        if request.path == "/fallback":
            return web.Response(text="<Response/>", content_type="text/xml")
        return web.Response(text=text, content_type=content_type)

    application.answer = reply
    number = await phone.rest("GET", "/IncomingPhoneNumbers.json?PhoneNumber=%2B16025550100")
    sid = number[1]["incoming_phone_numbers"][0]["sid"]
    await phone.rest(
        "POST", f"/IncomingPhoneNumbers/{sid}.json", form={"SmsFallbackUrl": f"{application.url}/fallback"}
    )
    result = await phone.text("question")
    assert [item["kind"] for item in result["requests"]] == ["inbound", "inbound-fallback"]
    assert result["requests"][0]["error_code"] == code
    fallback = application.received[-1]
    assert fallback.genuine
    assert (fallback.form["ErrorCode"], fallback.form["ErrorUrl"]) == (
        str(code),
        f"{application.url}/sms?company=1&x=a%20b",
    )
    assert result["replies"] == []


async def test_a_redirect_in_twiml_is_followed(phone: Phone, application: Application) -> None:
    async def reply(request: web.Request) -> web.Response:
        text = "<Message>there</Message>" if request.path == "/next" else "<Redirect>/next</Redirect>"
        return web.Response(text=f"<Response>{text}</Response>", content_type="text/xml")

    application.answer = reply
    result = await phone.text("question")
    assert [item.path for item in application.received] == ["/sms?company=1&x=a%20b", "/next"]
    assert all(item.genuine for item in application.received)
    assert len(result["replies"]) == 1


async def test_an_http_redirect_turns_post_into_a_signed_get(phone: Phone, application: Application) -> None:
    async def reply(request: web.Request) -> web.Response:
        if request.path == "/sms":
            return web.Response(status=302, headers={"Location": "/elsewhere?x=1"})
        return web.Response(text="<Response/>", content_type="text/xml")

    application.answer = reply
    result = await phone.text("question")
    assert result["webhook"]["status"] == 200
    assert [(item.method, item.path) for item in application.received][1] == ("GET", "/elsewhere?x=1")
    assert all(item.genuine for item in application.received)


async def test_by_default_only_a_failed_connection_is_tried_again(phone: Phone, application: Application) -> None:
    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=500)

    application.answer = fail
    result = await phone.text("question")
    assert (result["webhook"]["attempts"], result["webhook"]["error"]) == (1, "HTTP 500")

    await phone.rest("POST", await number_path(phone), form={"SmsUrl": "http://127.0.0.1:1/closed"})
    result = await phone.text("question")
    assert (result["webhook"]["attempts"], result["webhook"]["error_code"]) == (2, 11205)


async def test_the_fragment_overrides_retries_and_timeouts(phone: Phone, application: Application) -> None:
    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=500)

    application.answer = fail
    path = await number_path(phone)
    await phone.rest("POST", path, form={"SmsUrl": f"{application.url}/a#rc=3&rp=5xx"})
    result = await phone.text("question")
    assert result["webhook"]["attempts"] == 4
    tokens = {item.headers["i-twilio-idempotency-token"] for item in application.received}
    assert len(tokens) == 1
    assert all(item.genuine for item in application.received)

    async def hang(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    application.answer = hang
    await phone.rest("POST", path, form={"SmsUrl": f"{application.url}/a#rt=100&tt=200"})
    result = await phone.text("question")
    assert (result["webhook"]["error"], result["webhook"]["attempts"]) == ("read timeout", 1)
    assert result["webhook"]["duration_seconds"] < 5


async def test_webhooks_go_only_to_allowed_hosts(application: Application) -> None:
    async with running_emulator() as phone:
        path = await number_path(phone)
        await phone.rest("POST", path, form={"SmsUrl": "http://192.0.2.1/x"})
        result = await phone.text("question")
        assert "allow-list" in result["webhook"]["error"]
        assert result["webhook"]["duration_seconds"] < 1
        await phone.rest("POST", path, form={"SmsUrl": f"{application.url}/x"})
        result = await phone.text("question")
        assert result["webhook"]["status"] == 200


async def test_a_number_without_webhook_keeps_its_texts(application: Application) -> None:
    async with running_emulator() as phone:
        result = await phone.text("nobody listens")
        assert result["webhook"] is None
        _, listed = await phone.rest("GET", "/Messages.json")
        assert [item["body"] for item in listed["messages"]] == ["nobody listens"]
        assert application.received == []


async def test_webhooks_are_remembered_for_people_to_look_at(phone: Phone, application: Application) -> None:
    await phone.send(StatusCallback=f"{application.url}/s?message_id=1")

    async def two() -> bool:
        return len((await phone.control("GET", "/webhooks"))["webhooks"]) == 2

    await eventually(two)
    newest = (await phone.control("GET", "/webhooks?limit=1"))["webhooks"]
    assert len(newest) == 1
    assert (newest[0]["kind"], newest[0]["status"], newest[0]["attempts"]) == ("status", 200, 1)
    assert newest[0]["params"]["MessageStatus"] == "delivered"


async def number_path(phone: Phone) -> str:
    _, listed = await phone.rest("GET", "/IncomingPhoneNumbers.json?PhoneNumber=%2B16025550100")
    return f"/IncomingPhoneNumbers/{listed['incoming_phone_numbers'][0]['sid']}.json"
