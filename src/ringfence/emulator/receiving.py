"""Control requests that play a customer: send a text to a company, or replay one."""

from collections.abc import Collection
from typing import cast

from aiohttp import web

from ringfence.emulator import addresses
from ringfence.emulator.consent import Wish
from ringfence.emulator.control import NotHereError, controlled
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.fetch import Fetched, FetchError, fetch, read_data_url
from ringfence.emulator.fields import BadInputError, Fields
from ringfence.emulator.inbound import Answered, Inbound
from ringfence.emulator.webhooks import WebhookSender
from ringfence.emulator.world import Message, Number

MAX_BODY = 1600
MAX_MEDIA = 10


class Receiving:
    """The handler of /emulator/inbound."""

    def __init__(self, exchange: Exchange, inbound: Inbound, sender: WebhookSender, allowed: Collection[str]) -> None:
        self._exchange = exchange
        self._inbound = inbound
        self._sender = sender
        self._allowed = allowed

    def routes(self) -> list[web.RouteDef]:
        """The route."""
        return [web.post("/emulator/inbound", controlled(self.inbound))]

    async def inbound(self, request: web.Request) -> web.StreamResponse:
        """Send a text as a customer, or replay the webhook of an earlier one (`message_sid`).

        Answers when the application has answered. `webhook` is the last request made (null if the number has
        no sms_url); `requests` are all of them, fallback and redirects included.
        """
        fields = await Fields.of(request)
        wish = _wish(fields)
        replayed = fields.optional_text("message_sid")
        if replayed is not None:
            message = self._exchange.world.messages.get(replayed)
            if message is None or message.direction != "inbound":
                raise NotHereError("no such inbound message")
            # The other fields may be sent along; the stored message decides.
            number = self._number(message.account_sid, message.recipient)
        else:
            number = self._number(fields.optional_text("account_sid"), fields.text("to"))
            message = await self._receive(fields, number, wish)
        told = await self._inbound.tell(number, message, wish)
        return web.json_response(_result(message, told))

    async def _receive(self, fields: Fields, number: Number, wish: Wish | None) -> Message:
        customer, body = fields.text("from"), fields.optional_text("body") or ""
        urls = fields.texts("media_urls")
        fields.finish()
        if not body and not urls:
            raise BadInputError("a text needs body or media_urls")
        if len(body) > MAX_BODY or len(urls) > MAX_MEDIA:
            raise BadInputError(f"at most {MAX_BODY} characters and {MAX_MEDIA} media")
        try:
            media = [await self._media(url) for url in urls]
        except FetchError as error:
            raise BadInputError(str(error)) from None
        return self._inbound.receive(number, addresses.e164(customer) or customer, body, media, wish=wish)

    async def _media(self, url: str) -> Fetched:
        if url.startswith("data:"):
            return read_data_url(url)
        return await fetch(self._sender.session, url, self._allowed)

    def _number(self, account_sid: str | None, phone_number: str) -> Number:
        number = self._exchange.world.numbers.get(addresses.e164(phone_number) or phone_number)
        if number is None or account_sid not in {None, number.account_sid}:
            raise NotHereError("no such number in this account")
        return number


def _wish(fields: Fields) -> Wish | None:
    text = fields.optional_text("opt_out_type")
    if text not in {None, "STOP", "START", "HELP"}:
        raise BadInputError("opt_out_type must be STOP, START or HELP")
    return cast("Wish | None", text)


def _result(message: Message, told: Answered) -> dict[str, object]:
    return {
        "message_sid": message.sid,
        "account_sid": message.account_sid,
        "webhook": told.requests[-1] if told.requests else None,
        "requests": told.requests,
        "replies": told.replies,
    }
