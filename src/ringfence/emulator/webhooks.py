"""Requests to the application: signed, retried by Twilio's rules, sent only to allowed hosts, remembered."""

import asyncio
import base64
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlencode, urljoin

import aiohttp
from yarl import URL

from ringfence.emulator.signature import sign, signed_address
from ringfence.emulator.targets import Target, read_target
from ringfence.kit.clock import monotonic_seconds, utc_now

RECENT_LIMIT = 5000
CONCURRENT_LIMIT = 256
BODY_LIMIT = 64 * 1024
_MAX_REDIRECTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One request to make. `auth_token` signs it; `bad_signature` spoils the signature on purpose."""

    kind: Literal["inbound", "inbound-fallback", "status", "voice", "voice-fallback", "call-status", "recording-status"]
    account_sid: str
    message_sid: str = ""
    call_sid: str = ""
    url: str
    parameters: dict[str, str]
    auth_token: str = field(repr=False)
    idempotency_token: str
    method: str = "POST"
    bad_signature: bool = False


@dataclass(slots=True)
class Delivery:
    """What came of a webhook: `status` is None when no answer came, `error` says why, `error_code` is Twilio's."""

    status: int | None = None
    content_type: str | None = None
    body: bytes = b""
    error: str | None = None
    error_code: int | None = None
    attempts: int = 0
    duration_seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether Twilio would count it as failed."""
        return self.error is not None


class WebhookSender:
    """Sends webhooks and keeps the most recent ones for people and tests to look at.

    What waits is bounded by the messages there are: a few callbacks for each.
    """

    def __init__(self, allowed_hosts: Collection[str]) -> None:
        self._allowed = frozenset(host.lower() for host in allowed_hosts)
        self._session: aiohttp.ClientSession | None = None
        self._waiting: deque[tuple[Webhook, Callable[[Delivery], None] | None]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._recent: deque[dict[str, object]] = deque(maxlen=RECENT_LIMIT)

    def start(self) -> None:
        """Open the connection pool."""
        # Applications close idle connections after about 5 s; ours go first, so that no webhook is lost to a
        # connection that the other side has just closed.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "TwilioProxy/1.1", "Accept": "*/*"},
        )

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open pool. Raises RuntimeError before `start`."""
        if self._session is None:
            raise RuntimeError("the emulator is not running")
        return self._session

    async def stop(self) -> None:
        """Give up everything that waits or runs, and close the pool."""
        self._waiting.clear()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def forget(self) -> None:
        """Drop what waits and what is remembered; requests under way end by themselves."""
        self._waiting.clear()
        self._recent.clear()

    def recent(self, limit: int) -> list[dict[str, object]]:
        """The most recent webhooks, newest first, as JSON values."""
        return list(self._recent)[::-1][:limit]

    def post(self, webhook: Webhook, done: Callable[[Delivery], None] | None = None) -> None:
        """Send in the background, at most `CONCURRENT_LIMIT` at a time; `done` is called with the result."""
        self._waiting.append((webhook, done))
        self._fill()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < CONCURRENT_LIMIT:
            webhook, done = self._waiting.popleft()
            task = asyncio.create_task(self._send(webhook, done))
            self._running.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._fill()

    async def _send(self, webhook: Webhook, done: Callable[[Delivery], None] | None) -> None:
        delivery = await self.deliver(webhook)
        if done is not None:
            done(delivery)

    async def deliver(self, webhook: Webhook) -> Delivery:
        """Send a webhook, with retries, and wait for the result. Never raises for what the other side does."""
        started = monotonic_seconds()
        started_at = utc_now()
        try:
            target = read_target(webhook.url)
        except ValueError as error:
            delivery = Delivery(error=str(error), error_code=11100)
        else:
            delivery = await self._with_retries(webhook, target)
        delivery.duration_seconds = round(monotonic_seconds() - started, 6)
        self._recent.append(
            {
                "kind": webhook.kind,
                "account_sid": webhook.account_sid,
                "message_sid": webhook.message_sid,
                "call_sid": webhook.call_sid,
                "method": webhook.method,
                "url": webhook.url,
                "params": webhook.parameters,
                "idempotency_token": webhook.idempotency_token,
                "status": delivery.status,
                "attempts": delivery.attempts,
                "error": delivery.error,
                "error_code": delivery.error_code,
                "started_at": started_at.isoformat(),
                "duration_seconds": delivery.duration_seconds,
            }
        )
        return delivery

    async def _with_retries(self, webhook: Webhook, target: Target) -> Delivery:
        deadline = monotonic_seconds() + target.total_seconds
        delivery = Delivery()
        for attempt in range(1, target.retries + 2):
            delivery, failure = await self._attempt(webhook, target, deadline)
            delivery.attempts = attempt
            retry = failure is not None and target.retries_on(failure)
            if not retry or monotonic_seconds() >= deadline:
                break
        return delivery

    async def _attempt(self, webhook: Webhook, target: Target, deadline: float) -> tuple[Delivery, str | None]:
        """One attempt, redirects included: the result and the class of its failure (ct, rt, 4xx, 5xx)."""
        remaining = max(0.05, deadline - monotonic_seconds())
        try:
            async with asyncio.timeout(remaining):
                delivery = await self._follow(webhook, target)
        except (TimeoutError, aiohttp.ConnectionTimeoutError) as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                return Delivery(error="connect timeout", error_code=11205), "ct"
            return Delivery(error="read timeout", error_code=11200), "rt"
        except aiohttp.ClientConnectorError:
            return Delivery(error="cannot connect", error_code=11205), "ct"
        except (aiohttp.ClientError, ValueError) as error:
            return Delivery(error=f"no usable answer: {type(error).__name__}", error_code=11200), "rt"
        status = delivery.status or 0
        if status >= 400:
            delivery.error, delivery.error_code = f"HTTP {status}", 11200
            return delivery, "5xx" if status >= 500 else "4xx"
        return delivery, None

    async def _follow(self, webhook: Webhook, target: Target) -> Delivery:
        url, method, parameters = target.url, webhook.method, webhook.parameters
        for _ in range(_MAX_REDIRECTS + 1):
            if (URL(url, encoded=True).host or "").lower() not in self._allowed:
                return Delivery(error="the host is not on the allow-list", error_code=11210)
            delivery, location = await self._request(webhook, target, url, method, parameters)
            if location is None:
                return delivery
            url = urljoin(url, location)
            if delivery.status in {301, 302, 303}:
                method, parameters = "GET", {}
        return Delivery(error="too many redirects", error_code=11215)

    async def _request(
        self, webhook: Webhook, target: Target, url: str, method: str, parameters: dict[str, str]
    ) -> tuple[Delivery, str | None]:
        body = urlencode(parameters) if method == "POST" else ""
        if method != "POST" and parameters:
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"
        signed_url = signed_address(url, voice=bool(webhook.call_sid))
        signed = sign(webhook.auth_token, signed_url, parameters if method == "POST" else {})
        headers = {
            "X-Twilio-Signature": signed[::-1] if webhook.bad_signature else signed,
            "I-Twilio-Idempotency-Token": webhook.idempotency_token,
        }
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=target.connect_seconds, sock_read=target.read_seconds)
        # Encoded as configured: the signature covers the address byte for byte.
        address = URL(url, encoded=True)
        for credentials in ("", target.userinfo):
            if credentials:
                headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
            async with self.session.request(
                method,
                address,
                data=body.encode() if method == "POST" else None,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                delivery = Delivery(
                    status=response.status,
                    content_type=response.headers.get("Content-Type"),
                    body=await response.content.read(BODY_LIMIT + 1),
                )
                location = response.headers.get("Location") if 300 <= response.status < 400 else None
            if response.status != 401 or not target.userinfo:
                break
        return delivery, location
