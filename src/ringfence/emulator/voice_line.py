"""The states of calls: ringing, answering and ending a leg, each change told to who asked for it."""

import asyncio
from decimal import Decimal
from email.utils import format_datetime

from ringfence.emulator import addresses
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.renders import API_VERSION
from ringfence.emulator.voice_book import Call, Recording
from ringfence.emulator.webhooks import Webhook, WebhookSender
from ringfence.kit.clock import utc_now

LATE_SECONDS = 5.0
"""How late a callback is with `callback_late` when the fault names no time."""

_MINUTE_PRICE = Decimal("0.01400")
_EVENTS = {"initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}


class Line:
    """Moves legs from state to state. The end of a leg ends the legs it made."""

    def __init__(self, exchange: Exchange, sender: WebhookSender) -> None:
        self._exchange = exchange
        self._sender = sender

    def choose_fault(self, call: Call) -> None:
        """Let a callback fault that is switched on take hold of a new leg."""
        fault = self._exchange.faults.fire("callback", "call", call.account_sid, (call.caller, call.called))
        if fault is not None:
            call.callback_fault = fault.kind
            call.callback_fault_seconds = fault.delay_seconds or LATE_SECONDS

    async def ring(self, call: Call) -> bool:
        """Ring the phone of a leg until it is answered or the leg has ended; whether it was answered."""
        exchange = self._exchange
        manners = exchange.calls.manners_of(call.called)
        if await self.wait(call, exchange.behaviour.dial_delay.draw(exchange.rng)):
            return False
        self._move(call, "initiated")
        if await self.wait(call, exchange.behaviour.dial_delay.draw(exchange.rng)):
            return False
        if manners.busy:
            self.end(call, "busy")
            return False
        self._move(call, "ringing")
        after = manners.answer_after
        patience = exchange.behaviour.answer_delay.draw(exchange.rng) if after is None else after
        unanswered = manners.no_answer or patience > call.timeout
        if await self.wait(call, call.timeout if unanswered else patience):
            return False
        if unanswered:
            self.end(call, "no-answer")
            return False
        self.answer(call)
        return True

    def answer(self, call: Call) -> None:
        """Note that a leg is answered, and plan when its phone hangs up."""
        if call.finished or call.start_time is not None:
            return
        exchange = self._exchange
        call.start_time = utc_now()
        self._move(call, "in-progress")
        person = call.caller if call.direction == "inbound" else call.called
        hang_up = exchange.calls.manners_of(person).hang_up_after
        if hang_up is None and call.direction == "outbound-dial":
            hang_up = exchange.behaviour.talk_time.draw(exchange.rng)
        if hang_up is not None:
            exchange.timeline.after(hang_up, lambda: self.end(call, "completed"))

    def end(self, call: Call, status: str) -> None:
        """End a leg, once; and with it every leg that it made."""
        if call.finished:
            return
        call.end_time = utc_now()
        self._move(call, status)
        call.ended.set()
        self.end_children(call)
        if call.duration:
            delay = self._exchange.behaviour.price_delay.draw(self._exchange.rng)
            self._exchange.timeline.after(delay, lambda: self._charge(call))

    def end_children(self, call: Call) -> None:
        """End the legs that a leg has made: who talked has `completed`, whose phone rang is `canceled`."""
        for child in call.children:
            self.end(child, "completed" if child.start_time is not None else "canceled")

    async def wait(self, call: Call, seconds: float) -> bool:
        """Let time pass; whether the leg ended meanwhile."""
        if not call.finished and seconds > 0:
            try:
                await asyncio.wait_for(call.ended.wait(), seconds)
            except TimeoutError:
                return False
        return call.finished

    def parameters(self, call: Call) -> dict[str, str]:
        """What every request about a leg says."""
        shown = call.status if call.status != "queued" or call.direction == "inbound" else "initiated"
        values = {
            "AccountSid": call.account_sid,
            "ApiVersion": API_VERSION,
            "CallSid": call.sid,
            "CallStatus": shown,
            "Called": call.called,
            "Caller": call.caller,
            "Direction": call.direction,
            "From": call.caller,
            "To": call.called,
        }
        if call.parent_sid:
            values["ParentCallSid"] = call.parent_sid
        for side, number in (("From", call.caller), ("To", call.called)):
            values[f"{side}Country"] = addresses.country(number)
            # Twilio often does not know the place, and then sends the parameters empty.
            values |= {f"{side}{part}": "" for part in ("City", "State", "Zip")}
        return values

    def finish_recording(self, call: Call, recording: Recording, url: str, method: str) -> None:
        """After a while the recording is complete and can be fetched; then `url` is told, if there is one."""
        exchange = self._exchange

        def complete() -> None:
            recording.status, recording.date_updated = "completed", utc_now()
            exchange.world.changed()
            if url:
                self._sender.post(self._recording_webhook(call, recording, url, method))

        exchange.timeline.after(exchange.behaviour.recording_delay.draw(exchange.rng), complete)

    def _recording_webhook(self, call: Call, recording: Recording, url: str, method: str) -> Webhook:
        path = f"/2010-04-01/Accounts/{recording.account_sid}/Recordings/{recording.sid}"
        parameters = {
            "AccountSid": recording.account_sid,
            "ApiVersion": API_VERSION,
            "CallSid": call.sid,
            "RecordingChannels": str(recording.channels),
            "RecordingDuration": str(recording.seconds),
            "RecordingSid": recording.sid,
            "RecordingSource": recording.source,
            "RecordingStartTime": format_datetime(recording.date_created),
            "RecordingStatus": recording.status,
            "RecordingTrack": "both",
            "RecordingUrl": f"{self._exchange.base_url}{path}",
        }
        return self._webhook(call, "recording-status", url, method, parameters)

    def _charge(self, call: Call) -> None:
        minutes = -(-(call.duration or 0) // 60)
        call.price = -_MINUTE_PRICE * minutes
        account = self._exchange.world.accounts[call.account_sid]
        self._exchange.world.accounts[account.owner_sid].balance += call.price

    def _move(self, call: Call, status: str) -> None:
        # A callback says `initiated`; the resource has no such state and stays `queued`.
        if status != "initiated":
            call.status = status
        call.date_updated = utc_now()
        self._exchange.world.changed()
        if call.progress.url and _EVENTS.get(status, "completed") in call.progress.events:
            self._report(call, status)

    def _report(self, call: Call, status: str) -> None:
        parameters = self.parameters(call) | {
            "CallStatus": status,
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(call.sequence),
            "Timestamp": format_datetime(utc_now()),
        }
        call.sequence += 1
        if call.finished:
            parameters["CallDuration"] = str(call.duration or 0)
            # Twilio bills and reports begun minutes here.
            parameters["Duration"] = str(-(-(call.duration or 0) // 60))
        fault = call.callback_fault
        if fault == "callback_drop":
            return
        if fault == "callback_reorder" and not call.finished:
            call.held.append(parameters)
            return
        exchange = self._exchange
        delay = exchange.behaviour.callback_delay.draw(exchange.rng)
        delay += call.callback_fault_seconds if fault == "callback_late" else 0.0
        times = 2 if fault == "callback_duplicate" else 1
        # With `callback_reorder` the last state comes first and the earlier ones follow, newest first.
        for late in (*[parameters] * times, *reversed(call.held)):
            webhook = self._webhook(call, "call-status", call.progress.url, call.progress.method, late)
            exchange.timeline.after(delay, lambda webhook=webhook: self._sender.post(webhook))
            delay += 0.02 if call.held else 0.0

    def _webhook(self, call: Call, kind: str, url: str, method: str, parameters: dict[str, str]) -> Webhook:
        exchange = self._exchange
        account = exchange.world.accounts[call.account_sid]
        if call.callback_fault == "callback_foreign_account":
            others = (sid for sid in exchange.world.accounts if sid != account.sid)
            parameters = parameters | {"AccountSid": next(others, None) or exchange.sids.sid("AC")}
        return Webhook(
            kind="call-status" if kind == "call-status" else "recording-status",
            account_sid=account.sid,
            call_sid=call.sid,
            url=url,
            method=method,
            parameters=parameters,
            auth_token=account.auth_token,
            idempotency_token=exchange.sids.uuid(),
            bad_signature=call.callback_fault == "callback_bad_signature",
        )
