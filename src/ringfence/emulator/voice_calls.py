"""The Calls resource: create, fetch, list, hang up, redirect, delete."""

from aiohttp import web

from ringfence.emulator import addresses
from ringfence.emulator.answers import answer, no_content, reset
from ringfence.emulator.door import Door
from ringfence.emulator.errors import TwilioError
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.filters import date_filter
from ringfence.emulator.form import Form
from ringfence.emulator.messages import PREFIX
from ringfence.emulator.paging import page
from ringfence.emulator.targets import read_target, usable_callback
from ringfence.emulator.voice_book import EVENTS, Call, Progress, Source
from ringfence.emulator.voice_line import Line
from ringfence.emulator.voice_renders import call_json
from ringfence.emulator.voice_script import Scripts
from ringfence.emulator.world import Account

DEFAULT_TIMEOUT_SECONDS = 60
MAX_TIMEOUT_SECONDS = 600
MAX_TWIML = 4000

# Twilio's test numbers (https://www.twilio.com/docs/iam/test-credentials), honoured in every account.
_MAGIC_CALLERS = {"+15005550001": 21212}
_MAGIC_CALLED = {"+15005550001": 21217, "+15005550002": 21214, "+15005550003": 21215, "+15005550004": 21216}


class Calls:
    """Handlers of the Calls resource."""

    def __init__(self, exchange: Exchange, door: Door, line: Line, scripts: Scripts) -> None:
        self._exchange = exchange
        self._door = door
        self._line = line
        self._scripts = scripts

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        guard = self._door.guard
        return [
            web.post(f"{PREFIX}/Calls.json", self.create),
            web.get(f"{PREFIX}/Calls.json", guard("read", self.list)),
            web.get(f"{PREFIX}/Calls/{{sid}}.json", guard("read", self.fetch)),
            web.post(f"{PREFIX}/Calls/{{sid}}.json", guard("write", self.update)),
            web.delete(f"{PREFIX}/Calls/{{sid}}.json", guard("write", self.delete)),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Accept a call. Every POST that arrives whole is counted before anything else is decided."""
        exchange = self._exchange
        form = Form.parse(await request.read())
        tally = exchange.call_creates.arrived(form.get("StatusCallback"))

        async def work(account: Account) -> web.StreamResponse:
            wait = exchange.behaviour.latency.draw(exchange.rng) / 2
            if not await exchange.pause(wait):
                return reset(request)
            numbers = tuple(addresses.e164(form.get(name)) or form.get(name) for name in ("From", "To"))
            fault = exchange.faults.fire("request", "call", account.sid, numbers)
            broken = await self._door.interfere(fault, request)
            if broken is not None:
                return broken
            call, source = self._accept(account, form)
            exchange.call_creates.accepted(tally, call.sid)
            sound = answer(self._render(call), 201)
            self._scripts.start(call, source, ring=True)
            await exchange.pause(wait)
            return await self._door.spoil(fault, request, sound)

        return await self._door.answer(request, work)

    async def fetch(self, request: web.Request, account: Account) -> web.StreamResponse:
        """One call."""
        return answer(self._render(self._call(request, account)))

    async def list(self, request: web.Request, account: Account) -> web.StreamResponse:
        """A page of calls, newest first, filtered by To, From, Status, ParentCallSid, StartTime and EndTime."""
        query = request.query
        called, caller = (addresses.e164(text) or text for text in (query.get("To", ""), query.get("From", "")))
        status, parent = query.get("Status", ""), query.get("ParentCallSid", "")
        started, ended = date_filter(request, "StartTime"), date_filter(request, "EndTime")

        def matches(call: Call) -> bool:
            return (
                called in {"", call.called}
                and caller in {"", call.caller}
                and status in {"", call.status}
                and parent in {"", call.parent_sid}
                and started(call.start_time)
                and ended(call.end_time)
            )

        return answer(page(request, "calls", self._exchange.calls.of(account.sid), matches, self._render))

    async def update(self, request: web.Request, account: Account) -> web.StreamResponse:
        """Hang up (`completed`), cancel (`canceled`, only before the answer), or redirect to other TwiML."""
        call = self._call(request, account)
        form = Form.parse(await request.read())
        status = form.get("Status")
        if status not in {"", "completed", "canceled"}:
            raise TwilioError(20001, "Status must be completed or canceled")
        if call.finished or (status == "canceled" and call.start_time is not None):
            raise TwilioError(21220)
        if status:
            self._line.end(call, "canceled" if call.start_time is None else "completed")
        elif form.get("Url") or form.get("Twiml"):
            if call.start_time is None:
                raise TwilioError(21220)
            self._scripts.redirect(call, _source(form))
        return answer(self._render(call))

    async def delete(self, request: web.Request, account: Account) -> web.StreamResponse:
        """Delete a finished call from the log. Raises TwilioError 20009 while it lasts."""
        call = self._call(request, account)
        if not call.finished:
            raise TwilioError(20009)
        self._exchange.calls.remove(call)
        return no_content()

    def _accept(self, account: Account, form: Form) -> tuple[Call, Source]:
        """Check a create request and make the call. Raises TwilioError; then nothing was created."""
        caller, called = self._route(account, form)
        source = _source(form)
        callback = form.get("StatusCallback")
        if callback and not usable_callback(callback):
            raise TwilioError(21609)
        text = form.get("Timeout")
        timeout = int(text) if text.isascii() and text.isdigit() else DEFAULT_TIMEOUT_SECONDS
        progress = Progress(
            url=callback,
            method=form.get("StatusCallbackMethod").upper() or "POST",
            events=frozenset(form.all("StatusCallbackEvent")) & EVENTS or frozenset({"completed"}),
        )
        call = self._exchange.calls.add(
            account.sid,
            caller,
            called,
            "outbound-api",
            progress=progress,
            timeout_seconds=min(timeout, MAX_TIMEOUT_SECONDS),
        )
        self._line.choose_fault(call)
        return call, source

    def _route(self, account: Account, form: Form) -> tuple[str, str]:
        """The E.164 numbers of both sides."""
        if not form.get("To"):
            raise TwilioError(21201)
        if not form.get("From"):
            raise TwilioError(21213)
        caller, called = addresses.e164(form.get("From")), addresses.e164(form.get("To"))
        if called is None:
            raise TwilioError(21211)
        if caller is None:
            raise TwilioError(21212)
        refusal = _MAGIC_CALLERS.get(caller) or _MAGIC_CALLED.get(called)
        if refusal is not None:
            raise TwilioError(refusal)
        number = self._exchange.world.numbers.get(caller)
        own = number is not None and number.account_sid == account.sid and number.voice
        if not own and caller != addresses.SUCCESS_NUMBER:
            raise TwilioError(21210)
        return caller, called

    def _call(self, request: web.Request, account: Account) -> Call:
        call = self._exchange.calls.calls.get(request.match_info["sid"])
        if call is None or call.account_sid != account.sid:
            raise TwilioError(20404, f"The requested resource {request.path} was not found")
        return call

    def _render(self, call: Call) -> dict[str, object]:
        ours = call.called if call.direction == "inbound" else call.caller
        number = self._exchange.world.numbers.get(ours)
        return call_json(call, number.sid if number is not None and number.account_sid == call.account_sid else None)


def _source(form: Form) -> Source:
    """Where the call's TwiML comes from; `Url` wins over `Twiml`. Raises TwilioError 21205."""
    url = form.get("Url")
    if not url and 0 < len(form.get("Twiml")) <= MAX_TWIML:
        return Source(twiml=form.get("Twiml"))
    try:
        read_target(url)
    except ValueError:
        raise TwilioError(21205) from None
    return Source(
        url=url,
        method=form.get("Method").upper() or "POST",
        fallback_url=form.get("FallbackUrl"),
        fallback_method=form.get("FallbackMethod").upper() or "POST",
    )
