"""Jobs of the outgoing webhooks room."""

from dataclasses import dataclass
from typing import ClassVar

from ringfence.jobqueue.jobs import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimWebhooks(Job):
    """Delete deliveries that are past keeping, and forget what receivers answered and secrets that have ended."""

    kind: ClassVar[str] = "outgoing_webhooks.trim"
