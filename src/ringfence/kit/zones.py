"""Where the clock of a phone number stands, and which instant a wall-clock time means there.

The rule for wall-clock times, used wherever people say "at nine" or "until eight": a time that does not exist (the
clock was put forward over it) means the first instant after the gap; a time that exists twice (the clock was put
back) means its first occurrence.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers import NumberParseException
from phonenumbers import timezone as plans

_SECOND: Final = timedelta(seconds=1)


@lru_cache(maxsize=10_000)
def zones_of_number(phone_number: str) -> tuple[str, ...]:
    """Names of all zones in which the holder of an E.164 number may live, by the numbering plan; () if it says none.

    A mobile or toll-free number can lie in many: who has to be sure must ask all of them.
    """
    try:
        parsed = phonenumbers.parse(phone_number)
    except NumberParseException:
        return ()
    return tuple(sorted(name for name in plans.time_zones_for_number(parsed) if name != plans.UNKNOWN_TIMEZONE))


def distinct_zones(names: Iterable[str]) -> tuple[ZoneInfo, ...]:
    """The zones of these names, without those that this machine's tz database does not know."""
    return tuple(zone for name in dict.fromkeys(names) if (zone := _zone(name)) is not None)


def resolve_local(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant (aware, UTC) that a wall-clock time (naive) means in a zone, by the rule above."""
    early = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if early.astimezone(zone).replace(tzinfo=None) == wall.replace(fold=0):
        return early
    # In a gap the two readings (PEP 495) lie on its two sides: fold 0 after the change, fold 1 before it.
    return _change_between(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), early, zone)


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the zone's offset changes; it does between the two."""
    old = before.astimezone(zone).utcoffset()
    low, high = before.replace(microsecond=0), after.replace(microsecond=0) + _SECOND
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return high


@lru_cache(maxsize=1000)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None
