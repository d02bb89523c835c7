"""Lists of the v2010 API: newest first, paged by an opaque token, addresses relative to the host."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from ringfence.emulator.errors import TwilioError

MAX_PAGE_SIZE = 1000


class Listed(Protocol):
    """What can stand in a list: `serial` grows with creation and is never used twice."""

    @property
    def serial(self) -> int:
        """The place in the order of creation."""
        ...


T = TypeVar("T", bound=Listed)


def page(
    request: web.Request,
    key: str,
    rows: Sequence[T],
    matches: Callable[[T], bool],
    render: Callable[[T], dict[str, object]],
) -> dict[str, object]:
    """One page of `rows` (oldest first) as a list body with the array under `key`, newest first.

    Tokens carry the serial of the row the page starts after, so a page does not shift when rows are added or
    deleted between two requests. Raises TwilioError 20007 for a page size over 1000 or not a number.
    """
    size = _size(request.query.get("PageSize", "50"))
    number = _whole(request.query.get("Page", "0"))
    token = request.query.get("PageToken", "")
    if token.startswith("PB"):
        found = _take(_newer(rows, _serial(token)), matches, size + 1)
        earlier, chosen, later = len(found) > size, found[:size][::-1], True
    else:
        start = bisect_left(rows, _serial(token), key=_serial_of) if token else len(rows)
        skipped = 0 if token else number * size
        found = _take((rows[i] for i in range(start - 1, -1, -1)), matches, skipped + size + 1)
        earlier, chosen = number > 0, found[skipped : skipped + size]
        later = len(found) > skipped + size
    first = number * size
    return {
        key: [render(row) for row in chosen],
        "end": max(first, first + len(chosen) - 1),
        "first_page_uri": _uri(request, size, 0, None),
        "next_page_uri": _uri(request, size, number + 1, f"PA{chosen[-1].serial:032x}") if later and chosen else None,
        "page": number,
        "page_size": size,
        "previous_page_uri": _uri(request, size, max(0, number - 1), f"PB{chosen[0].serial:032x}")
        if earlier and chosen
        else None,
        "start": first,
        "uri": request.raw_path,
    }


def _serial_of(row: Listed) -> int:
    return row.serial


def _newer(rows: Sequence[T], serial: int) -> Iterable[T]:
    return (rows[i] for i in range(bisect_right(rows, serial, key=_serial_of), len(rows)))


def _take(rows: Iterable[T], matches: Callable[[T], bool], limit: int) -> list[T]:
    taken: list[T] = []
    for row in rows:
        if matches(row):
            taken.append(row)
            if len(taken) == limit:
                break
    return taken


def _serial(token: str) -> int:
    try:
        return int(token[2:], 16)
    except ValueError:
        raise TwilioError(20001, "The PageToken is not valid") from None


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _size(text: str) -> int:
    size = _whole(text)
    if not 1 <= size <= MAX_PAGE_SIZE:
        raise TwilioError(20007)
    return size


def _uri(request: web.Request, size: int, number: int, token: str | None) -> str:
    # The filters stay as they came; only the paging keys are rewritten.
    filters = [
        (name, value)
        for name, value in parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)
        if name not in {"PageSize", "Page", "PageToken"}
    ]
    paging = [("PageSize", str(size)), ("Page", str(number))] + ([("PageToken", token)] if token else [])
    return f"{request.rel_url.raw_path}?{urlencode(filters + paging)}"
