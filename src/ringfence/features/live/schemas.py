"""What a stream says."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from ringfence.features.events.values import Kind
from ringfence.web.schemas import Answer


class EventAnswer(Answer):
    """Something changed. What it is now, the API tells whoever may see it."""

    kind: Kind
    subject_id: UUID
    conversation_id: UUID | None
    at: datetime


StreamKind = Literal["stream.started", "stream.reset", "stream.ended"]


class StreamAnswer(Answer):
    """About the stream itself.

    `stream.started`: it begins now. `stream.reset`: events are gone that the client has not heard; it begins now, and
    what is on the screen has to be read again. `stream.ended`: the caller's rights have changed; a new stream has the
    new ones.
    """

    kind: StreamKind
