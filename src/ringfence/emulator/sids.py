"""Identifiers and dates in the shapes Twilio uses."""

import random
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from uuid import UUID


class SidMaker:
    """Makes SIDs, tokens and UUIDs from one random source (seeded: the same every run, for tests only)."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def sid(self, prefix: str) -> str:
        """Two letters and 32 hexadecimal digits."""
        return f"{prefix}{self._rng.getrandbits(128):032x}"

    def token(self) -> str:
        """An Auth Token: 32 hexadecimal digits."""
        return f"{self._rng.getrandbits(128):032x}"

    def uuid(self) -> str:
        """A UUID, version 4."""
        return str(UUID(int=self._rng.getrandbits(128), version=4))


def rfc2822(instant: datetime) -> str:
    """An aware instant as the v2010 API writes it: `Thu, 24 Aug 2023 05:01:45 +0000`."""
    return _rfc2822(int(instant.timestamp()))


@lru_cache(maxsize=4096)
def _rfc2822(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC))


def optional_rfc2822(instant: datetime | None) -> str | None:
    """The same, and None for None."""
    return None if instant is None else rfc2822(instant)
