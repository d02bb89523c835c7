"""Answers of conversations."""

from datetime import datetime
from uuid import UUID

from ringfence.web.schemas import Answer


class PersonAnswer(Answer):
    """The contact at the other end."""

    id: UUID
    first_name: str
    last_name: str
    organisation: str | None


class ConversationAnswer(Answer):
    """A thread: one number of the company, one outside number. `contact` is null for unknown senders."""

    id: UUID
    phone_number_id: UUID
    phone_number: str
    outside_number: str
    contact: PersonAnswer | None
    assigned_to: UUID | None
    last_message_at: datetime
    last_direction: str
    last_preview: str
    unread_count: int
    created_at: datetime
