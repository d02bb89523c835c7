"""Words of scheduled texts."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final

from ringfence.jobqueue.jobs import Job

STATUSES = ("pending", "sent", "failed", "canceled", "expired")
"""pending: its time has not come. sent: it became a text, whose own status tells the rest. The others never did."""

FURTHEST: Final = timedelta(days=730)
"""How far ahead a text can be scheduled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDue(Job):
    """Make texts of what the company has scheduled and whose time has come."""

    kind: ClassVar[str] = "scheduling.send_due"
