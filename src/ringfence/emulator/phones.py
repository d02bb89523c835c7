"""Customers' phones: a page to read what arrived and to answer, and the data behind it."""

import json
from itertools import islice

from aiohttp import web

from ringfence.emulator import addresses
from ringfence.emulator.control import NotHereError, controlled
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.pages import static_route
from ringfence.emulator.world import Message, Number

MAX_PHONES = 200
MAX_THREAD = 200
_EVENT_SECONDS = 0.25
_QUIET_TICKS = 60
_SHOWN_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


class Phones:
    """Handlers of the phones page."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/", self.home),
            static_route("/phones", "phones.html"),
            static_route("/phones.js", "phones.js"),
            static_route("/phones.css", "phones.css"),
            web.get("/emulator/phones", controlled(self.list_phones)),
            web.get("/emulator/phones/{number}", controlled(self.show_phone)),
            web.get("/emulator/media/{sid}", controlled(self.show_media)),
            web.get("/emulator/events", controlled(self.events)),
        ]

    async def home(self, request: web.Request) -> web.StreamResponse:
        """The page is the home page."""
        raise web.HTTPFound("/phones")

    async def list_phones(self, request: web.Request) -> web.StreamResponse:
        """Customers' numbers, the latest active first, and the company numbers that can be texted."""
        world = self._exchange.world
        phones = [self._summary(number) for number in islice(reversed(world.phones), MAX_PHONES)]
        companies = [
            {
                "number": number.phone_number,
                "label": number.friendly_name,
                "company": world.accounts[number.account_sid].friendly_name,
            }
            for number in world.numbers.values()
        ]
        return web.json_response({"version": world.version, "phones": phones, "companies": companies})

    async def show_phone(self, request: web.Request) -> web.StreamResponse:
        """One phone: its threads, one for each company number, the latest first."""
        text = request.match_info["number"]
        customer = addresses.e164(text) or text
        threads: dict[str, list[Message]] = {}
        for account in self._exchange.world.accounts.values():
            for message in account.by_number.get(customer, ()):
                company = _company_side(message, customer)
                if company is not None:
                    threads.setdefault(company, []).append(message)
        ordered = sorted(threads.items(), key=lambda item: item[1][-1].serial, reverse=True)
        return web.json_response(
            {
                "version": self._exchange.world.version,
                "number": customer,
                "threads": [self._thread(company, messages) for company, messages in ordered],
            }
        )

    async def show_media(self, request: web.Request) -> web.StreamResponse:
        """A picture for the page; anything that is not a picture comes as a download."""
        media = self._exchange.world.media.get(request.match_info["sid"])
        if media is None:
            raise NotHereError("no such file")
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
        if media.content_type not in _SHOWN_INLINE:
            headers["Content-Disposition"] = "attachment"
        return web.Response(body=media.content, content_type=media.content_type, headers=headers)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: the version of the world after each change, at most four a second."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        version, quiet = -1, 0
        try:
            while await self._exchange.pause(_EVENT_SECONDS):
                current = self._exchange.world.version
                quiet = 0 if current != version else quiet + 1
                if current != version:
                    version = current
                    await response.write(f"data: {json.dumps({'version': version})}\n\n".encode())
                elif quiet % _QUIET_TICKS == 0:
                    # Only by writing does one learn that the page was closed.
                    await response.write(b": still here\n\n")
        except ConnectionError:
            pass  # The page was closed.
        return response

    def _summary(self, customer: str) -> dict[str, object]:
        newest: Message | None = None
        for account in self._exchange.world.accounts.values():
            messages = account.by_number.get(customer)
            if messages and (newest is None or messages[-1].serial > newest.serial):
                newest = messages[-1]
        return {
            "number": customer,
            "last": None
            if newest is None
            else {
                "body": newest.body[:120],
                "mine": newest.direction == "inbound",
                "media": newest.num_media,
                "at": newest.date_created.isoformat(),
            },
        }

    def _thread(self, company: str, messages: list[Message]) -> dict[str, object]:
        world = self._exchange.world
        number: Number | None = world.numbers.get(company)
        return {
            "number": company,
            "label": number.friendly_name if number else company,
            "company": world.accounts[messages[-1].account_sid].friendly_name,
            "released": number is None,
            "messages": [self._bubble(message) for message in messages[-MAX_THREAD:]],
        }

    def _bubble(self, message: Message) -> dict[str, object]:
        media = self._exchange.world.media_of.get(message.sid, ())
        return {
            "sid": message.sid,
            "mine": message.direction == "inbound",
            "body": message.body,
            "status": message.status,
            "error_code": message.error_code,
            "at": message.date_created.isoformat(),
            "media": [
                {
                    "url": f"/emulator/media/{item.sid}",
                    "content_type": item.content_type,
                    "picture": item.content_type in _SHOWN_INLINE,
                }
                for item in media
            ],
        }


def _company_side(message: Message, customer: str) -> str | None:
    """The company's number in a message, if `customer` is the other side of it."""
    if message.direction == "inbound":
        return message.recipient if message.sender == customer else None
    return message.sender if message.recipient == customer else None
