"""When a delivery is tried again, when an endpoint is left alone for a while, and when it is given up."""

import random
from datetime import datetime, timedelta
from typing import Final

# Eleven attempts over about a day; the later ones are far apart, for what is down for hours is down for hours.
_WAITS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 10_800, 21_600, 21_600, 21_600)
)
_JITTER: Final = 0.2

OLD_SECRET_LIFETIME: Final = timedelta(hours=24)
KEPT: Final = timedelta(days=30)
"""How long the log keeps a delivery, and so how far back a replay reaches."""
EXCERPT_KEPT: Final = timedelta(days=7)
GIVEN_UP_AFTER: Final = timedelta(days=3)
GIVEN_UP_ATTEMPTS: Final = 20

# An endpoint that fails is tried with one request at a time and with growing breaks, at most so long that its coming
# back is soon noticed; a single failure says little.
_CALM_FAILURES: Final = 2
_LONGEST_BREAK: Final = timedelta(minutes=5)
_AT_ONCE: Final = 5


def next_attempt(attempts: int, now: datetime) -> datetime | None:
    """When to try again after so many failed attempts; None for never."""
    if attempts > len(_WAITS):
        return None
    return now + _WAITS[attempts - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)


def most_at_once(failures: int) -> int:
    """How many requests may be under way to an endpoint with so many failures in a row."""
    return _AT_ONCE if failures <= _CALM_FAILURES else 1


def break_until(failures: int, now: datetime) -> datetime | None:
    """Until when an endpoint with so many failures in a row is left alone; None for not at all."""
    if failures <= _CALM_FAILURES:
        return None
    wait = min(timedelta(seconds=2 ** min(failures - _CALM_FAILURES, 20)), _LONGEST_BREAK)
    return now + wait * random.uniform(1 - _JITTER, 1 + _JITTER)


def is_given_up(failures: int, failing_since: datetime, now: datetime) -> bool:
    """Whether an endpoint has failed so often and for so long that nobody seems to be there."""
    return failures >= GIVEN_UP_ATTEMPTS and now - failing_since >= GIVEN_UP_AFTER
