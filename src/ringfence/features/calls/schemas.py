"""Bodies and answers of calls."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, StringConstraints

from ringfence.features.calls.model import CallLeg, CallRecording, Shown
from ringfence.features.calls.values.twiml import LONGEST_GREETING
from ringfence.web.schemas import Answer, Body

Spelled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
Greeting = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_GREETING)]


class PlaceBody(Body):
    """A call to one person: a number, a contact, or both."""

    to: Spelled | None = Field(default=None, description="As people write it; read in the company's default region.")
    contact_id: UUID | None = None
    from_number: Spelled | None = Field(default=None, description="The company's number to show; chosen if left out.")
    user_id: UUID | None = Field(default=None, description="Whose telephone rings first; for API keys only.")


class RedialBody(Body):
    """Who calls again."""

    user_id: UUID | None = Field(default=None, description="Whose telephone rings first; for API keys only.")


class NotesBody(Body):
    """What to remember of a call."""

    notes: Annotated[str, StringConstraints(max_length=10_000)]


class LegAnswer(Answer):
    """One telephone in a call, in the order in which they were rung."""

    position: int
    role: str
    number: str
    user_id: UUID | None
    status: str
    answered_at: datetime | None
    ended_at: datetime | None
    duration_seconds: int | None

    @classmethod
    def made_of(cls, leg: CallLeg) -> Self:
        """The answer for a leg."""
        return cls.of(leg)


class RecordingAnswer(Answer):
    """The sound of a call, or a message that was left. `url` is null while there is nothing to hear."""

    id: UUID
    kind: str
    status: str
    duration_seconds: int | None
    content_type: str | None
    size_bytes: int | None
    reason: str | None
    url: str | None


class CallAnswer(Answer):
    """One call. `reason` is a stable word for how it ended (`missed`, `contact_busy`, `user_no_answer` …)."""

    id: UUID
    direction: str
    status: str
    reason: str | None
    error_code: int | None
    source: str
    from_number: str
    to_number: str
    phone_number_id: UUID
    conversation_id: UUID | None
    user_id: UUID | None
    contact_id: UUID | None
    redial_of: UUID | None
    notes: str
    created_at: datetime
    updated_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    duration_seconds: int | None
    price_micros: int | None = Field(description="What Twilio charged, in millionths; null until it is settled.")
    price_currency: str | None
    legs: list[LegAnswer]
    recordings: list[RecordingAnswer]

    @classmethod
    def made_of(cls, shown: Shown) -> Self:
        """The answer for a call."""
        call = shown.call
        ours_first = call.direction == "outbound"
        made = {"from_number", "to_number", "conversation_id", "legs", "recordings"}
        return cls(
            **{name: getattr(call, name) for name in cls.model_fields if name not in made},
            from_number=call.our_number if ours_first else call.outside_number,
            to_number=call.outside_number if ours_first else call.our_number,
            conversation_id=shown.conversation_id,
            legs=[LegAnswer.made_of(leg) for leg in shown.legs],
            recordings=[_recording(call.id, item) for item in shown.recordings],
        )


class SettingsAnswer(Answer):
    """How the company telephones. `ring_order` are users: the first one's telephone rings first."""

    record_calls: bool
    block_opted_out: bool
    ring_seconds: int
    voicemail_greeting: str
    ring_order: Sequence[UUID]


class SettingsBody(Body):
    """What to change; a field left out or null stays as it is."""

    record_calls: bool | None = None
    block_opted_out: bool | None = Field(default=None, description="Whether opt-outs of texts stop calls too.")
    ring_seconds: Annotated[int, Field(ge=5, le=120)] | None = None
    voicemail_greeting: Greeting | None = Field(default=None, description="Empty: a plain one in English.")
    ring_order: Annotated[list[UUID], Field(max_length=50)] | None = None


def _recording(call_id: UUID, item: CallRecording) -> RecordingAnswer:
    path = f"/api/calls/{call_id}/recording?recording_id={item.id}"
    return RecordingAnswer(
        id=item.id,
        kind=item.kind,
        status=item.status,
        duration_seconds=item.duration_seconds,
        content_type=item.content_type,
        size_bytes=item.size_bytes,
        reason=item.reason,
        url=path if item.status == "stored" else None,
    )
