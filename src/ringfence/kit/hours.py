"""Hours of the week by the wall clock: when a company lets texts out, and when it is open.

Pure: rules in, instants out. A rule's times are wall-clock times of whichever zone it is asked about, read by the rule
of `ringfence.kit.zones` (a missing time is the first instant after the gap, a doubled one its first occurrence).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ringfence.kit.zones import resolve_local

_DAY: Final = timedelta(days=1)
_LONGEST_WAIT: Final = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Quiet:
    """When a day is quiet: from `start` to `end`, across midnight if `start` is later; without times, all day.

    The two halves of a night belong to two days: Sunday's `end` closes the night before, its `start` opens the next.
    """

    start: time | None = None
    end: time | None = None


@dataclass(frozen=True, slots=True)
class Week:
    """Which hours are allowed on each day. `days` maps a weekday (Monday 0) to its own rule, None for none at all."""

    usual: Quiet | None = None
    days: Mapping[int, Quiet | None] = field(default_factory=dict[int, Quiet | None])
    holidays: frozenset[date] = frozenset()

    @property
    def is_limited(self) -> bool:
        """Whether any hour may be forbidden."""
        return self.usual is not None or any(self.days.values()) or bool(self.holidays)

    def quiet_on(self, day: date) -> Quiet | None:
        """The day's rule; None when all of it is allowed."""
        if day in self.holidays:
            return Quiet()
        return self.days.get(day.weekday(), self.usual)


def first_allowed(week: Week, zones: Sequence[ZoneInfo], after: datetime) -> datetime | None:
    """The first instant (UTC), not before `after`, that is allowed in all zones; None if none comes within 60 days."""
    instant = after
    while instant - after <= _LONGEST_WAIT:
        latest = instant
        for zone in zones:
            allowed = _first_in(week, zone, latest)
            if allowed is None:
                return None
            latest = allowed
        if latest == instant:
            return instant
        instant = latest
    return None


def midnight_after(instant: datetime, zone: ZoneInfo) -> datetime:
    """The beginning (UTC) of the next local day."""
    return _begin(instant.astimezone(zone).date() + _DAY, zone)


def midnight_before(instant: datetime, zone: ZoneInfo) -> datetime:
    """The beginning (UTC) of the local day that the instant lies in."""
    return _begin(instant.astimezone(zone).date(), zone)


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The date that the wall clock shows."""
    return instant.astimezone(zone).date()


def _first_in(week: Week, zone: ZoneInfo, after: datetime) -> datetime | None:
    day = local_day(after, zone)
    last = day + _LONGEST_WAIT
    while day <= last:
        for begin, end in _allowed(week, zone, day):
            if after < end:
                return max(after, begin).astimezone(UTC)
        day += _DAY
    return None


def _allowed(week: Week, zone: ZoneInfo, day: date) -> Iterator[tuple[datetime, datetime]]:
    """The allowed spans of a day, in order; an empty one is left out."""
    quiet = week.quiet_on(day)
    begin, end = _begin(day, zone), _begin(day + _DAY, zone)
    if quiet is None:
        spans = [(begin, end)]
    elif quiet.start is None or quiet.end is None:
        spans = []
    else:
        falls = resolve_local(datetime.combine(day, quiet.start), zone)
        lifts = resolve_local(datetime.combine(day, quiet.end), zone)
        spans = [(begin, falls), (lifts, end)] if quiet.start < quiet.end else [(lifts, falls)]
    return ((first, last) for first, last in spans if first < last)


def _begin(day: date, zone: ZoneInfo) -> datetime:
    return resolve_local(datetime.combine(day, time()), zone)
