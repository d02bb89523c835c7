"""The one clock. Instants are aware and in UTC; durations are measured on the monotonic clock."""

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The current instant, aware, in UTC."""
    return datetime.now(UTC)


def monotonic_seconds() -> float:
    """Seconds on a clock that never goes back; only differences mean anything."""
    return time.monotonic()
