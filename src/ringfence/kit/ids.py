"""Identifiers made by the application: time-ordered UUIDs (RFC 9562, version 7)."""

from datetime import datetime
from uuid import UUID

from uuid_utils import compat


def new_id() -> UUID:
    """A fresh UUIDv7: ids made later sort later, and reveal nothing of how many there are."""
    return compat.uuid7()


def first_id_at(moment: datetime) -> UUID:
    """The smallest UUIDv7 of an instant (aware): ids made before it are smaller, later ones greater."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | 1 << 63)
