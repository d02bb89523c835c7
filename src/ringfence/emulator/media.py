"""The Media subresource of messages, and the bytes themselves at the address without `.json`."""

from aiohttp import web

from ringfence.emulator.answers import answer, no_content
from ringfence.emulator.door import Door
from ringfence.emulator.errors import TwilioError
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.messages import PREFIX
from ringfence.emulator.paging import page
from ringfence.emulator.renders import media_json
from ringfence.emulator.world import Account, Media, Message

_PATH = PREFIX + "/Messages/{message_sid}/Media"


class MediaFiles:
    """Handlers of the Media subresource; all of them behind Basic authentication."""

    def __init__(self, exchange: Exchange, door: Door) -> None:
        self._exchange = exchange
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        """The routes; `.json` comes before the bare SID, which would match it too."""
        guard = self._door.guard
        return [
            web.get(f"{_PATH}.json", guard("read", self.list)),
            web.get(f"{_PATH}/{{sid}}.json", guard("read", self.fetch)),
            web.delete(f"{_PATH}/{{sid}}.json", guard("write", self.delete)),
            web.get(f"{_PATH}/{{sid}}", guard("media", self.content)),
        ]

    async def list(self, request: web.Request, account: Account) -> web.StreamResponse:
        """A page of the attachments of one message."""
        message = self._message(request, account)
        rows = self._exchange.world.media_of.get(message.sid, [])
        return answer(page(request, "media_list", rows, lambda _: True, media_json))

    async def fetch(self, request: web.Request, account: Account) -> web.StreamResponse:
        """One attachment as a resource."""
        return answer(media_json(self._media(request, account)))

    async def content(self, request: web.Request, account: Account) -> web.StreamResponse:
        """The bytes."""
        media = self._media(request, account)
        return web.Response(body=media.content, content_type=media.content_type)

    async def delete(self, request: web.Request, account: Account) -> web.StreamResponse:
        """Delete one attachment."""
        self._exchange.world.remove_media(self._media(request, account))
        return no_content()

    def _message(self, request: web.Request, account: Account) -> Message:
        message = self._exchange.world.messages.get(request.match_info["message_sid"])
        if message is None or message.account_sid != account.sid:
            raise TwilioError(20404, f"The requested resource {request.path} was not found")
        return message

    def _media(self, request: web.Request, account: Account) -> Media:
        message = self._message(request, account)
        media = self._exchange.world.media.get(request.match_info["sid"])
        if media is None or media.message_sid != message.sid:
            raise TwilioError(20404, f"The requested resource {request.path} was not found")
        return media
