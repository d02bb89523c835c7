"""Identifiers made by the application: time-ordered UUIDs (RFC 9562, version 7)."""

from uuid import UUID

from uuid_utils import compat


def new_id() -> UUID:
    """A fresh UUIDv7: ids made later sort later, and reveal nothing of how many there are."""
    return compat.uuid7()
