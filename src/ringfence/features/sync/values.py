"""Words of the sync room: what can be synced, in which stages, and the jobs that do it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Final, Literal
from uuid import UUID

from ringfence.jobqueue.jobs import Job

Kind = Literal["phone_numbers", "messages", "calls", "full", "sweep"]
Stage = Literal["phone_numbers", "messages", "media", "calls", "recordings"]
Mended = Literal["texts_recovered", "texts_added", "statuses_fixed", "prices_filled", "calls_added"]

KINDS: Final[tuple[Kind, ...]] = ("phone_numbers", "messages", "calls", "full", "sweep")
STATES: Final = ("queued", "running", "done", "failed")
STAGES: Final[Mapping[Kind, tuple[Stage, ...]]] = {
    "phone_numbers": ("phone_numbers",),
    "messages": ("messages", "media"),
    "calls": ("calls", "recordings"),
    "full": ("phone_numbers", "messages", "media", "calls", "recordings"),
    "sweep": ("messages", "media", "calls", "recordings"),
}

OVERLAP: Final = timedelta(days=1)
"""How far a sync reaches back behind the last one: Twilio's list may lag, and statuses and prices come late."""
SWEEP_OVERLAP: Final = timedelta(minutes=15)
"""The same for the standing sweep, which looks every few minutes."""
FIRST_SWEEP: Final = timedelta(days=1)
"""How far the first sweep, or the first one after a long time, looks back; never before the account was connected."""
DEEP_EVERY: Final = timedelta(hours=6)
DEEP_LOOK: Final = timedelta(days=3)
"""Every so often the sweep looks so far back, for statuses and prices that Twilio settled late."""
JUST_ARRIVED: Final = timedelta(minutes=2)
"""So young an inbound text may have its webhook on the way: whoever is first, it is a new text and no history."""
MOST_FAILURES: Final = 20
"""How often in a row Twilio may fail to answer before a run is given up; the waits between grow to 15 minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSync(Job):
    """Do a piece of one run, and put the next piece into the queue."""

    kind: ClassVar[str] = "sync.run"
    run_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginSweep(Job):
    """Begin the company's standing sweep, and see to runs that stand still."""

    kind: ClassVar[str] = "sync.begin_sweep"


@dataclass(slots=True, kw_only=True)
class Counts:
    """What one stage did. `changed` are rows about which something was new; `skipped` says why, and how many."""

    seen: int = 0
    added: int = 0
    changed: int = 0
    recovered: int = 0
    statuses_fixed: int = 0
    prices_filled: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])

    def onto(self, before: Mapping[str, Any] | None) -> dict[str, Any]:
        """The sum with what the stage counted before, as JSON values."""
        old = before or {}
        numbers = ("seen", "added", "changed", "recovered", "statuses_fixed", "prices_filled")
        total: dict[str, Any] = {name: int(old.get(name, 0)) + int(getattr(self, name)) for name in numbers}
        skipped: dict[str, int] = old.get("skipped", {})
        total["skipped"] = dict(Counter(skipped) + self.skipped)
        return total

    def mended(self) -> dict[Mended, int]:
        """What of it a standing sweep mended, of the stage of texts."""
        return {
            "texts_recovered": self.recovered,
            "texts_added": self.added,
            "statuses_fixed": self.statuses_fixed,
            "prices_filled": self.prices_filled,
        }
