"""Which events of the company's log become which kinds of webhooks, and how an event is known outside."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid5

from ringfence.features.events.values import Kind
from ringfence.features.outgoing_webhooks.values.kinds import EventKind

READER: Final = "outgoing_webhooks"
"""The name under which the event log is read."""

_OF_LOG: Final[dict[Kind, EventKind]] = {
    "message.received": "message.received",
    "message.created": "message.status_changed",
    "message.status": "message.status_changed",
    "optout.changed": "opt_out.changed",
    "call.status": "call.ended",
}

KIND_OF: Final[Mapping[str, EventKind]] = {str(kind): outside for kind, outside in _OF_LOG.items()}

KEPT_WHILE_OFF: Final = timedelta(days=30)
"""For how long events are kept, to be replayed, for an endpoint that is off."""

# Between two looks at the log of a company: short while something happens, longer when all has been quiet for a time.
_SHORTEST_LOOK: Final = timedelta(seconds=1)
_LONGEST_LOOK: Final = timedelta(seconds=10)


def event_id(kind: EventKind, subject_id: UUID, outcome: str) -> UUID:
    """The id of an event: made of what happened to what, so that the same news told twice is one event."""
    return uuid5(subject_id, f"{kind}:{outcome}")


def look_after(quiet: timedelta) -> timedelta:
    """How long to wait with the next look at a log in which nothing has happened for so long."""
    return min(max(quiet / 10, _SHORTEST_LOOK), _LONGEST_LOOK)
