"""Tables of the outgoing webhooks room."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.features.outgoing_webhooks.values.kinds import DELIVERY_STATES, DISABLED_REASONS, ENDPOINT_STATUSES
from ringfence.tenancy.tables import TenantTable, directory_table, one_of, tenant_args, tenant_reference


class WebhookEndpoint(TenantTable, Base):
    """An address that a company's events go to. Secrets are sealed; the old one signs too until it ends.

    `failures` counts attempts that failed in a row, and `paused_until` is how long it is left alone because of them.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = tenant_args(
        one_of("status", ENDPOINT_STATUSES),
        one_of("disabled_reason", DISABLED_REASONS),
        CheckConstraint("(status = 'disabled') = (disabled_reason IS NOT NULL)", name="disabled_for_a_reason"),
        tenant_reference("created_by", "users", ondelete="SET NULL"),
        Index(None, "company_id", "created_at", "id"),
    )

    url: Mapped[str]
    description: Mapped[str]
    kinds: Mapped[list[str]]
    status: Mapped[str] = mapped_column(server_default="active", default="active")
    disabled_reason: Mapped[str | None] = mapped_column(default=None)
    disabled_at: Mapped[datetime | None] = mapped_column(default=None)
    sealed_secret: Mapped[str]
    sealed_old_secret: Mapped[str | None] = mapped_column(default=None)
    old_secret_until: Mapped[datetime | None] = mapped_column(default=None)
    failures: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    failing_since: Mapped[datetime | None] = mapped_column(default=None)
    paused_until: Mapped[datetime | None] = mapped_column(default=None)
    created_by: Mapped[UUID | None] = mapped_column(default=None)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WebhookDelivery(TenantTable, Base):
    """One event on its way to one endpoint, and what came of the last attempt.

    Holds ids and what the event said in a word or two, never content: that is read again when it goes out. While an
    attempt is under way `claimed_until` (and `due_at`) say until when it is somebody's; whoever reports names it.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = tenant_args(
        one_of("state", DELIVERY_STATES),
        tenant_reference("endpoint_id", "webhook_endpoints", ondelete="CASCADE"),
        UniqueConstraint("company_id", "endpoint_id", "event_id"),
        Index(
            "ix_webhook_deliveries_pending",
            "company_id",
            "endpoint_id",
            "due_at",
            "id",
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_webhook_deliveries_claimed",
            "company_id",
            "endpoint_id",
            "claimed_until",
            postgresql_where=text("claimed_until IS NOT NULL"),
        ),
        Index(None, "company_id", "endpoint_id", "created_at", "id"),
        Index(None, "company_id", "created_at"),
    )

    endpoint_id: Mapped[UUID]
    event_id: Mapped[UUID]
    kind: Mapped[str]
    event_at: Mapped[datetime]
    subject_id: Mapped[UUID]
    facts: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default="pending", default="pending")
    due_at: Mapped[datetime]
    claimed_until: Mapped[datetime | None] = mapped_column(default=None)
    attempts: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    attempted_at: Mapped[datetime | None] = mapped_column(default=None)
    settled_at: Mapped[datetime | None] = mapped_column(default=None)
    response_status: Mapped[int | None] = mapped_column(default=None)
    response_excerpt: Mapped[str | None] = mapped_column(default=None)
    duration_ms: Mapped[int | None] = mapped_column(default=None)
    failure: Mapped[str | None] = mapped_column(default=None)
    replayed_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime]


class WebhookDue(Base):
    """When a company's pending deliveries are to be looked at next. No content."""

    __tablename__ = "webhook_due"
    __table_args__ = (
        Index(None, "next_due"),
        {"info": directory_table("which companies have deliveries under way, and when the next is due")},
    )

    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id"), primary_key=True)
    next_due: Mapped[datetime]
