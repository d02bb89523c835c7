"""Making outbound messages: what a create request must satisfy, and what exists afterwards."""

import asyncio
from collections.abc import Collection
from typing import Literal

from ringfence.emulator import addresses
from ringfence.emulator.carrier import Carrier
from ringfence.emulator.errors import TwilioError
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.fetch import MAX_MEDIA_BYTES, Fetched, FetchError, fetch
from ringfence.emulator.form import Form
from ringfence.emulator.targets import read_target, usable_callback
from ringfence.emulator.webhooks import WebhookSender
from ringfence.emulator.world import Account, Message
from ringfence.kit.clock import monotonic_seconds, utc_now
from ringfence.kit.segments import count_segments

LIST_DELAY_SECONDS = 5.0
MAX_BODY_UNITS = 1600
MAX_MEDIA = 10

# Twilio's test numbers (https://www.twilio.com/docs/iam/test-credentials), honoured in every account.
_MAGIC_SENDERS = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}
_MAGIC_RECIPIENTS = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}

Direction = Literal["outbound-api", "outbound-reply"]


class Outbound:
    """Accepts messages and hands them to the carrier."""

    def __init__(self, exchange: Exchange, carrier: Carrier, sender: WebhookSender, allowed: Collection[str]) -> None:
        self._exchange = exchange
        self._carrier = carrier
        self._sender = sender
        self._allowed = allowed

    def accept(self, account: Account, form: Form) -> Message:
        """Check a create request and make the message. Raises TwilioError; then nothing was created."""
        sender, recipient = self._route(account, form)
        body, media_urls = _content(form)
        callback = form.get("StatusCallback")
        if callback and not usable_callback(callback):
            raise TwilioError(21609)
        validity = form.get("ValidityPeriod")
        if validity and not (validity.isascii() and validity.isdigit() and 1 <= int(validity) <= 36000):
            raise TwilioError(21624)
        if form.get("ScheduleType") or form.get("SendAt"):
            raise TwilioError(35118)
        if (sender, recipient) in self._exchange.world.opt_outs:
            raise TwilioError(21610)
        message = self._make(account, sender, recipient, body, "outbound-api", media=len(media_urls), callback=callback)
        delay = self._exchange.faults.fire("list", "create", account.sid, (sender, recipient))
        if delay is not None:
            message.visible_at = monotonic_seconds() + (delay.delay_seconds or LIST_DELAY_SECONDS)
        return message

    def launch(self, message: Message, media_urls: list[str]) -> asyncio.Future[None] | None:
        """Start sending; see `Carrier.launch`. Media are fetched first, in the background."""
        if not media_urls:
            return self._carrier.launch(message)
        self._exchange.spawn(self._fetch_and_launch(message, media_urls))
        return None

    def reply(
        self,
        account: Account,
        sender: str,
        recipient: str,
        body: str,
        *,
        media_urls: list[str] | None = None,
        callback: str = "",
        despite_opt_out: bool = False,
    ) -> Message | None:
        """Send an `outbound-reply` (TwiML, or Twilio's own answer to a keyword); None if the pair is blocked."""
        if (sender, recipient) in self._exchange.world.opt_outs and not despite_opt_out:
            return None
        media = media_urls or []
        message = self._make(account, sender, recipient, body, "outbound-reply", media=len(media), callback=callback)
        self.launch(message, media)
        return message

    def _make(
        self,
        account: Account,
        sender: str,
        recipient: str,
        body: str,
        direction: Direction,
        *,
        media: int,
        callback: str,
    ) -> Message:
        exchange = self._exchange
        now = utc_now()
        message = Message(
            sid=exchange.sids.sid("MM" if media else "SM"),
            serial=exchange.world.next_serial(),
            account_sid=account.sid,
            sender=sender,
            recipient=recipient,
            body=body,
            direction=direction,
            status="queued",
            num_segments=max(1, count_segments(body).segments),
            date_created=now,
            date_updated=now,
            num_media=media,
            status_callback=callback,
        )
        exchange.world.add_message(account, message)
        return message

    async def _fetch_and_launch(self, message: Message, media_urls: list[str]) -> None:
        try:
            for fetched in await self._fetch(media_urls):
                self._exchange.world.add_media(message, fetched.content_type, fetched.content)
        except FetchError as error:
            self._carrier.fail(message, error.code)
        else:
            self._carrier.launch(message)

    async def _fetch(self, media_urls: list[str]) -> list[Fetched]:
        found = [await fetch(self._sender.session, url, self._allowed) for url in media_urls]
        if sum(len(fetched.content) for fetched in found) > MAX_MEDIA_BYTES:
            raise FetchError(11751, "the media files together are larger than 5 MB")
        return found

    def _route(self, account: Account, form: Form) -> tuple[str, str]:
        """The E.164 sender and recipient."""
        to, sender_text = form.get("To"), form.get("From")
        if not to:
            raise TwilioError(21604)
        if form.get("MessagingServiceSid"):
            raise TwilioError(21701)
        if not sender_text:
            raise TwilioError(21603)
        sender, recipient = addresses.e164(sender_text), addresses.e164(to)
        if recipient is None:
            raise TwilioError(21211)
        if sender is None:
            raise TwilioError(21212)
        refusal = _MAGIC_SENDERS.get(sender) or _MAGIC_RECIPIENTS.get(recipient)
        if refusal is not None:
            raise TwilioError(refusal)
        if sender != addresses.SUCCESS_NUMBER:
            self._check_sender(account, sender, with_media=bool(form.all("MediaUrl")))
        return sender, recipient

    def _check_sender(self, account: Account, sender: str, *, with_media: bool) -> None:
        number = self._exchange.world.numbers.get(sender)
        if number is None:
            raise TwilioError(21659)
        if number.account_sid != account.sid:
            raise TwilioError(21660)
        if not (number.mms if with_media else number.sms):
            raise TwilioError(21606)


def _content(form: Form) -> tuple[str, list[str]]:
    body, media_urls = form.get("Body"), form.all("MediaUrl")
    if not body and not media_urls:
        raise TwilioError(21602)
    if len(body.encode("utf-16-le")) // 2 > MAX_BODY_UNITS:
        raise TwilioError(21617)
    if len(media_urls) > MAX_MEDIA:
        raise TwilioError(21623)
    for url in media_urls:
        try:
            read_target(url)
        except ValueError:
            raise TwilioError(21620) from None
    return body, media_urls
