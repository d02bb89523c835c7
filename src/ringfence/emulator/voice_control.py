"""Control requests that play people on the telephone: call a company, hang up, decide how a phone behaves."""

from aiohttp import web

from ringfence.emulator import addresses
from ringfence.emulator.control import NotHereError, controlled, creates_report
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.fields import Fields
from ringfence.emulator.voice_book import Call, Manners, Progress, Source
from ringfence.emulator.voice_line import Line
from ringfence.emulator.voice_script import Scripts

_SHOWN = 200


class VoiceControl:
    """Handlers of the voice part of /emulator."""

    def __init__(self, exchange: Exchange, line: Line, scripts: Scripts) -> None:
        self._exchange = exchange
        self._line = line
        self._scripts = scripts

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post("/emulator/call", controlled(self.call)),
            web.get("/emulator/calls", controlled(self.list_calls)),
            web.get("/emulator/call-creates", controlled(self.show_creates)),
            web.post("/emulator/calls/{sid}/hang-up", controlled(self.hang_up)),
            web.post("/emulator/phones/{number}/behaviour", controlled(self.behave)),
        ]

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Call a company's number as a customer; answers at once with the call's SID.

        Without a `voice_url` at the number nobody answers and the call is `failed`.
        """
        fields = await Fields.of(request)
        account_sid = fields.optional_text("account_sid")
        caller, called = fields.text("from"), fields.text("to")
        fields.finish()
        number = self._exchange.world.numbers.get(addresses.e164(called) or called)
        if number is None or account_sid not in {None, number.account_sid} or not number.voice:
            raise NotHereError("no such number for calls in this account")
        settings = number.settings
        call = self._exchange.calls.add(
            number.account_sid,
            addresses.e164(caller) or caller,
            number.phone_number,
            "inbound",
            progress=Progress(
                url=settings.get("status_callback", ""), method=settings.get("status_callback_method", "POST")
            ),
        )
        self._line.choose_fault(call)
        self._exchange.world.changed()
        source = Source(
            url=settings.get("voice_url", ""),
            method=settings.get("voice_method", "POST"),
            fallback_url=settings.get("voice_fallback_url", ""),
            fallback_method=settings.get("voice_fallback_method", "POST"),
        )
        if source.url:
            self._scripts.start(call, source, ring=False)
        else:
            self._line.end(call, "failed")
        return web.json_response({"call_sid": call.sid, "account_sid": call.account_sid}, status=201)

    async def list_calls(self, request: web.Request) -> web.StreamResponse:
        """The newest legs of all accounts, newest first, with their recordings."""
        newest = sorted(self._exchange.calls.calls.values(), key=lambda call: call.serial, reverse=True)[:_SHOWN]
        return web.json_response({"calls": [self._json(call) for call in newest]})

    async def show_creates(self, request: web.Request) -> web.StreamResponse:
        """What arrived and what was accepted, by the caller's call id; `over=1` shows only the doubles."""
        return web.json_response(creates_report(request, self._exchange.call_creates, "call_id"))

    async def hang_up(self, request: web.Request) -> web.StreamResponse:
        """Hang up one leg, as the person at its phone."""
        call = self._exchange.calls.calls.get(request.match_info["sid"])
        if call is None:
            raise NotHereError("no such call")
        answered = call.start_time is not None
        self._line.end(call, "completed" if answered else "canceled" if call.direction == "inbound" else "busy")
        return web.json_response(self._json(call))

    async def behave(self, request: web.Request) -> web.StreamResponse:
        """Decide how the person at a number behaves from now on; what is not given is as for everybody."""
        fields = await Fields.of(request)
        number = addresses.e164(request.match_info["number"]) or request.match_info["number"]
        manners = Manners(
            answer_after=fields.optional_number("answer_after", high=600),
            busy=fields.flag("busy"),
            no_answer=fields.flag("no_answer"),
            hang_up_after=fields.optional_number("hang_up_after"),
            leave_voicemail=fields.optional_number("leave_voicemail", high=600),
            press=fields.optional_text("press"),
            speak=fields.optional_text("speak") or "",
        )
        fields.finish()
        self._exchange.calls.manners[number] = manners
        return web.json_response({"number": number} | manners.as_json())

    def _json(self, call: Call) -> dict[str, object]:
        person = call.caller if call.direction == "inbound" else call.called
        return {
            "sid": call.sid,
            "account_sid": call.account_sid,
            "parent_sid": call.parent_sid or None,
            "direction": call.direction,
            "from": call.caller,
            "to": call.called,
            "status": call.status,
            "duration": call.duration,
            "said": self._exchange.calls.manners_of(person).speak if call.start_time is not None else "",
            "recordings": [
                {"sid": item.sid, "status": item.status, "seconds": item.seconds, "source": item.source}
                for item in call.recordings
            ],
        }
