"""Control request that gives an account a past: texts and calls of earlier times, which nobody is told about."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import cast

from aiohttp import web

from ringfence.emulator.control import NotHereError, controlled
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.fetch import FetchError, read_data_url
from ringfence.emulator.fields import BadInputError, Fields
from ringfence.emulator.voice_book import FINAL, Call, Direction, Progress
from ringfence.emulator.world import Account, Message
from ringfence.kit.segments import count_segments

_TEXT_DIRECTIONS = ("inbound", "outbound-api", "outbound-reply")
_CALL_DIRECTIONS: tuple[Direction, ...] = ("inbound", "outbound-api", "outbound-dial")


class History:
    """Handler of /emulator/history."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [web.post("/emulator/history", controlled(self.add))]

    async def add(self, request: web.Request) -> web.StreamResponse:
        """Add texts and calls to an account's log, the oldest first; their SIDs in the same order.

        A text has `from`, `to`, `body`, `direction`, `status`, `at` (with offset) and perhaps `price` (a decimal, as
        Twilio writes it: negative), `error_code` and `media` (data URLs). A call has `from`, `to`, `direction`,
        `status`, `at`, `seconds`, and perhaps `price`, `recordings` (of so many seconds each), `voicemail` (they are
        messages that were left) and `legs` (calls that were dialled into it).
        """
        fields = await Fields.of(request)
        account = self._exchange.world.accounts.get(fields.text("account_sid"))
        if account is None:
            raise NotHereError("no such account")
        given = fields.rest()
        texts, calls = (_objects(given.pop(name, []), name) for name in ("texts", "calls"))
        Fields(given).finish()
        return web.json_response(
            {
                "texts": [self._text(account, item) for item in texts],
                "calls": [self._call(account, item, None).sid for item in calls],
            },
            status=201,
        )

    def _text(self, account: Account, fields: Fields) -> str:
        world, body, at = self._exchange.world, fields.optional_text("body") or "", _instant(fields)
        direction, status = fields.text("direction"), fields.text("status")
        if direction not in _TEXT_DIRECTIONS:
            raise BadInputError(f"direction must be one of {', '.join(_TEXT_DIRECTIONS)}")
        media = fields.texts("media")
        message = Message(
            sid=self._exchange.sids.sid("MM" if media else "SM"),
            serial=world.next_serial(),
            account_sid=account.sid,
            sender=fields.text("from"),
            recipient=fields.text("to"),
            body=body,
            direction=direction,
            status=status,
            num_segments=max(1, count_segments(body).segments),
            date_created=at,
            date_updated=at,
            date_sent=None if status in {"queued", "failed", "sending"} else at,
            num_media=len(media),
            price=_price(fields),
            error_code=fields.optional_whole("error_code", low=10_000, high=99_999),
            final=True,
        )
        fields.finish()
        world.add_message(account, message)
        for url in media:
            try:
                file = read_data_url(url)
            except FetchError as error:
                raise BadInputError(str(error)) from None
            world.add_media(message, file.content_type, file.content)
        return message.sid

    def _call(self, account: Account, fields: Fields, parent: Call | None) -> Call:
        at, seconds = _instant(fields), fields.optional_number("seconds") or 0.0
        status = fields.text("status")
        said = fields.text("direction")
        directions: list[Direction] = [item for item in _CALL_DIRECTIONS if item == said]
        if not directions or status not in FINAL:
            raise BadInputError("a call of the past has a direction and has ended")
        book = self._exchange.calls
        call = book.add(
            account.sid, fields.text("from"), fields.text("to"), directions[0], progress=Progress(), parent=parent
        )
        call.status, call.date_created, call.date_updated = status, at, at
        call.end_time, call.price = at + timedelta(seconds=seconds), _price(fields)
        call.start_time = at if status == "completed" else None
        given = fields.rest()
        source = "RecordVerb" if given.pop("voicemail", False) else "DialVerb"
        for length in cast("list[object]", given.pop("recordings", [])):
            if not isinstance(length, int | float):
                raise BadInputError("recordings must be lengths in seconds")
            recording = book.record(call, source, seconds=length, channels=1)
            recording.status, recording.date_created, recording.date_updated = "completed", at, at
        for leg in _objects(given.pop("legs", []), "legs"):
            self._call(account, leg, call)
        Fields(given).finish()
        self._exchange.world.changed()
        return call


def _objects(value: object, name: str) -> Sequence[Fields]:
    items = cast("list[object]", value) if isinstance(value, list) else [None]
    if not all(isinstance(item, dict) for item in items):
        raise BadInputError(f"{name} must be a list of objects")
    return [Fields(cast("dict[str, object]", item)) for item in items]


def _instant(fields: Fields) -> datetime:
    try:
        at = datetime.fromisoformat(fields.text("at"))
    except ValueError:
        raise BadInputError("at must be a time such as 2026-01-31T10:00:00+00:00") from None
    if at.tzinfo is None:
        raise BadInputError("at must have an offset")
    return at.astimezone(UTC)


def _price(fields: Fields) -> Decimal | None:
    text = fields.optional_text("price")
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        raise BadInputError("price must be a decimal such as -0.00750") from None
