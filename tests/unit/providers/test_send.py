"""Every way one POST can end, and the outcome that is the truth about it."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.providers.twilio.codes import Retry, Scope
from ringfence.providers.twilio.outcome import Accepted, NotProcessed, Outcome, Refused, SenderPaused, Unknown
from ringfence.providers.twilio.send import SendClient, SendRequest
from tests.unit.providers.raw_server import (
    ACCOUNT_SID,
    MESSAGE_SID,
    Answer,
    RawServer,
    Received,
    raw,
    raw_server,
    read_request,
    reply,
    reset,
    tcp_server,
)

REQUEST = SendRequest(
    account_sid=ACCOUNT_SID,
    auth_user=ACCOUNT_SID,
    auth_secret="s3cret:tøken",
    to="+16025550123",
    from_number="+16025550199",
    body="Hi Ann, 20% off & more: 😀\nBye",
    media_urls=("https://crm.example/media/1?sig=a%2Bb", "https://crm.example/media/2"),
    status_callback="https://crm.example/webhooks/twilio/x/status?m=1&mac=f0",
    validity_seconds=14_400,
)
MESSAGE = {"sid": MESSAGE_SID, "account_sid": ACCOUNT_SID, "status": "queued", "num_segments": "1"}
CREATED = json.dumps(MESSAGE).encode()


def error_body(code: int, status: int) -> bytes:
    return json.dumps({"code": code, "message": "free text", "status": status}).encode()


@asynccontextmanager
async def client_for(
    base_url: str, *, timeout_seconds: float = 5.0, max_connections: int = 10
) -> AsyncIterator[SendClient]:
    client = SendClient(base_url, timeout_seconds=timeout_seconds, max_connections=max_connections)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def outcome_of(answer: Answer, *, timeout_seconds: float = 5.0) -> tuple[Outcome, RawServer]:
    async with raw_server(answer) as server, client_for(server.url, timeout_seconds=timeout_seconds) as client:
        return await client.send(REQUEST), server


async def test_an_accepted_text_carries_what_twilio_said_and_was_posted_once() -> None:
    headers = {"Twilio-Concurrent-Requests": "7", "Twilio-Request-Id": "RQ1"}
    outcome, server = await outcome_of(reply(201, CREATED, headers))
    assert outcome == Accepted(MESSAGE_SID, "queued", 1, 7, "RQ1")
    (received,) = server.requests
    assert received.method == "POST"
    assert received.target == f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    credentials = base64.b64encode(f"{ACCOUNT_SID}:s3cret:tøken".encode()).decode()
    assert received.headers["authorization"] == f"Basic {credentials}"
    assert received.headers["content-type"] == "application/x-www-form-urlencoded"
    assert received.form == [
        ("To", REQUEST.to),
        ("From", REQUEST.from_number),
        ("Body", REQUEST.body),
        ("MediaUrl", REQUEST.media_urls[0]),
        ("MediaUrl", REQUEST.media_urls[1]),
        ("StatusCallback", REQUEST.status_callback),
        ("ValidityPeriod", "14400"),
    ]


async def test_what_a_text_does_not_have_is_not_sent() -> None:
    bare = replace(REQUEST, body="", status_callback=None, validity_seconds=None)
    async with raw_server(reply(201, CREATED)) as server, client_for(server.url) as client:
        assert isinstance(await client.send(bare), Accepted)
        assert isinstance(await client.send(replace(bare, body="\ud83d", media_urls=())), Accepted)
    assert [name for name, _ in server.requests[0].form] == ["To", "From", "MediaUrl", "MediaUrl"]
    assert server.requests[1].form[2:] == [("Body", "?")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        CREATED[:-20],
        b"<html>created</html>",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        json.dumps(MESSAGE | {"sid": None}).encode(),
        json.dumps(MESSAGE | {"sid": ""}).encode(),
        json.dumps(MESSAGE | {"sid": 5}).encode(),
        json.dumps(MESSAGE | {"sid": MESSAGE_SID + "\n"}).encode(),
        json.dumps(MESSAGE | {"account_sid": "AC" + "9" * 32}).encode(),
        json.dumps(MESSAGE | {"body": "x" * 300_000}).encode(),
    ],
)
async def test_a_201_that_does_not_name_our_message_proves_nothing(body: bytes) -> None:
    outcome, server = await outcome_of(reply(201, body))
    assert outcome == Unknown("bad_body", 201)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("num_segments", "counted"), [("0", 0), (3, 3), (None, None), ("many", None), ("-1", None), ("²", None)]
)
async def test_an_odd_segment_count_does_not_lose_the_sid(num_segments: object, counted: int | None) -> None:
    outcome, _ = await outcome_of(reply(201, json.dumps(MESSAGE | {"num_segments": num_segments}).encode()))
    assert outcome == Accepted(MESSAGE_SID, "queued", counted)


@pytest.mark.parametrize(
    ("status", "code", "retry", "scope"),
    [
        (400, 21610, Retry.NEVER, Scope.RECIPIENT),
        (400, 21611, Retry.LATER, Scope.SENDER),
        (401, 20003, Retry.AFTER_FIX, Scope.ACCOUNT),
        (404, 20404, Retry.NEVER, Scope.TEXT),
        (403, 12345, Retry.NEVER, Scope.TEXT),
    ],
)
async def test_a_4xx_with_a_code_is_a_definite_refusal(status: int, code: int, retry: Retry, scope: Scope) -> None:
    outcome, server = await outcome_of(reply(status, error_body(code, status)))
    assert outcome == Refused(code, status)
    assert isinstance(outcome, Refused)
    assert (outcome.explanation.retry, outcome.explanation.scope) == (retry, scope)
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"", b"<html>Forbidden</html>", b"{}", b'{"code": "21610"}', b'{"code": true}'])
async def test_a_4xx_without_a_code_is_not_twilios_word(body: bytes) -> None:
    outcome, _ = await outcome_of(reply(403, body))
    assert outcome == Unknown("bad_body", 403)


async def test_the_concurrency_limit_means_not_processed() -> None:
    headers = {"Retry-After": "2", "Twilio-Concurrent-Requests": "101"}
    outcome, server = await outcome_of(reply(429, error_body(20429, 429), headers))
    assert outcome == NotProcessed("concurrency", 2.0, 101)
    outcome, _ = await outcome_of(reply(429, error_body(20429, 429)))
    assert outcome == NotProcessed("concurrency", None, None)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "code"), [(error_body(63038, 429), 63038), (b"<html>slow down</html>", None), (b"", None)]
)
async def test_any_other_429_pauses_the_sender(body: bytes, code: int | None) -> None:
    outcome, _ = await outcome_of(reply(429, body, {"Retry-After": "60"}))
    assert outcome == SenderPaused(code, 60.0)


async def test_retry_after_may_be_a_date_and_nonsense_is_left_out() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    past = "Thu, 01 Jan 2015 00:00:00 -0000"
    for value, low, high in [(soon, 60, 101), (past, 0, 0), ("9" * 40, 86_400, 86_400)]:
        outcome, _ = await outcome_of(reply(429, error_body(20429, 429), {"Retry-After": value}))
        assert isinstance(outcome, NotProcessed)
        assert outcome.retry_after is not None
        assert low <= outcome.retry_after <= high
    outcome, _ = await outcome_of(reply(429, error_body(20429, 429), {"Retry-After": "a while"}))
    assert outcome == NotProcessed("concurrency", None)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, error_body(20500, 500)),
        (500, error_body(20429, 429)),
        (502, b"<html>Bad gateway</html>"),
        (503, b""),
        (504, CREATED),
    ],
)
async def test_a_5xx_is_unknown_whatever_it_says(status: int, body: bytes) -> None:
    outcome, server = await outcome_of(reply(status, body))
    assert outcome == Unknown("server_error", status)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed_and_is_unknown(status: int) -> None:
    async with raw_server(reply(201, CREATED)) as elsewhere:
        outcome, server = await outcome_of(reply(status, b"", {"Location": elsewhere.url + "/x"}))
        assert outcome == Unknown("bad_status", status)
        assert (len(server.requests), len(elsewhere.requests)) == (1, 0)


@pytest.mark.parametrize("status", [200, 202])
async def test_another_2xx_is_unknown_even_with_a_message(status: int) -> None:
    outcome, _ = await outcome_of(reply(status, CREATED))
    assert outcome == Unknown("bad_status", status)


@pytest.mark.parametrize(
    "answer",
    [
        reset,
        raw(b""),
        raw(b"HTTP/1.1 201 Created\r\nContent-Le"),
        raw(b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n"),
        reply(201, CREATED, length=len(CREATED) + 1),
        raw(b'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"sid'),
        raw(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
        raw(b"HTTP/1.1 nonsense\r\n\r\n"),
    ],
)
async def test_a_connection_that_breaks_after_the_request_is_unknown_and_not_tried_again(answer: Answer) -> None:
    outcome, server = await outcome_of(answer)
    assert outcome == Unknown("reset")
    assert len(server.requests) == 1


async def test_a_reset_before_the_server_reads_is_unknown() -> None:
    """The bytes had been written: that nobody read them cannot be known from here."""
    connections = 0

    async def slam(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.transport.abort()

    async with tcp_server(slam) as port, client_for(f"http://127.0.0.1:{port}") as client:
        assert await client.send(REQUEST) == Unknown("reset")
    assert connections == 1


async def test_no_answer_before_the_deadline_is_unknown() -> None:
    async def hang(_: Received, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    outcome, server = await outcome_of(hang, timeout_seconds=0.3)
    assert outcome == Unknown("timeout")
    assert len(server.requests) == 1


async def test_half_an_answer_before_the_deadline_is_unknown() -> None:
    async def half(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n" + CREATED)
        await asyncio.Event().wait()

    outcome, _ = await outcome_of(half, timeout_seconds=0.3)
    assert outcome == Unknown("timeout")


async def test_a_refused_connection_is_proved_unsent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with client_for(f"http://127.0.0.1:{taken.getsockname()[1]}") as client:
            assert await client.send(REQUEST) == NotProcessed("not_sent")


async def test_a_name_that_does_not_resolve_is_proved_unsent() -> None:
    async with client_for("http://nonexistent.invalid") as client:
        assert await client.send(REQUEST) == NotProcessed("not_sent")


@pytest.mark.parametrize(
    "address",
    ["", "127.0.0.1:80", "ftp://127.0.0.1", "http://", "http://[bad", "https:///x", "http://u:p@h", "http://h?q"],
)
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="TWILIO_API_URL"):
        SendClient(address)


async def test_a_failed_tls_handshake_is_proved_unsent() -> None:
    greetings: list[bytes] = []

    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greetings.append(await reader.read(1))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with tcp_server(no_tls) as port, client_for(f"https://127.0.0.1:{port}") as client:
        assert await client.send(REQUEST) == NotProcessed("not_sent")
    assert greetings == [b"\x16"]  # the TLS greeting did arrive; nothing of the request did


async def test_a_tls_handshake_that_hangs_is_proved_unsent() -> None:
    async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with (
        tcp_server(silence) as port,
        client_for(f"https://127.0.0.1:{port}", timeout_seconds=0.3) as client,
    ):
        assert await client.send(REQUEST) == NotProcessed("not_sent")


async def test_waiting_in_vain_for_a_free_connection_is_proved_unsent() -> None:
    async def hang(_: Received, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with (
        raw_server(hang) as server,
        client_for(server.url, timeout_seconds=0.4, max_connections=1) as client,
    ):
        outcomes = await asyncio.gather(client.send(REQUEST), client.send(REQUEST))
    assert outcomes == [Unknown("timeout"), NotProcessed("not_sent")]
    assert len(server.requests) == 1


async def test_a_connection_closed_while_idle_is_replaced_and_each_text_goes_out_once() -> None:
    closed = asyncio.Event()

    async def answer_and_close(received: Received, writer: asyncio.StreamWriter) -> None:
        await reply(201, CREATED)(received, writer)
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with raw_server(answer_and_close) as server, client_for(server.url) as client:
        for count in (1, 2, 3):
            assert await client.send(REQUEST) == Accepted(MESSAGE_SID, "queued", 1)
            await closed.wait()
            closed.clear()
            for _ in range(5):  # turns of the loop in which the client's side reads the end of the connection
                await asyncio.sleep(0)
            assert (server.connections, len(server.requests)) == (count, count)


async def test_a_kept_connection_that_breaks_under_the_next_text_is_unknown_and_not_tried_again() -> None:
    async def once_then_reset(received: Received, writer: asyncio.StreamWriter) -> None:
        await (reply(201, CREATED) if len(server.requests) == 1 else reset)(received, writer)

    async with raw_server(once_then_reset) as server, client_for(server.url) as client:
        assert isinstance(await client.send(REQUEST), Accepted)
        assert await client.send(REQUEST) == Unknown("reset")
    assert (server.connections, len(server.requests)) == (1, 2)


async def test_connections_are_kept_between_texts_but_cookies_are_not() -> None:
    async with (
        raw_server(reply(201, CREATED, {"Set-Cookie": "company=a; Path=/"})) as server,
        client_for(server.url) as client,
    ):
        for _ in range(3):
            assert isinstance(await client.send(REQUEST), Accepted)
    assert server.connections == 1
    assert all("cookie" not in received.headers for received in server.requests)


async def test_cancelling_goes_on_to_the_caller_and_leaves_a_working_client() -> None:
    arrived = asyncio.Event()

    async def first_hangs(received: Received, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 1:
            arrived.set()
            await asyncio.Event().wait()
        await reply(201, CREATED)(received, writer)

    async with raw_server(first_hangs) as server, client_for(server.url) as client:
        sending = asyncio.create_task(client.send(REQUEST))
        await arrived.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert isinstance(await client.send(REQUEST), Accepted)
    assert len(server.requests) == 2


async def test_closing_under_a_request_ends_it_as_unknown() -> None:
    arrived = asyncio.Event()

    async def hang(_: Received, __: asyncio.StreamWriter) -> None:
        arrived.set()
        await asyncio.Event().wait()

    async with raw_server(hang) as server:
        client = SendClient(server.url, timeout_seconds=5.0)
        await client.start()
        sending = asyncio.create_task(client.send(REQUEST))
        await arrived.wait()
        await client.close()
        assert await sending == Unknown("reset")
        with pytest.raises(RuntimeError, match="not started"):
            await client.send(REQUEST)


def test_a_request_shows_no_secret_number_or_body() -> None:
    shown = repr(REQUEST)
    assert ACCOUNT_SID in shown
    for secret in (REQUEST.auth_secret, REQUEST.to, REQUEST.from_number, REQUEST.body, "mac=", "sig="):
        assert secret not in shown


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=80).map(lambda noise: b"HTTP/1.1 201 Created\r\n" + noise),
        st.tuples(st.integers(100, 999), st.binary(max_size=80)).map(
            lambda parts: b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (parts[0], len(parts[1]), parts[1])
        ),
    )
)
def test_any_answer_at_all_ends_in_an_outcome(data: bytes) -> None:
    async def run() -> tuple[Outcome, RawServer]:
        return await outcome_of(raw(data), timeout_seconds=2.0)

    outcome, server = asyncio.run(run())
    assert not isinstance(outcome, Accepted | NotProcessed)
    assert len(server.requests) == 1


async def test_the_stub_reads_whole_requests() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\na=b")
    assert await read_request(reader) == Received("POST", "/x", {"content-length": "3"}, b"a=b")
