"""The Messages resource: create, fetch, list, redact, cancel, delete."""

from aiohttp import web

from ringfence.emulator import addresses
from ringfence.emulator.answers import answer, no_content, reset
from ringfence.emulator.carrier import Carrier
from ringfence.emulator.door import Door
from ringfence.emulator.errors import TwilioError
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.filters import date_filter
from ringfence.emulator.form import Form
from ringfence.emulator.outbound import Outbound
from ringfence.emulator.paging import page
from ringfence.emulator.renders import message_json
from ringfence.emulator.world import Account, Message
from ringfence.kit.clock import monotonic_seconds, utc_now

PREFIX = "/2010-04-01/Accounts/{account_sid}"


class Messages:
    """Handlers of the Messages resource."""

    def __init__(self, exchange: Exchange, door: Door, outbound: Outbound, carrier: Carrier) -> None:
        self._exchange = exchange
        self._door = door
        self._outbound = outbound
        self._carrier = carrier

    def routes(self) -> list[web.RouteDef]:
        """The routes, the busiest first."""
        guard = self._door.guard
        return [
            web.post(f"{PREFIX}/Messages.json", self.create),
            web.get(f"{PREFIX}/Messages.json", guard("read", self.list)),
            web.get(f"{PREFIX}/Messages/{{sid}}.json", guard("read", self.fetch)),
            web.post(f"{PREFIX}/Messages/{{sid}}.json", guard("write", self.update)),
            web.delete(f"{PREFIX}/Messages/{{sid}}.json", guard("write", self.delete)),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Accept a message. Every POST that arrives whole is counted before anything else is decided."""
        exchange = self._exchange
        form = Form.parse(await request.read())
        tally = exchange.creates.arrived(form.get("StatusCallback"))

        async def work(account: Account) -> web.StreamResponse:
            wait = exchange.behaviour.latency.draw(exchange.rng) / 2
            if not await exchange.pause(wait):
                return reset(request)
            numbers = tuple(addresses.e164(form.get(name)) or form.get(name) for name in ("From", "To"))
            fault = exchange.faults.fire("request", "create", account.sid, numbers)
            broken = await self._door.interfere(fault, request)
            if broken is not None:
                return broken
            message = self._outbound.accept(account, form)
            exchange.creates.accepted(tally, message.sid)
            sound = answer(message_json(message), 201)
            first_callback = self._outbound.launch(message, form.all("MediaUrl"))
            await exchange.pause(wait)
            if first_callback is not None:
                await first_callback
            return await self._door.spoil(fault, request, sound)

        return await self._door.answer(request, work)

    async def fetch(self, request: web.Request, account: Account) -> web.StreamResponse:
        """One message."""
        return answer(message_json(self.message(request, account)))

    async def list(self, request: web.Request, account: Account) -> web.StreamResponse:
        """A page of messages, newest first, filtered by To, From and DateSent."""
        recipient, sender = (_number(request.query.get(name, "")) for name in ("To", "From"))
        sent = date_filter(request, "DateSent")
        now = monotonic_seconds()

        def matches(message: Message) -> bool:
            return (
                (not recipient or message.recipient == recipient)
                and (not sender or message.sender == sender)
                and message.visible_at <= now
                and sent(message.date_sent)
            )

        by_number = account.by_number
        candidates = [by_number.get(number, []) for number in (recipient, sender) if number]
        rows = min(candidates, key=len, default=account.messages)
        return answer(page(request, "messages", rows, matches, message_json))

    async def update(self, request: web.Request, account: Account) -> web.StreamResponse:
        """Redact the body (only the empty text is taken); nothing here is in a state that can be canceled."""
        message = self.message(request, account)
        form = Form.parse(await request.read())
        if form.has("Status"):
            # Only scheduled messages can be canceled, and only a Messaging Service schedules.
            raise TwilioError(30409)
        if form.has("Body"):
            if form.get("Body"):
                raise TwilioError(20001, "The body can only be replaced by an empty one")
            message.body = ""
            message.date_updated = utc_now()
            self._exchange.world.changed()
        return answer(message_json(message))

    async def delete(self, request: web.Request, account: Account) -> web.StreamResponse:
        """Delete a finished message. Raises TwilioError 20009 while it is under way."""
        message = self.message(request, account)
        if not message.final:
            raise TwilioError(20009)
        self._exchange.world.remove_message(message)
        return no_content()

    def message(self, request: web.Request, account: Account) -> Message:
        """The message in the path. Raises TwilioError 20404 if this account has none of that SID."""
        message = self._exchange.world.messages.get(request.match_info["sid"])
        if message is None or message.account_sid != account.sid:
            raise TwilioError(20404, f"The requested resource {request.path} was not found")
        return message


def _number(text: str) -> str:
    return addresses.e164(text) or text
