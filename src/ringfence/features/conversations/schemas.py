"""Bodies and answers of conversations."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from ringfence.features.conversations.values import MOST_AT_ONCE, RESTORABLE_FOR, Change, Standing, State
from ringfence.web.schemas import Answer, Body


class PersonAnswer(Answer):
    """The contact at the other end."""

    id: UUID
    first_name: str
    last_name: str
    organisation: str | None


class ConversationAnswer(Answer):
    """A thread: one number of the company, one outside number. `contact` is null for unknown senders.

    `unread` is the caller's own: whether they have not read the other side's last text. `unread_count` is how many
    texts nobody has read.
    """

    id: UUID
    phone_number_id: UUID
    phone_number: str
    outside_number: str
    contact: PersonAnswer | None
    state: State
    snoozed_until: datetime | None
    assigned_to: UUID | None
    last_message_at: datetime
    last_inbound_at: datetime | None
    last_direction: str
    last_preview: str
    unread: bool
    unread_count: int
    created_at: datetime


class StandingAnswer(Answer):
    """Where a conversation stood: sent back with PATCH, that undoes a change."""

    state: State
    snoozed_until: datetime | None
    assigned_to: UUID | None


class ChangedAnswer(ConversationAnswer):
    """A conversation after a change, and where it stood before."""

    before: StandingAnswer

    @classmethod
    def made_of(cls, thread: object, before: Standing) -> Self:
        """The answer for a changed conversation."""
        shown = ConversationAnswer.of(thread)
        return cls(**shown.model_dump(), before=StandingAnswer.of(before))


class DeletedAnswer(ConversationAnswer):
    """A deleted conversation, and until when it can be restored."""

    deleted_at: datetime
    restorable_until: datetime

    @classmethod
    def made_of(cls, thread: object, deleted_at: datetime) -> Self:
        """The answer for a deleted conversation."""
        shown = ConversationAnswer.of(thread)
        return cls(**shown.model_dump(), deleted_at=deleted_at, restorable_until=deleted_at + RESTORABLE_FOR)


class ChangeBody(Body):
    """What to change; what is left out stays. `assigned_to: null` takes the conversation from its owner.

    `done` clears the owner unless the same change names one.
    """

    state: State | None = None
    snoozed_until: AwareDatetime | None = Field(default=None, description="With offset; only with state snoozed.")
    assigned_to: UUID | None = Field(default=None, description="An active person of the company, or null.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.state is None and "assigned_to" not in self.model_fields_set:
            raise ValueError("say what to change: state or assigned_to")
        return self

    def change(self) -> Change:
        """The change that is wanted."""
        return Change(
            state=self.state,
            snoozed_until=self.snoozed_until,
            assign="assigned_to" in self.model_fields_set,
            assigned_to=self.assigned_to,
        )


class ChangeManyBody(ChangeBody):
    """The same change to several conversations."""

    ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_AT_ONCE)]


class ChangedManyAnswer(Answer):
    """Those that were changed; `not_found` are ids that stand for no conversation that the caller may see."""

    items: list[ChangedAnswer]
    not_found: list[UUID]


class CountsAnswer(Answer):
    """Conversations under each tab. Counted up to 100: show that as 99+.

    `open`, `mine`, `unassigned` and `unread` (the caller's own) are open ones; unread are among the latest 1,000.
    """

    open: int
    mine: int
    unassigned: int
    unread: int
    snoozed: int
    done: int
