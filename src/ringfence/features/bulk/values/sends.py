"""Words of bulk sends."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final, Literal
from uuid import UUID

from ringfence.jobqueue.jobs import Job

STATUSES = ("draft", "rehearsing", "ready", "scheduled", "running", "paused", "stopped", "done")
"""draft: to be rehearsed. rehearsing: a job counts what would happen. ready: rehearsed, waits for its start.
scheduled: starts by itself. running, paused: under way. stopped, done: over."""
Status = Literal["draft", "rehearsing", "ready", "scheduled", "running", "paused", "stopped", "done"]

EDITABLE: Final = frozenset({"draft", "rehearsing", "ready"})
"""Before its start everything about a bulk send can change."""
OVER: Final = frozenset({"stopped", "done"})

RECIPIENT_STATES = ("handed_in", "skipped", "waiting")
"""handed_in: there is a text. skipped: there is none, for a reason. waiting: until an instant, or for a resume."""

CANARY_STATES = ("off", "sending", "passed", "overruled")
"""off: no canary, no guard. sending: only the first few go, and are watched. passed: all go, and are watched.
overruled: somebody resumed after the guard had paused it, so the guard says no more."""

LEAST_CANARY: Final = 20
"""The fewest texts of a canary; it is one per cent of the recipients otherwise."""
LANE_SECONDS: Final = 120
LANE_ROWS: Final = 5000
"""How much of a bulk send waits in a sender's lane: what it sends in two minutes, and never more than this."""
FURTHEST: Final = timedelta(days=730)
"""How far ahead a bulk send can be scheduled."""
MOST_SENDERS: Final = 50

# Refused for what was wrong with the company's own things, not with the recipient: worth another try.
MENDABLE: Final = frozenset(
    {"not_connected", "account_suspended", "settings_unverified", "company_suspended", "sender_inactive"}
)


@dataclass(frozen=True, slots=True)
class Count:
    """How many recipients stand at a status for a reason; `code` is empty where there is none."""

    status: str
    code: str
    recipients: int


@dataclass(frozen=True, slots=True)
class Price:
    """One segment to a country in millionths of a currency unit; `texts` is of how many it is the median, 0 if set."""

    country: str
    micros: int
    currency: str
    texts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearseBulk(Job):
    """Count what a bulk send would do, to whom and at what price."""

    kind: ClassVar[str] = "bulk.rehearse"
    bulk_send_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBulk(Job):
    """Start the company's bulk sends that are due, fill the lanes of those that run, end those that are through."""

    kind: ClassVar[str] = "bulk.run"


def canary_size(recipients: int) -> int:
    """How many recipients go first: one per cent of them, at least 20. Zero when that would be all of them."""
    size = max(LEAST_CANARY, -(-recipients // 100))
    return size if size < recipients else 0


def lane_rows(segments_per_second: float) -> int:
    """The most texts of bulk sends that wait in the lane of a sender of this rate."""
    return max(1, min(int(segments_per_second * LANE_SECONDS), LANE_ROWS))
