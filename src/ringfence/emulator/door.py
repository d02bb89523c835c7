"""The door of the REST API: who is calling, how busy the account is, which fault strikes, what headers go back."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

from ringfence.emulator.answers import bad_gateway, refusal, reset
from ringfence.emulator.errors import TwilioError
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.faults import AFTER_ACCEPT, Fault, Operation
from ringfence.emulator.world import Account
from ringfence.kit.clock import monotonic_seconds

HANG_SECONDS = 120.0
"""How long a hanging request is held when the fault names no time: longer than any sane deadline."""

SLOW_SECONDS = 2.0

Work = Callable[[Account], Awaitable[web.StreamResponse]]
Handler = Callable[[web.Request, Account], Awaitable[web.StreamResponse]]

_REFUSALS = {"401": 20003, "404": 20404, "429": 20429, "500": 20500, "503": 20503, "504": 20503, "63038": 63038}


_BROKEN_ANSWERS: dict[str, Callable[[bytes], web.Response]] = {
    "500_after_accept": lambda _: refusal(TwilioError(20500)),
    "503_after_accept": lambda _: refusal(TwilioError(20503)),
    "502_html_after_accept": lambda _: bad_gateway(),
    "empty_201": lambda _: web.Response(status=201, content_type="application/json"),
    "truncated_201": lambda body: web.Response(
        body=body[: len(body) // 2], status=201, content_type="application/json"
    ),
}


class Door:
    """Answers requests for one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def guard(
        self, operation: Operation, handler: Handler, *, suspended_ok: bool = False
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Wrap a handler of one resource: authentication, latency, faults, errors and headers."""

        async def handle(request: web.Request) -> web.StreamResponse:
            async def work(account: Account) -> web.StreamResponse:
                await self._exchange.pause(self._latency())
                fault = self._exchange.faults.fire("request", operation, account.sid)
                broken = await self.interfere(fault, request)
                if broken is not None:
                    return broken
                done = await handler(request, account)
                return await self.spoil(fault, request, done) if isinstance(done, web.Response) else done

            return await self.answer(request, work, suspended_ok=suspended_ok)

        return handle

    async def answer(self, request: web.Request, work: Work, *, suspended_ok: bool = False) -> web.StreamResponse:
        """Do the work for the account in the path and add the headers every answer carries."""
        started = monotonic_seconds()
        account: Account | None = None
        try:
            caller, account = self._accounts(request)
            account.in_flight += 1
            busy = account.in_flight
            self._check_open(request, caller, account, suspended_ok=suspended_ok)
            response = await work(account)
        except TwilioError as error:
            busy = account.in_flight if account else 1
            response = refusal(error)
            if error.code == 20003:
                response.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
        finally:
            if account is not None:
                account.in_flight -= 1
        if not response.prepared:
            response.headers["Twilio-Request-Id"] = self._exchange.sids.sid("RQ")
            response.headers["Twilio-Concurrent-Requests"] = str(busy)
            response.headers["Twilio-Request-Duration"] = f"{monotonic_seconds() - started:.3f}"
        return response

    async def unknown_path(self, request: web.Request) -> web.StreamResponse:
        """404 with code 20404 for everything the emulator does not have; credentials are looked at first."""
        missing = TwilioError(20404, f"The requested resource {request.path} was not found")
        if not request.path.startswith("/2010-04-01/"):
            return refusal(missing)

        async def work(_: Account) -> web.StreamResponse:
            raise missing

        return await self.answer(request, work)

    async def interfere(self, fault: Fault | None, request: web.Request) -> web.StreamResponse | None:
        """Let a request fault act before anything is decided; None means: go on as usual.

        Raises TwilioError for the kinds that are refusals.
        """
        if fault is None or fault.kind in AFTER_ACCEPT:
            return None
        kind = fault.kind
        if kind == "slow":
            await self._exchange.pause(fault.delay_seconds or SLOW_SECONDS)
            return None
        if kind == "502_html":
            return bad_gateway()
        if kind == "reset_before_accept":
            return reset(request)
        if kind == "hang":
            await self._exchange.pause(fault.delay_seconds or HANG_SECONDS)
            return reset(request)
        retry_after = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        error = TwilioError(_REFUSALS.get(kind) or int(kind), headers=retry_after)
        error.status = int(kind) if len(kind) == 3 else error.status
        raise error

    async def spoil(self, fault: Fault | None, request: web.Request, sound: web.Response) -> web.StreamResponse:
        """Let a request fault act on the answer to something that has been done; `sound` if none does."""
        if fault is None or fault.kind not in AFTER_ACCEPT:
            return sound
        kind = fault.kind
        if kind == "slow_after_accept":
            await self._exchange.pause(fault.delay_seconds or SLOW_SECONDS)
            return sound
        if kind == "hang_after_accept":
            await self._exchange.pause(fault.delay_seconds or HANG_SECONDS)
        if kind in _BROKEN_ANSWERS:
            body = sound.body if isinstance(sound.body, bytes) else b""
            return _BROKEN_ANSWERS[kind](body)
        return reset(request)

    def _latency(self) -> float:
        return self._exchange.behaviour.latency.draw(self._exchange.rng)

    def _accounts(self, request: web.Request) -> tuple[Account, Account]:
        """The caller, and the account in the path it may act on. Raises TwilioError 20003."""
        accounts = self._exchange.world.accounts
        sid, secret = _credentials(request.headers.get("Authorization", ""))
        caller = accounts.get(sid)
        if caller is None or not hmac.compare_digest(caller.auth_token.encode(), secret.encode()):
            raise TwilioError(20003)
        account = accounts.get(request.match_info.get("account_sid", caller.sid))
        # Only the account itself and its parent may act here; which status Twilio gives others is not known.
        if account is None or caller.sid not in {account.sid, account.owner_sid}:
            raise TwilioError(20003)
        return caller, account

    def _check_open(self, request: web.Request, caller: Account, account: Account, *, suspended_ok: bool) -> None:
        # What may be done to a suspended account: reading it, and changing it with an active parent's credentials.
        if caller.status != "active" and not (suspended_ok and request.method == "GET"):
            raise TwilioError(20005)
        if account.status != "active" and not suspended_ok:
            raise TwilioError(20005)
        limit = self._exchange.behaviour.concurrency_limit
        if limit and account.in_flight > limit:
            raise TwilioError(20429)


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    sid, _, secret = text.partition(":")
    return sid, secret
