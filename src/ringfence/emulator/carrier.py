"""The life of an outbound message after it was accepted: sending, sent, its end, its callbacks, its price."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

from ringfence.emulator import addresses
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.renders import API_VERSION
from ringfence.emulator.webhooks import Webhook, WebhookSender
from ringfence.emulator.world import Message, Outcome
from ringfence.kit.clock import utc_now

LATE_SECONDS = 5.0
"""How late a callback is with `callback_late` when the fault names no time."""

# Codes with which a message fails before it leaves Twilio; the others are refused by carrier or handset.
_FAILED_CODES = frozenset({11200, 11751, 12300, 21610, 30001, 30002, 30036, 30037, 30450})
_DEFAULT_CODES: dict[Outcome, int] = {"undelivered": 30003, "failed": 30008}

_NORTH_AMERICA = frozenset({"US", "CA"})
_SEGMENT_PRICE = Decimal("0.00750")
_MEDIA_PRICE = Decimal("0.02000")
_ABROAD_PRICE = Decimal("0.05000")


class Carrier:
    """Moves messages from state to state and reports each change to the message's status callback."""

    def __init__(self, exchange: Exchange, sender: WebhookSender) -> None:
        self._exchange = exchange
        self._sender = sender
        self.on_delivered: Callable[[Message], None] = _ignore

    def launch(self, message: Message) -> asyncio.Future[None] | None:
        """Start the life of an accepted message.

        With the fault `callback_early` the message is sent at once, and the future is done when its first
        callback has been delivered.
        """
        exchange = self._exchange
        numbers = (message.sender, message.recipient)
        fault = exchange.faults.fire("callback", "create", message.account_sid, numbers)
        if fault is not None:
            message.callback_fault = fault.kind
            message.callback_fault_seconds = fault.delay_seconds or LATE_SECONDS
        outcome, code = self._outcome(message)
        if message.callback_fault == "callback_early":
            first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._sent(message, outcome, code, first)
            return first
        delay = exchange.behaviour.sent_delay.draw(exchange.rng)
        exchange.timeline.after(delay / 2, lambda: self._move(message, "sending"))
        exchange.timeline.after(delay, lambda: self._sent(message, outcome, code, None))
        return None

    def fail(self, message: Message, code: int) -> None:
        """End a message that could not be sent at all."""
        self._end(message, "failed", code)

    def settle(self, message: Message) -> None:
        """Give a finished message its price after a while; what never left Twilio costs nothing."""
        if message.status == "failed":
            return
        exchange = self._exchange
        delay = exchange.behaviour.price_delay.draw(exchange.rng)
        exchange.timeline.after(delay, lambda: self._charge(message))

    def _outcome(self, message: Message) -> tuple[Outcome, int | None]:
        fault = self._exchange.faults.fire(
            "outcome", "create", message.account_sid, (message.sender, message.recipient)
        )
        if fault is not None:
            code = int(fault.kind)
            return ("failed" if code in _FAILED_CODES else "undelivered"), code
        outcome, code = self._exchange.world.outcomes.get(message.recipient, ("delivered", None))
        return outcome, code or _DEFAULT_CODES.get(outcome)

    def _move(self, message: Message, status: str) -> None:
        message.status = status
        message.date_updated = utc_now()
        self._exchange.world.changed()

    def _sent(self, message: Message, outcome: Outcome, code: int | None, first: asyncio.Future[None] | None) -> None:
        if outcome == "failed":
            self._end(message, "failed", code, first)
            return
        message.date_sent = utc_now()
        self._move(message, "sent")
        if outcome == "sent_only":
            self._finish(message)
        held = message.callback_fault == "callback_reorder" and outcome != "sent_only"
        if not held:
            self._report(message, "sent", first)
        if outcome != "sent_only":
            exchange = self._exchange
            delay = exchange.behaviour.delivered_delay.draw(exchange.rng)
            exchange.timeline.after(delay, lambda: self._end(message, outcome, code))

    def _end(self, message: Message, status: str, code: int | None, first: asyncio.Future[None] | None = None) -> None:
        message.error_code = code
        self._move(message, status)
        self._finish(message)
        self._report(message, status, first)
        if status == "delivered":
            self.on_delivered(message)

    def _finish(self, message: Message) -> None:
        message.final = True
        self.settle(message)

    def _charge(self, message: Message) -> None:
        customer = message.sender if message.direction == "inbound" else message.recipient
        abroad = addresses.country(customer) not in _NORTH_AMERICA
        per_segment = _ABROAD_PRICE if abroad else _SEGMENT_PRICE
        cost = _MEDIA_PRICE if message.num_media else per_segment * message.num_segments
        message.price = -cost
        message.date_updated = utc_now()
        account = self._exchange.world.accounts[message.account_sid]
        self._exchange.world.accounts[account.owner_sid].balance -= cost

    def _report(self, message: Message, status: str, first: asyncio.Future[None] | None) -> None:
        """Send the status callback for one state, bent by the message's callback fault."""
        fault = message.callback_fault
        dropped = fault == "callback_drop" or (fault == "callback_missing_final" and message.final)
        if not message.status_callback or dropped:
            if first is not None:
                _resolve(first)
            return
        webhook = self._webhook(message, status)
        if first is not None:
            self._sender.post(webhook, lambda _: _resolve(first))
            return
        exchange = self._exchange
        delay = exchange.behaviour.callback_delay.draw(exchange.rng)
        if fault == "callback_late":
            delay += message.callback_fault_seconds
        late = None
        if fault == "callback_reorder" and message.final and message.date_sent is not None and status != "sent":
            late = self._webhook(message, "sent")
        exchange.timeline.after(
            delay, lambda: self._sender.post(webhook, lambda _: self._sender.post(late) if late else None)
        )
        if fault == "callback_contradiction" and message.final:
            opposite = self._webhook(message, "undelivered" if status == "delivered" else "delivered")
            exchange.timeline.after(delay, lambda: self._sender.post(opposite))
        if fault == "callback_duplicate":
            again = self._webhook(message, status)
            exchange.timeline.after(delay, lambda: self._sender.post(webhook))
            exchange.timeline.after(delay, lambda: self._sender.post(again))

    def _webhook(self, message: Message, status: str) -> Webhook:
        exchange = self._exchange
        account = exchange.world.accounts[message.account_sid]
        account_sid = account.sid
        if message.callback_fault == "callback_foreign_account":
            others = (sid for sid in exchange.world.accounts if sid != account_sid)
            account_sid = next(others, None) or exchange.sids.sid("AC")
        parameters = {
            "AccountSid": account_sid,
            "ApiVersion": API_VERSION,
            "From": message.sender,
            "MessageSid": message.sid,
            "MessageStatus": status,
            "SmsSid": message.sid,
            "SmsStatus": status,
            "To": message.recipient,
        }
        if status in {"failed", "undelivered"} and message.error_code is not None:
            parameters["ErrorCode"] = str(message.error_code)
        if status in {"delivered", "undelivered"}:
            parameters["RawDlrDoneDate"] = utc_now().strftime("%y%m%d%H%M")
        return Webhook(
            kind="status",
            account_sid=account.sid,
            message_sid=message.sid,
            url=message.status_callback,
            parameters=parameters,
            auth_token=account.auth_token,
            idempotency_token=exchange.sids.uuid(),
            bad_signature=message.callback_fault == "callback_bad_signature",
        )


def _ignore(_: Message) -> None:
    pass


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
