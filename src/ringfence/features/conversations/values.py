"""Words of conversations."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal
from uuid import UUID

from ringfence.jobqueue.jobs import Job

Direction = Literal["inbound", "outbound"]
State = Literal["open", "snoozed", "done"]

STATES: Final = ("open", "snoozed", "done")
LONGEST_SNOOZE: Final = timedelta(days=366)
RESTORABLE_FOR: Final = timedelta(days=30)
"""How long a deleted conversation can be had back; then its content is gone."""
COUNTED_UP_TO: Final = 100
"""Counts of tabs stop here: what is shown is 99+."""
MOST_AT_ONCE: Final = 100
"""How many conversations one request changes."""

_PREVIEW_LENGTH: Final = 140


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks at conversations. One that does not see all sees those of `user_id` and those of nobody.

    An API key acts for no person, so `user_id` is None; a key that does not manage sees those of nobody only.
    """

    user_id: UUID | None
    sees_all: bool


THE_COMPANY: Final = Viewer(user_id=None, sees_all=True)
"""What the server does for the company itself: webhooks, jobs, scheduled and automatic texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a conversation stands: what people set, and an answer or a due snooze changes."""

    state: State
    snoozed_until: datetime | None = None
    assigned_to: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a person changes; None leaves a thing as it is. `assign` says whether `assigned_to` is meant at all."""

    state: State | None = None
    snoozed_until: datetime | None = None
    assign: bool = False
    assigned_to: UUID | None = None


def changed(standing: Standing, change: Change) -> Standing:
    """Where a conversation stands after a change.

    Closing it clears the assignee (so that an answer comes to whoever is free) unless the change names one. A new
    owner leaves the state alone.
    """
    state = change.state or standing.state
    assigned_to = standing.assigned_to
    if change.assign:
        assigned_to = change.assigned_to
    elif change.state == "done":
        assigned_to = None
    until = change.snoozed_until if change.state == "snoozed" else standing.snoozed_until
    return Standing(state=state, snoozed_until=until if state == "snoozed" else None, assigned_to=assigned_to)


def preview_of(body: str, num_media: int) -> str:
    """One line that stands for a text in the list of conversations."""
    line = " ".join(body.split())
    if not line and num_media:
        return "1 attachment" if num_media == 1 else f"{num_media} attachments"
    return line if len(line) <= _PREVIEW_LENGTH else line[: _PREVIEW_LENGTH - 1] + "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSnooze(Job):
    """The time of one conversation's snooze has come."""

    kind: ClassVar[str] = "conversations.end_snooze"
    conversation_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeConversation(Job):
    """A deleted conversation can no longer be restored: remove its content."""

    kind: ClassVar[str] = "conversations.purge"
    conversation_id: UUID
