"""Performs TwiML for one leg: asks the application, does what it says, asks again where it is told to."""

import asyncio
from urllib.parse import urljoin

from ringfence.emulator import addresses
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.targets import usable_callback
from ringfence.emulator.twiml import TwimlError
from ringfence.emulator.voice_book import EVENTS, Call, Progress, Source
from ringfence.emulator.voice_line import Line
from ringfence.emulator.voice_twiml import Verb, read_document, read_voice
from ringfence.emulator.webhooks import Webhook, WebhookSender
from ringfence.kit.clock import monotonic_seconds

MAX_DOCUMENTS = 50
MAX_NUMBERS = 10
_SHORT_MESSAGE_SECONDS = 2.0
_SILENT = frozenset({"Reject", "Redirect", "Hangup"})
"""Verbs that do not answer an inbound call by themselves."""


class Scripts:
    """Runs the TwiML of legs, each in a task of its own."""

    def __init__(self, exchange: Exchange, line: Line, sender: WebhookSender) -> None:
        self._exchange = exchange
        self._line = line
        self._sender = sender

    def start(self, call: Call, source: Source, *, ring: bool) -> None:
        """Ring the leg's phone first if asked to, then perform `source`; the leg ends with its TwiML."""
        call.script = self._exchange.spawn(self._live(call, source, ring=ring))

    def redirect(self, call: Call, source: Source) -> None:
        """Drop what a leg is doing, its children included, and perform something else."""
        if call.script is not None:
            call.script.cancel()
        self._line.end_children(call)
        self.start(call, source, ring=False)

    async def _live(self, call: Call, source: Source, *, ring: bool) -> None:
        if ring and not await self._line.ring(call):
            return
        await self._run(call, source)
        self._line.end(call, "completed")

    async def _run(self, call: Call, source: Source) -> None:
        following: Source | None = source
        for _ in range(MAX_DOCUMENTS):
            if following is None:
                return
            verbs = await self._document(call, following)
            if call.finished:
                return
            following = await self._perform(call, verbs, following.url)

    async def _document(self, call: Call, source: Source) -> list[Verb]:
        """The verbs at a source; none if neither it nor its fallback answers with TwiML."""
        if source.twiml:
            try:
                return read_document(source.twiml.encode())
            except TwimlError:
                return []
        verbs, error = await self._ask(call, source.url, source.method, source.parameters, kind="voice")
        if error is not None and source.fallback_url:
            parameters = source.parameters | {"ErrorCode": str(error), "ErrorUrl": source.url}
            verbs, _ = await self._ask(
                call, source.fallback_url, source.fallback_method, parameters, kind="voice-fallback"
            )
        return verbs

    async def _ask(
        self, call: Call, url: str, method: str, parameters: dict[str, str], *, kind: str
    ) -> tuple[list[Verb], int | None]:
        account = self._exchange.world.accounts[call.account_sid]
        delivery = await self._sender.deliver(
            Webhook(
                kind="voice" if kind == "voice" else "voice-fallback",
                account_sid=account.sid,
                call_sid=call.sid,
                url=url,
                method=method,
                parameters=self._line.parameters(call) | parameters,
                auth_token=account.auth_token,
                idempotency_token=self._exchange.sids.uuid(),
            )
        )
        if delivery.failed:
            return [], delivery.error_code
        try:
            return read_voice(delivery.content_type, delivery.body), None
        except TwimlError as error:
            return [], error.code

    async def _perform(self, call: Call, verbs: list[Verb], base: str) -> Source | None:
        """Do what the verbs say, in order; where to go on, or None when the document has run out."""
        for verb in verbs:
            if call.finished:
                return None
            bridged_only = verb.name == "Dial" and verb.flag("answerOnBridge")
            if verb.name not in _SILENT and not bridged_only:
                self._line.answer(call)
            following = await self._one(call, verb, base)
            if following is not None:
                return following
        return None

    async def _one(self, call: Call, verb: Verb, base: str) -> Source | None:
        exchange, line = self._exchange, self._line
        match verb.name:
            case "Say" | "Play":
                await line.wait(call, exchange.behaviour.say_time.draw(exchange.rng))
            case "Pause":
                await line.wait(call, verb.seconds("length", 1))
            case "Hangup":
                line.end(call, "completed")
            case "Reject":
                line.end(call, "busy" if verb.get("reason") == "busy" else "no-answer")
            case "Redirect":
                return Source(url=urljoin(base, verb.text), method=verb.get("method", "POST").upper())
            case "Gather":
                return await self._gather(call, verb, base)
            case "Record":
                return await self._record(call, verb, base)
            case "Dial":
                return await self._dial(call, verb, base)
            case _:
                # Twilio warns about a verb it does not know and goes on.
                pass
        return None

    async def _gather(self, call: Call, verb: Verb, base: str) -> Source | None:
        await self._perform(call, verb.children, base)
        person = call.caller if call.direction == "inbound" else call.called
        pressed = self._exchange.calls.manners_of(person).press
        if pressed is None:
            await self._line.wait(call, verb.seconds("timeout", 5))
            return None
        return self._action(verb, base, {"Digits": pressed, "FinishedOnKey": ""}, always=True)

    async def _record(self, call: Call, verb: Verb, base: str) -> Source | None:
        manners = self._exchange.calls.manners_of(call.caller if call.direction == "inbound" else call.called)
        message = _SHORT_MESSAGE_SECONDS if manners.leave_voicemail is None else manners.leave_voicemail
        if message == 0:
            # Nothing was said after the beep: there is no recording, and nobody left to ask what comes next.
            self._line.end(call, "completed")
            return None
        seconds = min(message, verb.seconds("maxLength", 3600))
        await self._line.wait(call, seconds)
        recording = self._exchange.calls.record(call, "RecordVerb", seconds=seconds, channels=1)
        self._watch(call, verb, base, recording.sid)
        path = f"/2010-04-01/Accounts/{call.account_sid}/Recordings/{recording.sid}"
        said = {
            "Digits": "hangup" if message <= seconds else "",
            "RecordingDuration": str(recording.seconds),
            "RecordingSid": recording.sid,
            "RecordingUrl": f"{self._exchange.base_url}{path}",
        }
        action = self._action(verb, base, said, always=True)
        if message > seconds and not call.finished:
            return action
        # The caller hangs up after the last word; the application is told all the same, and its answer unheard.
        self._line.end(call, "completed")
        if action is not None:
            await self._ask(call, action.url, action.method, action.parameters, kind="voice")
        return None

    async def _dial(self, call: Call, verb: Verb, base: str) -> Source | None:
        nouns = _nouns(verb)[:MAX_NUMBERS]
        ring = self._ring_in_order if verb.flag("sequential") else self._ring_together
        won, last = await ring(call, verb, nouns, base)
        parameters = {"DialCallStatus": "failed", "DialBridged": "false"}
        if won is not None:
            parameters |= await self._bridge(call, won, verb, base)
        if last is not None:
            parameters |= {"DialCallSid": last.sid, "DialCallStatus": last.status}
            parameters["DialCallDuration"] = str(last.duration or 0)
        action = self._action(verb, base, parameters, always=False)
        if action is not None and call.finished:
            # Asked even when the caller is gone; nobody hears the answer.
            await self._ask(call, action.url, action.method, action.parameters, kind="voice")
            return None
        return action

    async def _ring_in_order(
        self, call: Call, verb: Verb, nouns: list[Verb], base: str
    ) -> tuple[Call | None, Call | None]:
        """Ring one number after the other: the leg that answered, and the last one rung."""
        leg: Call | None = None
        for noun in nouns:
            if call.finished:
                break
            leg = self._leg(call, verb, noun, base)
            if await self._reach(call, leg, noun, base):
                return leg, leg
        return None, leg

    async def _ring_together(
        self, call: Call, verb: Verb, nouns: list[Verb], base: str
    ) -> tuple[Call | None, Call | None]:
        """Ring all numbers at once, the first one wins: the leg that answered, and the last one rung."""
        legs = [self._leg(call, verb, noun, base) for noun in nouns]
        won: asyncio.Future[Call] = asyncio.get_running_loop().create_future()

        async def reach(leg: Call, noun: Verb) -> None:
            if await self._reach(call, leg, noun, base) and not won.done():
                won.set_result(leg)
                for other in legs:
                    if other is not leg:
                        self._line.end(other, "canceled" if other.start_time is None else "completed")

        await asyncio.gather(*(reach(leg, noun) for leg, noun in zip(legs, nouns, strict=True)))
        if won.done():
            return won.result(), won.result()
        return None, legs[-1] if legs else None

    async def _reach(self, call: Call, leg: Call, noun: Verb, base: str) -> bool:
        """Ring one leg and let it hear its own TwiML; whether it is ready to be connected."""
        if not self._may_show(call, leg.caller):
            self._line.end(leg, "failed")
            return False
        if not await self._line.ring(leg):
            return False
        if noun.get("url"):
            await self._run(leg, Source(url=urljoin(base, noun.get("url"))))
        return not leg.finished

    def _leg(self, call: Call, verb: Verb, noun: Verb, base: str) -> Call:
        url = noun.get("statusCallback")
        events = frozenset(noun.get("statusCallbackEvent", "completed").split()) & EVENTS
        progress = Progress(
            url=urljoin(base, url) if url and usable_callback(urljoin(base, url)) else "",
            method=noun.get("statusCallbackMethod", "POST").upper(),
            events=events or frozenset({"completed"}),
        )
        leg = self._exchange.calls.add(
            call.account_sid,
            _number(verb.get("callerId") or call.caller),
            _number(noun.text),
            "outbound-dial",
            progress=progress,
            parent=call,
            timeout_seconds=verb.seconds("timeout", 30),
        )
        self._line.choose_fault(leg)
        return leg

    def _may_show(self, call: Call, caller_id: str) -> bool:
        """Whether a number may be shown as caller: the account's own, or that of the person who called in."""
        number = self._exchange.world.numbers.get(caller_id)
        own = number is not None and number.account_sid == call.account_sid and number.voice
        return own or (call.direction == "inbound" and caller_id == call.caller)

    async def _bridge(self, call: Call, leg: Call, verb: Verb, base: str) -> dict[str, str]:
        """Let two people talk until one hangs up or the time is over; what the `action` is told about it."""
        self._line.answer(call)
        started = monotonic_seconds()
        await self._line.wait(leg, verb.seconds("timeLimit", 14400))
        self._line.end(leg, "completed")
        said = {"DialBridged": "true"}
        if verb.get("record", "do-not-record") not in {"do-not-record", "false", ""}:
            channels = 2 if verb.get("record").endswith("-dual") else 1
            recording = self._exchange.calls.record(
                call, "DialVerb", seconds=monotonic_seconds() - started, channels=channels
            )
            self._watch(call, verb, base, recording.sid)
            path = f"/2010-04-01/Accounts/{call.account_sid}/Recordings/{recording.sid}"
            said |= {"RecordingSid": recording.sid, "RecordingUrl": f"{self._exchange.base_url}{path}"}
        return said

    def _watch(self, call: Call, verb: Verb, base: str, recording_sid: str) -> None:
        url = verb.get("recordingStatusCallback")
        method = verb.get("recordingStatusCallbackMethod", "POST").upper()
        recording = self._exchange.calls.recordings[recording_sid]
        self._line.finish_recording(call, recording, urljoin(base, url) if url else "", method)

    def _action(self, verb: Verb, base: str, parameters: dict[str, str], *, always: bool) -> Source | None:
        """Where a verb goes on; without `action` that is the same document for <Record> and <Gather> (`always`)."""
        action = verb.get("action")
        if not action and not (always and base):
            return None
        method = verb.get("method", "POST").upper()
        return Source(url=urljoin(base, action) if action else base, method=method, parameters=parameters)


def _nouns(verb: Verb) -> list[Verb]:
    numbers = [child for child in verb.children if child.name == "Number" and child.text]
    return numbers or ([Verb("Number", text=verb.text)] if verb.text else [])


def _number(text: str) -> str:
    return addresses.e164(text.strip()) or text.strip()
