"""Bodies and answers of outgoing webhooks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from ringfence.features.outgoing_webhooks.model import WebhookDelivery, WebhookEndpoint
from ringfence.features.outgoing_webhooks.values.kinds import EndpointStatus, EventKind
from ringfence.features.outgoing_webhooks.values.signing import webhook_id
from ringfence.web.schemas import Answer, Body

Address = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Description = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Kinds = Annotated[list[EventKind], Field(min_length=1, max_length=20)]


class EndpointWrite(Body):
    """A new endpoint."""

    url: Address = Field(description="https, and a host of the public internet unless the operator allows others.")
    description: Description = ""
    kinds: Kinds = Field(description="The events that it gets.")


class EndpointChange(Body):
    """What to change; a field left out or null stays as it is."""

    url: Address | None = None
    description: Description | None = None
    kinds: Kinds | None = None
    status: EndpointStatus | None = Field(
        default=None, description="`active` also turns on again what was turned off by rule."
    )


class EndpointAnswer(Answer):
    """An endpoint. `failures` counts attempts that failed in a row; `disabled_reason` says why it is off."""

    id: UUID
    url: str
    description: str
    kinds: list[str]
    status: str
    disabled_reason: str | None
    disabled_at: datetime | None
    failures: int
    failing_since: datetime | None
    paused_until: datetime | None
    old_secret_until: datetime | None
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime


class EndpointWithSecret(EndpointAnswer):
    """The same with its signing secret, which is shown this once."""

    secret: str

    @classmethod
    def made_of(cls, endpoint: WebhookEndpoint, secret: str) -> Self:
        """The answer for an endpoint whose secret was just made."""
        return cls(**EndpointAnswer.of(endpoint).model_dump(), secret=secret)


class DeliveryAnswer(Answer):
    """A delivery and its last attempt. `failure` is a stable word for why there was no answer.

    `next_attempt_at` is null when there will be none; `response_excerpt` is the beginning of what the receiver said.
    """

    id: UUID
    endpoint_id: UUID
    webhook_id: str
    kind: str
    subject_id: UUID
    event_at: datetime
    state: str
    attempts: int
    attempted_at: datetime | None
    next_attempt_at: datetime | None
    settled_at: datetime | None
    response_status: int | None
    response_excerpt: str | None
    duration_ms: int | None
    failure: str | None
    replayed_at: datetime | None
    created_at: datetime

    @classmethod
    def made_of(cls, row: WebhookDelivery) -> Self:
        """The answer for a delivery."""
        derived = {"webhook_id", "next_attempt_at"}
        return cls(
            **{name: getattr(row, name) for name in cls.model_fields if name not in derived},
            webhook_id=webhook_id(row.event_id),
            next_attempt_at=row.due_at if row.state == "pending" else None,
        )


class ReplayWrite(Body):
    """Which deliveries to make again."""

    since: AwareDatetime = Field(description="With offset. Deliveries made from then on; the log keeps 30 days.")
    include_delivered: bool = Field(
        default=False, description="Also those that were delivered; otherwise the failed and skipped ones."
    )


class ReplayAnswer(Answer):
    """How many go out again. With `has_more` the same request again replays the next ones."""

    replayed: int
    has_more: bool


def answers(rows: Sequence[WebhookDelivery]) -> list[DeliveryAnswer]:
    """The answers for a page of the log."""
    return [DeliveryAnswer.made_of(row) for row in rows]
