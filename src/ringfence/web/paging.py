"""Keyset cursors: opaque, signed, and bound to the company, the list and its filters."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from ringfence.errors import InvalidInputError
from ringfence.kit.keyring import Keyring

Row = TypeVar("Row")
DEFAULT_PAGE = 50


class BadCursorError(InvalidInputError):
    """The cursor was not made by this list for this company and these filters."""

    def __init__(self) -> None:
        super().__init__("bad_cursor", "This cursor does not belong to this list; start again without it.")


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: strictly after the row with this instant and id, newest first."""

    at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Rank:
    """Where a page of a list by a count begins: strictly after the row with this count and id, highest first."""

    count: int
    id: UUID


class Cursors:
    """Makes and reads the cursors of one list, for one company and one set of filters."""

    def __init__(self, keyring: Keyring, company_id: UUID | None, kind: str, filters: object = None) -> None:
        self._keyring = keyring
        self._scope = (str(company_id), kind, json.dumps(filters, sort_keys=True, default=str))

    def read(self, cursor: str | None) -> Position | None:
        """The position a cursor stands for; raises BadCursorError on any cursor of another list or company."""
        found = self._open(cursor)
        return None if found is None else Position(datetime.fromisoformat(found[0]), found[1])

    def read_rank(self, cursor: str | None) -> Rank | None:
        """The rank that a cursor of a list by a count stands for; raises BadCursorError."""
        found = self._open(cursor)
        return None if found is None else Rank(int(found[0]), found[1])

    def write(self, position: Position | Rank) -> str:
        """The cursor for the page after a position."""
        place = position.at.isoformat() if isinstance(position, Position) else str(position.count)
        payload = base64.urlsafe_b64encode(json.dumps([place, str(position.id)]).encode()).decode()
        return f"{payload}.{self._keyring.sign('cursor', *self._scope, payload)}"

    def _open(self, cursor: str | None) -> tuple[str, UUID] | None:
        """What `write` put in: a cursor that this list signed, and so one of the kind that it reads."""
        if cursor is None:
            return None
        try:
            payload, code = cursor.split(".")
            if not self._keyring.verify(code, "cursor", *self._scope, payload):
                raise BadCursorError
            place, row_id = json.loads(base64.urlsafe_b64decode(payload))
            return place, UUID(row_id)
        except (ValueError, binascii.Error):
            raise BadCursorError from None

    def page(
        self, rows: Sequence[Row], limit: int, position: Callable[[Row], Position | Rank]
    ) -> tuple[Sequence[Row], str | None]:
        """Split limit + 1 fetched rows into the page and the next cursor."""
        if len(rows) <= limit:
            return rows, None
        kept = rows[:limit]
        return kept, self.write(position(kept[-1]))
