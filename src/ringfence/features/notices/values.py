"""Words of notices, and the jobs that make and mail them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final, Literal, get_args
from uuid import UUID

from ringfence.features.events.values import StaffNews
from ringfence.jobqueue.jobs import Job

NEW_REPLY: Final = "message.received"
NoticeKind = Literal["message.received"] | StaffNews
KINDS: Final[tuple[str, ...]] = (NEW_REPLY, *get_args(StaffNews))

Mails = Literal["off", "at_once", "digest"]
MAILS: Final[tuple[Mails, ...]] = get_args(Mails)

About = Literal["mine", "unassigned", "all"]
"""Whose replies: one's own conversations; those and nobody's; all that one may see."""
ABOUT: Final[tuple[About, ...]] = get_args(About)

KEPT: Final = timedelta(days=30)
GATHER: Final = timedelta(seconds=60)
"""How long a mail "at once" waits for more to tell."""
BETWEEN_MAILS: Final = timedelta(minutes=5)
DIGEST_HOUR: Final = 8
"""By the company's clock."""
MOST_IN_A_MAIL: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteReply(Job):
    """Tell whoever wants to know of a text that came in."""

    kind: ClassVar[str] = "notices.note_reply"

    message_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MailNotices(Job):
    """Mail a person what they have not read."""

    kind: ClassVar[str] = "notices.mail"

    user_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimNotices(Job):
    """Delete notices that are past keeping."""

    kind: ClassVar[str] = "notices.trim"
