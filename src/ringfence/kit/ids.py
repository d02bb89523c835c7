"""Identifiers made by the application: time-ordered UUIDs (RFC 9562, version 7)."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from uuid_utils import compat

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE_BITS: Final = 42
MOST_PLACE: Final = 2**_PLACE_BITS - 1
"""The last place that `past_id` can give."""


def new_id() -> UUID:
    """A fresh UUIDv7: ids made later sort later, and reveal nothing of how many there are."""
    return compat.uuid7()


def past_id(at: datetime, *, place: int) -> UUID:
    """A fresh UUIDv7 for something that happened at an instant of the past (aware).

    Of things of the same millisecond the one with the higher place (0 to MOST_PLACE) sorts later.
    """
    milliseconds = max(0, (at - _EPOCH) // timedelta(milliseconds=1))
    tail = (place << 32) | secrets.randbits(32)
    high, low = tail >> 62, tail & (2**62 - 1)
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low)


def first_id_at(moment: datetime) -> UUID:
    """The smallest UUIDv7 of an instant (aware): ids made before it are smaller, later ones greater."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | 1 << 63)
