"""Bodies and answers of scheduled texts."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, NaiveDatetime, StringConstraints, model_validator

from ringfence.features.messages.schemas import MediaIds, MediaURL, Spelled
from ringfence.features.messages.values import addresses_of, uploads_of
from ringfence.features.scheduling.model import ScheduledText
from ringfence.features.templates.schemas import Variables
from ringfence.web.schemas import Answer, Body

WrittenBody = Annotated[str, StringConstraints(max_length=20_000)]
Moment = Annotated[AwareDatetime | None, Field(description="When to send it, with an offset such as -07:00 or Z.")]
LocalTime = Annotated[
    NaiveDatetime | None,
    Field(description="When to send it by the recipient's clock, without offset, instead of scheduled_at."),
]


class ScheduleBody(Body):
    """A text for later, to one person."""

    to: Spelled = Field(description="As people write it; read in the company's default region.")
    body: WrittenBody = ""
    template_id: UUID | None = Field(default=None, description="A template to fill in when its time comes.")
    variables: Variables = Field(default_factory=dict)
    from_number: Spelled | None = None
    contact_id: UUID | None = None
    media_urls: list[MediaURL] = Field(default=[])
    media_ids: MediaIds = Field(default=[])
    scheduled_at: Moment = None
    local_time: LocalTime = None
    cancel_if_reply: bool = Field(default=False, description="Cancel it when the recipient texts before its time.")

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.scheduled_at is None) == (self.local_time is None):
            raise ValueError("give scheduled_at or local_time")
        if self.template_id is not None and self.body:
            raise ValueError("give body or template_id, not both")
        if self.template_id is None and self.variables:
            raise ValueError("variables are for a template: give template_id")
        return self


class ScheduleChange(Body):
    """Changes of a pending text: fields that are left out stay. A new body takes a template's place."""

    body: WrittenBody | None = None
    media_urls: list[MediaURL] | None = None
    media_ids: MediaIds | None = None
    from_number: Spelled | None = None
    scheduled_at: Moment = None
    local_time: LocalTime = None
    cancel_if_reply: bool | None = None

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if self.scheduled_at is not None and self.local_time is not None:
            raise ValueError("give scheduled_at or local_time, not both")
        return self


class ScheduledAnswer(Answer):
    """A scheduled text. `message_id` is the text that it became, `code` and `reason` why it did not.

    `local_time` and `zones` are how `due_at` came about when the recipient's clock was meant.
    """

    id: UUID
    status: str
    to_number: str
    from_number: str | None
    contact_id: UUID | None
    body: str
    template_id: UUID | None
    variables: dict[str, Any]
    media_urls: list[str]
    media_ids: list[UUID]
    due_at: datetime
    local_time: str | None
    zones: list[str]
    cancel_if_reply: bool
    code: str | None
    reason: str | None
    message_id: UUID | None
    actor_kind: str
    actor_id: UUID | None
    actor_name: str
    created_at: datetime
    updated_at: datetime
    settled_at: datetime | None

    @classmethod
    def about(cls, scheduled: ScheduledText) -> Self:
        """The answer for a stored row."""
        kept = {name: getattr(scheduled, name) for name in cls.model_fields if name not in {"media_ids", "media_urls"}}
        written = scheduled.media_urls
        return cls(**kept, media_urls=addresses_of(written), media_ids=uploads_of(written))
