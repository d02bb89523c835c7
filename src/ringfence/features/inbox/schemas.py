"""Bodies and answers of the inbox."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import StringConstraints

from ringfence.features.calls.schemas import CallAnswer
from ringfence.features.conversations.schemas import ConversationAnswer
from ringfence.features.messages.schemas import MessageAnswer
from ringfence.features.scheduling.schemas import ScheduledAnswer
from ringfence.web.schemas import Answer, Body

NoteText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000)]


class NoteBody(Body):
    """A note for colleagues."""

    body: NoteText


class NoteAnswer(Answer):
    """A note of a conversation, and who wrote it."""

    id: UUID
    conversation_id: UUID
    body: str
    actor_kind: str
    actor_id: UUID | None
    actor_name: str
    created_at: datetime
    updated_at: datetime


class TimelineItem(Answer):
    """One thing in a conversation: `kind` says which of the three it is."""

    kind: Literal["message", "note", "call"]
    at: datetime
    message: MessageAnswer | None = None
    note: NoteAnswer | None = None
    call: CallAnswer | None = None


class TimelinePage(Answer):
    """Texts, notes and calls of a conversation, newest first.

    `scheduled` (on the first page only) are its texts for later, the next one first, up to 50.
    """

    items: list[TimelineItem]
    scheduled: list[ScheduledAnswer]
    next_cursor: str | None


class SearchPage(Answer):
    """Texts that hold all the words, newest first.

    `conversations` (on the first page only) are up to ten whose contact's name begins so, or whose number has these
    digits. A page can be short, or empty, and still have a next one.
    """

    conversations: list[ConversationAnswer]
    items: list[MessageAnswer]
    next_cursor: str | None
