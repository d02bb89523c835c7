"""Filters of lists that several resources share."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from aiohttp import web

from ringfence.emulator.errors import TwilioError


def date_filter(request: web.Request, name: str) -> Callable[[datetime | None], bool]:
    """A test for one date from `name`, `name<` and `name>` of the query; a day means the whole day in GMT.

    Without any of them everything passes; with one, what has no date does not. Raises TwilioError 20001 for a
    date that cannot be read.
    """
    tests: list[Callable[[datetime], bool]] = []
    for key in (name, f"{name}<", f"{name}>"):
        text = request.query.get(key)
        if text:
            start, end = _instants(name, text)
            tests.append(_test(key, start, end))
    if not tests:
        return lambda _: True
    return lambda instant: instant is not None and all(test(instant) for test in tests)


def _test(key: str, start: datetime, end: datetime) -> Callable[[datetime], bool]:
    if key.endswith("<"):
        return lambda instant: instant < end
    if key.endswith(">"):
        return lambda instant: instant >= start
    return lambda instant: start <= instant < end


def _instants(name: str, text: str) -> tuple[datetime, datetime]:
    """The first instant a date or time means, and the first one after it."""
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise TwilioError(20001, f"{name} is not a date") from None
    start = start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
    whole_day = len(text) <= len("2026-01-31")
    return start, start + (timedelta(days=1) if whole_day else timedelta(seconds=1))
