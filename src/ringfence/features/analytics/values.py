"""Days of a company, and the figures that are counted in them."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from ringfence.errors import InvalidInputError
from ringfence.kit.zones import resolve_local

By = Literal["day", "phone_number", "user", "template", "bulk_send"]

LONGEST_DAYS: Final = 400
USUAL_DAYS: Final = 30
EARLIEST: Final = date(2000, 1, 1)
LATEST: Final = date(2199, 12, 31)


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days of a zone, both ends included."""

    first: date
    last: date
    zone: ZoneInfo

    def each(self) -> list[date]:
        """The days, one after the other."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    def starts(self) -> list[datetime]:
        """When each day begins (UTC): at midnight, or at the first instant after it where the clock skips midnight."""
        return [resolve_local(datetime.combine(day, time()), self.zone) for day in self.each()]

    def end(self) -> datetime:
        """When the day after the last one begins (UTC)."""
        return resolve_local(datetime.combine(self.last + timedelta(days=1), time()), self.zone)


def choose_days(first: date | None, last: date | None, *, zone: ZoneInfo, now: datetime) -> Days:
    """The days somebody asked for; without an end up to today, without a beginning the 30 days up to the end.

    Raises InvalidInputError for an end before the beginning and for more than 400 days.
    """
    last = last or (max(first, now.astimezone(zone).date()) if first else now.astimezone(zone).date())
    first = first or last - timedelta(days=USUAL_DAYS - 1)
    if first < EARLIEST or last > LATEST:
        raise InvalidInputError("bad_range", f"Days lie between {EARLIEST} and {LATEST}.")
    if first > last:
        raise InvalidInputError("bad_range", "The first day comes after the last one.")
    if (last - first).days >= LONGEST_DAYS:
        raise InvalidInputError("bad_range", f"At most {LONGEST_DAYS} days at a time.")
    return Days(first, last, zone)


@dataclass(slots=True)
class Figures:
    """What is counted; all but the last three add up over any division of the texts.

    `cost` is in millionths by currency, positive for what the company pays. `answered` of the `asked` questions got an
    answer, `median_seconds` after they were asked.
    """

    outbound: int = 0
    sent: int = 0
    delivered: int = 0
    failed: dict[int | None, int] = field(default_factory=dict[int | None, int])
    refused: dict[str, int] = field(default_factory=dict[str, int])
    canceled: int = 0
    unconfirmed: int = 0
    under_way: int = 0
    segments: int = 0
    received: int = 0
    opt_outs: int = 0
    cost: dict[str, int] = field(default_factory=dict[str, int])
    unpriced: int = 0
    asked: int = 0
    answered: int = 0
    median_seconds: float | None = None


Key = date | UUID | None
"""What a row of figures is about; None is what has no such thing, such as a text that no person sent."""


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one day, number, person, template or bulk send, with the name it has for people."""

    key: Key
    name: str | None
    figures: Figures


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of some days, in all and divided."""

    days: Days
    by: By
    totals: Figures
    rows: list[Row]
