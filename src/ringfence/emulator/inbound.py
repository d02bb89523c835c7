"""Texts from customers: filed, then told to the application, whose answer may send something back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin

from ringfence.emulator import addresses
from ringfence.emulator.carrier import Carrier
from ringfence.emulator.consent import Wish, apply_wish, wish_of
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.fetch import Fetched
from ringfence.emulator.outbound import Outbound
from ringfence.emulator.renders import API_VERSION, media_path
from ringfence.emulator.targets import usable_callback
from ringfence.emulator.twiml import Instructions, TwimlError, read_answer
from ringfence.emulator.webhooks import Delivery, Webhook, WebhookSender
from ringfence.emulator.world import Account, Message, Number
from ringfence.kit.clock import utc_now
from ringfence.kit.segments import count_segments

_MAX_REDIRECTS = 5


@dataclass(slots=True)
class Answered:
    """What came of telling the application: each request in order, and the SIDs of the replies it asked for."""

    requests: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    replies: list[str] = field(default_factory=list[str])


class Inbound:
    """Receives texts for the numbers of the exchange."""

    def __init__(self, exchange: Exchange, carrier: Carrier, outbound: Outbound, sender: WebhookSender) -> None:
        self._exchange = exchange
        self._carrier = carrier
        self._outbound = outbound
        self._sender = sender
        carrier.on_delivered = self._hand_over

    def receive(
        self,
        number: Number,
        customer: str,
        body: str,
        media: Sequence[Fetched] = (),
        *,
        wish: Wish | None = None,
    ) -> Message:
        """File a text from `customer` to `number`; keywords take effect, and Twilio's own answer goes out.

        `wish` is what Advanced Opt-Out would have found in the text; without it the default keywords decide.
        """
        exchange = self._exchange
        account = exchange.world.accounts[number.account_sid]
        now = utc_now()
        message = Message(
            sid=exchange.sids.sid("MM" if media else "SM"),
            serial=exchange.world.next_serial(),
            account_sid=account.sid,
            sender=customer,
            recipient=number.phone_number,
            body=body,
            direction="inbound",
            status="received",
            num_segments=max(1, count_segments(body).segments),
            date_created=now,
            date_updated=now,
            date_sent=now,
            num_media=len(media),
            final=True,
        )
        exchange.world.add_message(account, message)
        for item in media:
            exchange.world.add_media(message, item.content_type, item.content)
        self._carrier.settle(message)
        found = wish or wish_of(body)
        if found is not None:
            text = apply_wish(exchange.world.opt_outs, number.phone_number, customer, found)
            if text is not None:
                self._outbound.reply(account, number.phone_number, customer, text, despite_opt_out=True)
        return message

    async def tell(self, number: Number, message: Message, opt_out_type: Wish | None = None) -> Answered:
        """Tell the application about a received text, at the fallback address if the first one fails."""
        settings = number.settings
        parameters = self._parameters(message, opt_out_type)
        told = Answered()
        url = settings.get("sms_url", "")
        if not url:
            return told
        method = settings.get("sms_method", "POST")
        error = await self._ask(number, message, told, parameters, kind="inbound", url=url, method=method)
        fallback = settings.get("sms_fallback_url", "")
        if error is not None and fallback:
            parameters |= {"ErrorCode": str(error), "ErrorUrl": url}
            method = settings.get("sms_fallback_method", "POST")
            await self._ask(number, message, told, parameters, kind="inbound-fallback", url=fallback, method=method)
        return told

    def _hand_over(self, message: Message) -> None:
        # A text to a number that lives here arrives there too, as it would at Twilio.
        number = self._exchange.world.numbers.get(message.recipient)
        if number is not None:
            media = [
                Fetched(item.content_type, item.content) for item in self._exchange.world.media_of.get(message.sid, ())
            ]
            received = self.receive(number, message.sender, message.body, media)
            self._exchange.spawn(self._tell_quietly(number, received))

    async def _tell_quietly(self, number: Number, message: Message) -> None:
        await self.tell(number, message)

    async def _ask(
        self,
        number: Number,
        message: Message,
        told: Answered,
        parameters: dict[str, str],
        *,
        kind: str,
        url: str,
        method: str,
    ) -> int | None:
        """Ask one address and do what its TwiML says; the error code if that was not possible."""
        for _ in range(_MAX_REDIRECTS + 1):
            webhook = self._webhook(message, kind, url, method, parameters)
            delivery = await self._sender.deliver(webhook)
            told.requests.append(_request_json(webhook, delivery))
            if delivery.failed:
                return delivery.error_code
            try:
                instructions = read_answer(delivery.content_type, delivery.body)
            except TwimlError as error:
                told.requests[-1]["error"] = str(error)
                told.requests[-1]["error_code"] = error.code
                return error.code
            self._obey(number, message, url, instructions, told)
            if not instructions.redirect:
                return None
            url, method = urljoin(url, instructions.redirect), instructions.redirect_method
        return 11215

    def _obey(self, number: Number, message: Message, url: str, instructions: Instructions, told: Answered) -> None:
        exchange = self._exchange
        account = exchange.world.accounts[number.account_sid]
        for reply in instructions.replies:
            sender = self._own_number(account, reply.sender) or number.phone_number
            recipient = addresses.e164(reply.to) if reply.to else message.sender
            callback = urljoin(url, reply.status_callback) if reply.status_callback else ""
            if recipient is None or (callback and not usable_callback(callback)):
                continue
            media = [urljoin(url, item) for item in reply.media_urls]
            sent = self._outbound.reply(account, sender, recipient, reply.body, media_urls=media, callback=callback)
            if sent is not None:
                told.replies.append(sent.sid)

    def _own_number(self, account: Account, text: str) -> str | None:
        number = self._exchange.world.numbers.get(addresses.e164(text) or "") if text else None
        return number.phone_number if number and number.account_sid == account.sid else None

    def _webhook(self, message: Message, kind: str, url: str, method: str, parameters: dict[str, str]) -> Webhook:
        return Webhook(
            kind="inbound" if kind == "inbound" else "inbound-fallback",
            account_sid=message.account_sid,
            message_sid=message.sid,
            url=url,
            method=method,
            parameters=dict(parameters),
            auth_token=self._exchange.world.accounts[message.account_sid].auth_token,
            idempotency_token=self._exchange.sids.uuid(),
        )

    def _parameters(self, message: Message, opt_out_type: Wish | None) -> dict[str, str]:
        parameters = {
            "AccountSid": message.account_sid,
            "ApiVersion": API_VERSION,
            "Body": message.body,
            "From": message.sender,
            "MessageSid": message.sid,
            "NumMedia": str(message.num_media),
            "NumSegments": str(message.num_segments),
            "SmsMessageSid": message.sid,
            "SmsSid": message.sid,
            "SmsStatus": "received",
            "To": message.recipient,
        }
        for side, number in (("From", message.sender), ("To", message.recipient)):
            parameters[f"{side}Country"] = addresses.country(number)
            # Twilio often does not know the place, and then sends the parameters empty.
            parameters |= {f"{side}{part}": "" for part in ("City", "State", "Zip")}
        for index, media in enumerate(self._exchange.world.media_of.get(message.sid, ())):
            parameters[f"MediaUrl{index}"] = f"{self._exchange.base_url}{media_path(media)}"
            parameters[f"MediaContentType{index}"] = media.content_type
        if opt_out_type is not None:
            parameters["OptOutType"] = opt_out_type
        return parameters


def _request_json(webhook: Webhook, delivery: Delivery) -> dict[str, object]:
    return {
        "kind": webhook.kind,
        "url": webhook.url,
        "status": delivery.status,
        "duration_seconds": delivery.duration_seconds,
        "attempts": delivery.attempts,
        "error": delivery.error,
        "error_code": delivery.error_code,
    }
