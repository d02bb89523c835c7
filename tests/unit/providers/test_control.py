"""Control-plane calls through the real SDK against an HTTP server on this machine."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import BasicAuth, web

from ringfence.kit.money import Money
from ringfence.providers.twilio.control import TwilioAccount
from ringfence.providers.twilio.errors import (
    AccountSuspendedError,
    BadCredentialsError,
    NotFoundAtTwilioError,
    TwilioError,
    TwilioRefusedError,
    TwilioUnreachableError,
)
from ringfence.providers.twilio.records import TwilioCredentials
from tests.unit.providers.stub_twilio import (
    ACCOUNT_SID,
    OTHER_ACCOUNT_SID,
    ROOT,
    StubTwilio,
    json_answer,
    paged,
    refusal,
    stub_twilio,
)

KEY_SID = "SK" + "1" * 32
MESSAGE_SID = "SM" + "2" * 32
NUMBER_SID = "PN" + "3" * 32
CREDENTIALS = TwilioCredentials(ACCOUNT_SID, KEY_SID, "s3cret:tøken")
ACCOUNT = {
    "sid": ACCOUNT_SID,
    "friendly_name": "Acme",
    "status": "active",
    "type": "Full",
    "owner_account_sid": OTHER_ACCOUNT_SID,
    "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
}


def number(index: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "sid": f"PN{index:032x}",
        "account_sid": ACCOUNT_SID,
        "phone_number": f"+1602555{index:04}",
        "friendly_name": f"(602) 555-{index:04}",
        "capabilities": {"voice": True, "SMS": True, "mms": False, "fax": False},
        "sms_url": "",
        "sms_method": "POST",
        "sms_fallback_url": None,
        "sms_application_sid": "",
        "voice_url": "https://old.example/voice",
        "status": "in-use",
    } | changes


def message(index: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "sid": f"SM{index:032x}",
        "account_sid": ACCOUNT_SID,
        "direction": "outbound-api",
        "status": "delivered",
        "to": "+16025550123",
        "from": "+16025550199",
        "body": "Hi Ann",
        "num_segments": "1",
        "num_media": "0",
        "error_code": None,
        "error_message": None,
        "price": "-0.00750",
        "price_unit": "USD",
        "messaging_service_sid": None,
        "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
        "date_sent": "Thu, 24 Aug 2023 05:01:46 +0000",
        "date_updated": "Thu, 24 Aug 2023 05:01:47 +0000",
    } | changes


@asynccontextmanager
async def account_and_stub(*, timeout_seconds: float = 5.0) -> AsyncIterator[tuple[TwilioAccount, StubTwilio]]:
    async with (
        stub_twilio() as stub,
        TwilioAccount(CREDENTIALS, api_url=stub.url, timeout_seconds=timeout_seconds) as account,
    ):
        yield account, stub


async def test_the_account_is_read_with_the_given_credentials_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", OTHER_ACCOUNT_SID)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "other")
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with account_and_stub() as (account, stub):
        stub.on(f"GET {ROOT}.json", json_answer(ACCOUNT))
        info = await account.fetch_account()
    assert (info.sid, info.friendly_name, info.status, info.type) == (ACCOUNT_SID, "Acme", "active", "Full")
    assert info.owner_sid == OTHER_ACCOUNT_SID
    (asked,) = stub.asked
    assert BasicAuth.decode(asked.headers["authorization"], "utf-8")[:2] == (KEY_SID, "s3cret:tøken")


@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 1000])
async def test_every_number_is_listed_through_all_pages(page_size: int) -> None:
    path = f"{ROOT}/IncomingPhoneNumbers.json"
    async with account_and_stub() as (account, stub):
        stub.on(f"GET {path}", paged("incoming_phone_numbers", path, [number(n) for n in range(7)]))
        numbers = await account.list_numbers(page_size=page_size)
    assert [found.phone_number for found in numbers] == [f"+1602555{n:04}" for n in range(7)]
    assert len(stub.asked) == -(-7 // page_size)
    assert stub.asked[0].query["PageSize"] == str(page_size)
    assert all("authorization" in asked.headers for asked in stub.asked)
    first = numbers[0]
    assert (first.sms, first.mms, first.voice) == (True, False, True)
    assert (first.sms_url, first.sms_application_sid, first.voice_url) == (
        None,
        None,
        "https://old.example/voice",
    )


async def test_an_account_without_numbers_has_an_empty_list() -> None:
    path = f"{ROOT}/IncomingPhoneNumbers.json"
    async with account_and_stub() as (account, stub):
        stub.on(f"GET {path}", paged("incoming_phone_numbers", path, []))
        assert await account.list_numbers() == []


async def test_a_list_that_breaks_off_or_never_ends_is_an_error_and_not_a_part() -> None:
    path = f"{ROOT}/IncomingPhoneNumbers.json"
    endless = {
        "incoming_phone_numbers": [number()],
        "page_size": 1,
        "next_page_uri": f"{path}?PageToken=again",
    }
    pages = paged("incoming_phone_numbers", path, [number(n) for n in range(4)])
    async with account_and_stub() as (account, stub):
        stub.on(f"GET {path}", pages)
        assert len(await account.list_numbers(page_size=2)) == 4
        stub.on(f"GET {path}", lambda asked: refusal(429, 20429)(asked) if "Page" in asked.query else pages(asked))
        with pytest.raises(TwilioUnreachableError) as caught:
            await account.list_numbers(page_size=2)
        assert caught.value.reason == "busy"
        stub.on(f"GET {path}", json_answer(endless))
        with pytest.raises(TwilioUnreachableError) as caught:
            await account.list_numbers()
        assert caught.value.reason == "bad_answer"


async def test_a_page_link_that_leads_elsewhere_gets_no_credentials() -> None:
    path = f"{ROOT}/IncomingPhoneNumbers.json"
    async with stub_twilio() as elsewhere, account_and_stub() as (account, stub):
        for link in (elsewhere.url + "/x", "//evil.example/x", "@evil.example/x", ".evil.example/x"):
            stub.on(f"GET {path}", json_answer({"incoming_phone_numbers": [], "page": 0, "next_page_uri": link}))
            with pytest.raises(TwilioError):
                await account.list_numbers()
    assert elsewhere.asked == []
    assert stub.asked


async def test_webhooks_are_set_by_post_and_an_application_is_taken_off() -> None:
    path = f"{ROOT}/IncomingPhoneNumbers/{NUMBER_SID}.json"
    async with account_and_stub() as (account, stub):
        stub.on(f"POST {path}", json_answer(number(sms_url="https://crm.example/in")))
        info = await account.set_number_webhooks(NUMBER_SID, sms_url="https://crm.example/in")
        await account.set_number_webhooks(
            NUMBER_SID,
            sms_url="https://crm.example/in",
            sms_fallback_url="https://crm.example/back",
            voice_url="https://crm.example/voice",
        )
    assert info.sms_url == "https://crm.example/in"
    assert dict(stub.asked[0].form) == {
        "SmsUrl": "https://crm.example/in",
        "SmsMethod": "POST",
        "SmsApplicationSid": "",
    }
    assert dict(stub.asked[1].form) == dict(stub.asked[0].form) | {
        "SmsFallbackUrl": "https://crm.example/back",
        "SmsFallbackMethod": "POST",
        "VoiceUrl": "https://crm.example/voice",
        "VoiceMethod": "POST",
        "VoiceApplicationSid": "",
    }


async def test_a_message_is_read_with_times_in_utc_and_exact_money() -> None:
    path = f"{ROOT}/Messages/{MESSAGE_SID}.json"
    async with account_and_stub() as (account, stub):
        stub.on(f"GET {path}", json_answer(message(error_code=30003, num_segments="2")))
        settled = await account.fetch_message(MESSAGE_SID)
        stub.on(
            f"GET {path}",
            json_answer(
                message(price=None, date_sent=None, date_updated=None, body=None, num_segments="0", **{"from": None})
            ),
        )
        fresh = await account.fetch_message(MESSAGE_SID)
        stub.on(f"GET {path}", json_answer(message(price="a lot")))
        odd = await account.fetch_message(MESSAGE_SID)
    assert settled.price == Money(-7_500, "USD")
    assert settled.created_at == datetime(2023, 8, 24, 5, 1, 45, tzinfo=UTC)
    assert settled.sent_at == datetime(2023, 8, 24, 5, 1, 46, tzinfo=UTC)
    assert (settled.num_segments, settled.num_media, settled.error_code) == (2, 0, 30003)
    assert (fresh.price, fresh.sent_at, fresh.updated_at, fresh.from_number) == (None, None, None, None)
    assert (fresh.body, fresh.num_segments) == ("", 0)
    assert odd.price is None


async def test_texts_are_found_by_pair_and_time_within_a_bound() -> None:
    path = f"{ROOT}/Messages.json"
    records = [
        message(1, date_created="Thu, 24 Aug 2023 05:01:45 +0000"),
        message(2, direction="inbound"),
        message(3, direction="outbound-reply"),
        message(4, date_created="Thu, 24 Aug 2023 05:01:44 +0000"),
        message(5, date_created="Thu, 24 Aug 2023 06:00:00 +0000", date_sent=None, status="queued"),
    ]
    after = datetime(2023, 8, 24, 5, 1, 45, 900_000, tzinfo=UTC)
    async with account_and_stub() as (account, stub):
        stub.on(f"GET {path}", paged("messages", path, records))
        found = await account.find_messages(
            to="+16025550123", from_number="+16025550199", sent_after=after, page_size=2
        )
        assert [info.sid for info in found] == [records[0]["sid"], records[4]["sid"]]
        assert len(stub.asked) == 3
        assert (stub.asked[0].query["To"], stub.asked[0].query["From"]) == ("+16025550123", "+16025550199")
        assert not any(name.startswith("DateSent") for name in stub.asked[0].query)

        bounded = await account.find_messages(
            to="+16025550123", from_number=None, sent_after=after, page_size=2, max_pages=2
        )
        assert [info.sid for info in bounded] == [records[0]["sid"]]
        assert len(stub.asked) == 5
        assert "From" not in stub.asked[3].query
        with pytest.raises(ValueError, match="aware"):
            await account.find_messages(
                to="+1",
                from_number=None,
                sent_after=datetime(2023, 8, 24),  # noqa: DTZ001 - the mistake
            )


async def test_a_message_is_deleted_and_one_in_use_is_refused() -> None:
    path = f"{ROOT}/Messages/{MESSAGE_SID}.json"
    async with account_and_stub() as (account, stub):
        stub.on(f"DELETE {path}", lambda _: web.Response(status=204))
        await account.delete_message(MESSAGE_SID)
        stub.on(f"DELETE {path}", json_answer({}))
        with pytest.raises(TwilioUnreachableError):
            await account.delete_message(MESSAGE_SID)
        stub.on(f"DELETE {path}", refusal(409, 20009))
        with pytest.raises(TwilioRefusedError) as caught:
            await account.delete_message(MESSAGE_SID)
    assert (caught.value.code, caught.value.status) == (20009, 409)
    assert stub.asked[0].method == "DELETE"


Call = Callable[[TwilioAccount], Awaitable[object]]
CALLS: dict[str, tuple[str, Call]] = {
    "account": (f"GET {ROOT}.json", lambda account: account.fetch_account()),
    "numbers": (f"GET {ROOT}/IncomingPhoneNumbers.json", lambda account: account.list_numbers()),
    "webhooks": (
        f"POST {ROOT}/IncomingPhoneNumbers/{NUMBER_SID}.json",
        lambda account: account.set_number_webhooks(NUMBER_SID, sms_url="https://crm.example/in"),
    ),
    "message": (
        f"GET {ROOT}/Messages/{MESSAGE_SID}.json",
        lambda account: account.fetch_message(MESSAGE_SID),
    ),
    "messages": (
        f"GET {ROOT}/Messages.json",
        lambda account: account.find_messages(
            to="+16025550123", from_number=None, sent_after=datetime(2023, 1, 1, tzinfo=UTC)
        ),
    ),
    "delete": (
        f"DELETE {ROOT}/Messages/{MESSAGE_SID}.json",
        lambda account: account.delete_message(MESSAGE_SID),
    ),
    "media": (
        f"GET {ROOT}/Messages/{MESSAGE_SID}/Media/ME1",
        lambda account: account.fetch_media(f"https://api.twilio.com{ROOT}/Messages/{MESSAGE_SID}/Media/ME1"),
    ),
}


@pytest.mark.parametrize("name", CALLS)
async def test_every_call_fails_in_the_one_family_and_is_never_repeated(name: str) -> None:
    route, call = CALLS[name]
    answers: list[tuple[Any, type[TwilioError], object]] = [
        (refusal(401, 20003), BadCredentialsError, 20003),
        (refusal(403, 20003), BadCredentialsError, 20003),
        (refusal(401, None), BadCredentialsError, None),
        (refusal(403, 20005), AccountSuspendedError, 20005),
        (refusal(404, 20404), NotFoundAtTwilioError, 20404),
        (refusal(400, 21211), TwilioRefusedError, 21211),
        (refusal(400, None), TwilioRefusedError, None),
        (refusal(429, 20429, {"Retry-After": "3"}), TwilioUnreachableError, "busy"),
        (refusal(500, 20500), TwilioUnreachableError, "server_error"),
        (lambda _: web.Response(status=502, text="<html>"), TwilioUnreachableError, "server_error"),
        (lambda _: web.Response(status=304), TwilioUnreachableError, "bad_answer"),
    ]
    async with account_and_stub() as (account, stub):
        for count, (answer, kind, fact) in enumerate(answers, 1):
            stub.on(route, answer)
            with pytest.raises(TwilioError) as caught:
                await call(account)
            assert type(caught.value) is kind, (count, caught.value)
            if isinstance(caught.value, TwilioUnreachableError):
                assert caught.value.reason == fact
                assert caught.value.retry_after == (3.0 if fact == "busy" else None)
            elif isinstance(caught.value, TwilioRefusedError):
                assert caught.value.code == fact
            assert "555" not in str(caught.value)
            assert len(stub.asked) == count


@pytest.mark.parametrize("name", [name for name in CALLS if name not in {"delete", "media"}])
async def test_an_answer_of_the_wrong_shape_is_no_answer(name: str) -> None:
    route, call = CALLS[name]
    key = "messages" if name == "messages" else "incoming_phone_numbers"
    bodies: list[object] = [None, [], {}, "text", {"sid": 5}, {key: None}, {key: {"a": 1}}, {key: [1]}, {key: [{}]}]
    async with account_and_stub() as (account, stub):
        answers = [json_answer(body) for body in bodies] + [
            lambda _: web.Response(text=""),
            lambda _: web.Response(text="<html>"),
            lambda _: web.Response(body=b"\xff\xfe"),
        ]
        for answer in answers:
            stub.on(route, answer)
            with pytest.raises(TwilioUnreachableError) as caught:
                await call(account)
            assert caught.value.reason == "bad_answer"
            assert caught.value.__cause__ is None


async def test_an_answer_about_another_account_is_no_answer() -> None:
    async with account_and_stub() as (account, stub):
        foreign = {"account_sid": OTHER_ACCOUNT_SID}
        for name, good, bad in [
            ("account", ACCOUNT, ACCOUNT | {"sid": OTHER_ACCOUNT_SID}),
            ("webhooks", number(), number(**foreign)),
            ("message", message(), message(**foreign)),
            ("numbers", {"incoming_phone_numbers": [number()]}, {"incoming_phone_numbers": [number(**foreign)]}),
            ("messages", {"messages": [message()]}, {"messages": [message(), message(1, **foreign)]}),
        ]:
            route, call = CALLS[name]
            stub.on(route, json_answer(good))
            assert await call(account)
            stub.on(route, json_answer(bad))
            with pytest.raises(TwilioUnreachableError):
                await call(account)


@pytest.mark.parametrize("name", CALLS)
async def test_every_call_has_a_deadline(name: str) -> None:
    _, call = CALLS[name]
    async with account_and_stub(timeout_seconds=0.2) as (account, stub):
        stub.hang = True
        with pytest.raises(TwilioUnreachableError) as caught:
            await call(account)
    assert caught.value.reason == "timeout"
    assert len(stub.asked) == 1


@pytest.mark.parametrize("name", CALLS)
async def test_no_connection_is_unreachable(name: str) -> None:
    _, call = CALLS[name]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with TwilioAccount(CREDENTIALS, api_url=url) as account:
            with pytest.raises(TwilioUnreachableError) as caught:
                await call(account)
    assert caught.value.reason == "connection"


async def test_a_call_can_be_cancelled() -> None:
    async with account_and_stub() as (account, stub):
        stub.hang = True
        call = asyncio.create_task(account.fetch_account())
        await stub.arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


@pytest.mark.parametrize("sid", ["", "SM1", "SM" + "2" * 31 + "/", "SM" + "2" * 33, "PN" + "2" * 32, "../" * 11])
async def test_a_sid_that_is_none_never_becomes_part_of_an_address(sid: str) -> None:
    async with account_and_stub() as (account, stub):
        with pytest.raises(ValueError, match="not a Twilio identifier"):
            await account.fetch_message(sid)
        with pytest.raises(ValueError, match="not a Twilio identifier"):
            await account.delete_message(sid)
    assert stub.asked == []


@pytest.mark.parametrize(
    ("account_sid", "auth_user", "auth_secret"),
    [
        ("AC1", KEY_SID, "x"),
        (ACCOUNT_SID + "/", KEY_SID, "x"),
        (ACCOUNT_SID.replace("AC", "SK"), KEY_SID, "x"),
        (ACCOUNT_SID, "me", "x"),
        (ACCOUNT_SID, KEY_SID, ""),
    ],
)
def test_credentials_of_the_wrong_shape_are_refused(account_sid: str, auth_user: str, auth_secret: str) -> None:
    assert TwilioCredentials(ACCOUNT_SID, ACCOUNT_SID, "x")
    with pytest.raises(ValueError, match=r"SID|secret"):
        TwilioCredentials(account_sid, auth_user, auth_secret)


async def test_outside_its_block_an_account_cannot_be_asked() -> None:
    account = TwilioAccount(CREDENTIALS)
    for _, call in CALLS.values():
        with pytest.raises(RuntimeError, match="async with"):
            await call(account)


async def test_nothing_of_a_call_is_logged_and_nothing_secret_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    path = f"{ROOT}/Messages.json"
    async with account_and_stub() as (account, stub):
        stub.on(f"GET {path}", paged("messages", path, [message()]))
        stub.on(f"GET {ROOT}/IncomingPhoneNumbers.json", json_answer({"incoming_phone_numbers": [number()]}))
        (found,) = await account.find_messages(
            to="+16025550123", from_number="+16025550199", sent_after=datetime(2023, 1, 1, tzinfo=UTC)
        )
        (owned,) = await account.list_numbers()
    product_lines = [line for line in caplog.records if not line.name.startswith(("aiohttp.access", "asyncio"))]
    assert product_lines == []
    assert logging.getLogger("twilio.http_client").getEffectiveLevel() >= logging.WARNING
    shown = f"{found!r} {owned!r} {CREDENTIALS!r}"
    assert found.sid in shown
    assert owned.sid in shown
    for secret in ("+1602555", "555-", "Hi Ann", "s3cret", "old.example"):
        assert secret not in shown
