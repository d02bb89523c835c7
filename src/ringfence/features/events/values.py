"""Kinds of live events. The list is closed: what is not in it cannot be emitted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final, Literal
from uuid import UUID

from ringfence.jobqueue.jobs import Job

Kind = Literal[
    "message.received",
    "message.created",
    "message.status",
    "message.changed",
    "conversation.changed",
    "scheduled.changed",
    "call.incoming",
    "call.status",
    "optout.changed",
    "bulk.progress",
    "sync.progress",
    "notice.created",
]

KINDS: Final[Mapping[Kind, str]] = {
    "message.received": "a text came in; the subject is the text",
    "message.created": "a text was handed in to be sent (or refused at once); the subject is the text",
    "message.status": "a text's status moved on; the subject is the text",
    "message.changed": "something else about a text changed, such as an attachment, or it was deleted",
    "conversation.changed": "a thread was read, assigned, closed, noted on, deleted; the subject is the thread",
    "scheduled.changed": "a scheduled text was made, changed, or came to its end; the subject is the scheduled text",
    "call.incoming": "somebody calls; the subject is the call",
    "call.status": "a call's state moved on; the subject is the call",
    "optout.changed": "a number opted out or in again; the subject is the opt-out",
    "bulk.progress": "a bulk send moved on; the subject is the bulk send",
    "sync.progress": "a sync with Twilio moved on; the subject is the sync run",
    "notice.created": "a person has a new notice; the subject is the notice, which only they can read",
}
"""What each kind says. The subject is always an id, to be read through the API by whoever may."""

KEEP: Final = timedelta(hours=1)
"""For how long an event can be resumed from."""

KEEP_FOR_READERS: Final = timedelta(days=3)
"""For how long an event is kept for a registered reader that has not come to it: then its worker is taken for gone."""

MOST_KEPT: Final = 100_000
"""Of how many events of one company, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimEvents(Job):
    """Delete the company's events that nobody can resume from any more."""

    kind: ClassVar[str] = "events.trim"


StaffNews = Literal["conversation.assigned", "bulk.paused", "webhook.disabled", "twilio.failing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TellStaff(Job):
    """Tell one person, or without one the company's admins. Any room enqueues it in the transaction of the news.

    The notices room, above all others, does it: news travels upwards as data.
    """

    kind: ClassVar[str] = "notices.tell_staff"

    news: StaffNews
    subject_id: UUID
    conversation_id: UUID | None = None
    user_id: UUID | None = None
