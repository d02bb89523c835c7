"""The hot path: one POST to create a message, one outcome, no second try.

aiohttp because it is five times cheaper than a request through `requests` and does not collapse at a hundred
requests at once; never through the SDK, whose retries would post a text twice. aiohttp itself repeats only
idempotent methods on a stale connection, never a POST.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Final, cast
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from ringfence.providers.twilio.answers import (
    basic_authorization,
    error_code,
    json_object,
    read_capped,
    retry_after_seconds,
    whole_number,
)
from ringfence.providers.twilio.api_url import checked_base_url
from ringfence.providers.twilio.outcome import (
    Accepted,
    NotProcessed,
    Outcome,
    Refused,
    SenderPaused,
    Unknown,
)

CONCURRENCY_LIMIT_CODE: Final = 20429

_MESSAGE_SID: Final = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
_LARGEST_ANSWER_BYTES: Final = 256 * 1024  # a message is about 2 KB
_LONGEST_CONNECT_SECONDS: Final = 10.0
# Shorter than the idle limits of usual load balancers: a connection they have closed is one more unknown.
_KEEPALIVE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class SendRequest:
    """One text. Numbers are E.164; `auth_user` is the account SID or an API key's SID.

    `status_callback` is the whole URL for delivery reports; `validity_seconds` (1 to 36000) is how long Twilio
    may keep the text in its own queue.
    """

    account_sid: str
    auth_user: str
    auth_secret: str = field(repr=False)
    to: str = field(repr=False)
    from_number: str = field(repr=False)
    body: str = field(repr=False)
    media_urls: tuple[str, ...] = field(default=(), repr=False)
    status_callback: str | None = field(default=None, repr=False)
    validity_seconds: int | None = None


class SendClient:
    """A pool of connections to one Twilio (or emulator). `start()` and `close()` in the same event loop.

    `timeout_seconds` bounds a whole request, waiting for a free connection included; Twilio is known to answer
    after as much as 26 seconds, and every answer not waited for is an unknown. Raises ValueError for a base URL
    that is not http(s) with a host.
    """

    def __init__(self, base_url: str, *, timeout_seconds: float = 30.0, max_connections: int = 256) -> None:
        self._base_url = checked_base_url(base_url)
        self._timeout_seconds = timeout_seconds
        self._max_connections = max_connections
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the pool; connections are made as they are needed. Starting twice changes nothing."""
        if self._session is not None:
            return
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_note_connection_ready)
        trace.on_connection_reuseconn.append(_note_connection_ready)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._max_connections, limit_per_host=0, keepalive_timeout=_KEEPALIVE_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),  # a cookie would tie one company's requests to another's
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=min(_LONGEST_CONNECT_SECONDS, self._timeout_seconds)
            ),
            trace_configs=[trace],
            trust_env=False,  # a proxy or .netrc found by chance must not see or change these requests
        )

    async def close(self) -> None:
        """Close the pool. Requests still under way end as `Unknown("reset")`."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: SendRequest) -> Outcome:
        """POST one text and say what became of it; every failure is an outcome, none is an exception.

        Cancelling is the one exception: CancelledError goes on to the caller, who must treat the text as
        unknown. Raises RuntimeError outside `start()` and `close()`.
        """
        if self._session is None:
            raise RuntimeError("the send client is not started")
        sending = _Sending()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._session.post(
                    URL(self._base_url + _messages_path(request.account_sid), encoded=True),
                    data=_form(request),
                    headers=_headers(request),
                    allow_redirects=False,
                    trace_request_ctx=sending,
                )
                try:
                    body = await read_capped(response, _LARGEST_ANSWER_BYTES)
                finally:
                    response.release()
        except (aiohttp.ClientError, OSError) as error:
            return _outcome_of_failure(error, sending)
        return _outcome_of_answer(request.account_sid, response.status, response.headers, body or b"")


@dataclass(slots=True)
class _Sending:
    """Whether a connection was handed to the request: until then not one byte of it can have been written."""

    connection_ready: bool = False


async def _note_connection_ready(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    cast("_Sending", context.trace_request_ctx).connection_ready = True


def _messages_path(account_sid: str) -> str:
    return f"/2010-04-01/Accounts/{quote(account_sid, safe='')}/Messages.json"


def _form(request: SendRequest) -> bytes:
    fields = [("To", request.to), ("From", request.from_number)]
    if request.body or not request.media_urls:
        fields.append(("Body", request.body))
    fields += [("MediaUrl", url) for url in request.media_urls]
    if request.status_callback is not None:
        fields.append(("StatusCallback", request.status_callback))
    if request.validity_seconds is not None:
        fields.append(("ValidityPeriod", str(request.validity_seconds)))
    # Half a surrogate pair cannot be sent or stored; a question mark is what any encoder makes of it.
    return urlencode(fields, errors="replace").encode("ascii")


def _headers(request: SendRequest) -> dict[str, str]:
    return {
        "Authorization": basic_authorization(request.auth_user, request.auth_secret),
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "ringfence",
    }


def _outcome_of_failure(error: aiohttp.ClientError | OSError, sending: _Sending) -> Outcome:
    """Classify by fact, not by kind of error: was there a connection to write to?"""
    if not sending.connection_ready:
        return NotProcessed("not_sent")
    return Unknown("timeout" if isinstance(error, TimeoutError) else "reset")


def _outcome_of_answer(account_sid: str, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    request_id = headers.get("Twilio-Request-Id")
    if status >= 500:
        return Unknown("server_error", status, request_id)
    if status == 429:
        return _outcome_of_429(headers, body)
    if 400 <= status < 500:
        code = error_code(body)
        return Unknown("bad_body", status, request_id) if code is None else Refused(code, status, request_id)
    if status != 201:
        return Unknown("bad_status", status, request_id)
    message = json_object(body)
    sid = message.get("sid")
    named = isinstance(sid, str) and _MESSAGE_SID.fullmatch(sid)
    if not named or message.get("account_sid", account_sid) != account_sid:
        return Unknown("bad_body", status, request_id)
    return Accepted(
        sid=named.group(),
        status=str(message.get("status", "")),
        num_segments=whole_number(message.get("num_segments")),
        concurrent_requests=whole_number(headers.get("Twilio-Concurrent-Requests")),
        request_id=request_id,
    )


def _outcome_of_429(headers: Mapping[str, str], body: bytes) -> Outcome:
    """Twilio's rule: a request answered with 429 was never processed."""
    code, retry_after = error_code(body), retry_after_seconds(headers.get("Retry-After"))
    if code == CONCURRENCY_LIMIT_CODE:
        return NotProcessed("concurrency", retry_after, whole_number(headers.get("Twilio-Concurrent-Requests")))
    return SenderPaused(code, retry_after)
