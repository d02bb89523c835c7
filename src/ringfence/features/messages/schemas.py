"""Bodies and answers of texts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, Field, HttpUrl, StringConstraints, UrlConstraints, model_validator

from ringfence.features.messages.model import Media, Message, MessageEvent
from ringfence.features.messages.values import MOST_MEDIA, MOST_UNDO_SECONDS
from ringfence.features.templates.schemas import Variables
from ringfence.web.schemas import Answer, Body

Spelled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


def _without_password(url: HttpUrl) -> HttpUrl:
    if url.username is not None or url.password is not None:
        raise ValueError("the address must not hold a user or password")
    return url


MediaURL = Annotated[HttpUrl, UrlConstraints(max_length=2000), AfterValidator(_without_password)]
MediaIds = Annotated[list[UUID], Field(max_length=MOST_MEDIA, description="Uploads (`POST /api/media`) to attach.")]


class SendBody(Body):
    """A text to one person."""

    to: Spelled = Field(description="As people write it; read in the company's default region.")
    body: str = Field(default="", description="Up to 1600 characters; may be empty with media_urls.")
    template_id: UUID | None = Field(default=None, description="A template to fill in, instead of a body.")
    variables: Variables = Field(default_factory=dict)
    from_number: Spelled | None = Field(
        default=None, description="One of the company's numbers; chosen by the server if left out."
    )
    contact_id: UUID | None = None
    media_urls: list[MediaURL] = Field(default=[], description="Addresses that Twilio can read; up to 10 attachments.")
    media_ids: MediaIds = Field(default=[])
    allow_duplicate: bool = Field(default=False, description="Send it even if the same text has just gone there.")
    undo_seconds: int = Field(
        default=0,
        ge=0,
        le=MOST_UNDO_SECONDS,
        description="How long the text waits as `queued` (see `not_before`), to be taken back by DELETE.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.template_id is not None and self.body:
            raise ValueError("give body or template_id, not both")
        if self.template_id is None and self.variables:
            raise ValueError("variables are for a template: give template_id")
        return self


class RetryBody(Body):
    """How to send a text again."""

    from_number: Spelled | None = Field(default=None, description="Another number of the company, if wanted.")


class UploadAnswer(Answer):
    """A file that waits to be sent. `content_type` is what its bytes say; `keep_until` is how long it waits."""

    id: UUID
    file_name: str
    content_type: str
    size_bytes: int
    keep_until: datetime
    created_at: datetime


class MediaAnswer(Answer):
    """One attachment. `url` is where a stored one is read; null while there is nothing to read."""

    id: UUID
    position: int
    status: str
    content_type: str | None
    size_bytes: int | None
    reason: str | None
    url: str | None


class MessageAnswer(Answer):
    """One text. `reason` says in words why it failed, was refused or waits."""

    id: UUID
    direction: str
    status: str
    from_number: str | None
    to_number: str
    body: str
    encoding: str
    num_segments: int
    num_media: int
    media: list[MediaAnswer]
    conversation_id: UUID | None
    phone_number_id: UUID | None
    contact_id: UUID | None
    source: str
    twilio_sid: str | None
    error_code: int | None
    refusal_code: str | None
    reason: str | None
    not_before: datetime | None
    retry_of: UUID | None
    template_id: UUID | None
    bulk_send_id: UUID | None
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
    accepted_at: datetime | None
    price_micros: int | None = Field(description="What Twilio charged, in millionths; null until it is settled.")
    price_currency: str | None

    @classmethod
    def made_of(cls, message: Message, media: Sequence[Media]) -> Self:
        """The answer for a text and its attachments, in their order."""
        own = {name: getattr(message, name) for name in cls.model_fields if name != "media"}
        return cls(**own, media=[_media_answer(item) for item in media])


class EventAnswer(Answer):
    """One line of a timeline."""

    id: UUID
    at: datetime
    kind: str
    detail: dict[str, Any]

    @classmethod
    def made_of(cls, event: MessageEvent) -> Self:
        """The answer for a line."""
        return cls.of(event)


class Timeline(Answer):
    """Everything that happened to a text, first things first."""

    items: list[EventAnswer]


def _media_answer(item: Media) -> MediaAnswer:
    path = f"/api/sms/messages/{item.message_id}/media/{item.id}"
    return MediaAnswer(
        id=item.id,
        position=item.position,
        status=item.status,
        content_type=item.content_type,
        size_bytes=item.size_bytes,
        reason=item.reason,
        url=path if item.status == "stored" else None,
    )
