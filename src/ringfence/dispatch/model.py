"""Tables of the send engine: small and hot, except the append-only log of intents."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.tenancy.tables import (
    CompanyColumn,
    directory_table,
    global_table,
    one_of,
    tenant_args,
    tenant_reference,
)

OUTBOX_STATES = ("ready", "posting", "unknown")


class OutboxRow(CompanyColumn, Base):
    """A text that is not yet settled. `due_at` is the row's alarm: when somebody has to look at it next.

    ready: may be sent from `due_at` on. posting: an intent stands; still so at `due_at` means that the process died.
    unknown: Twilio may have it; at `due_at` its list is asked, and from `unknown_until` on a person decides.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        one_of("state", OUTBOX_STATES),
        # What a claim looks for: a row of another priority would never be sent.
        CheckConstraint("priority BETWEEN 0 AND 3", name="priority"),
        tenant_reference("message_id", "sms_messages", ondelete="CASCADE"),
        tenant_reference("sender_id", "phone_numbers"),
        Index(
            "ix_outbox_ready",
            "company_id",
            "sender_id",
            "priority",
            "due_at",
            "message_id",
            postgresql_where=text("state = 'ready'"),
        ),
        Index(
            "ix_outbox_alarm",
            "company_id",
            "sender_id",
            "due_at",
            postgresql_where=text("state <> 'ready'"),
        ),
        {
            "info": {"fence": "tenant"},
            "postgresql_with": {
                "fillfactor": 70,
                "autovacuum_vacuum_scale_factor": 0.01,
                "autovacuum_vacuum_threshold": 500,
            },
        },
    )

    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    sender_id: Mapped[UUID]
    priority: Mapped[int]
    segments: Mapped[int]
    state: Mapped[str] = mapped_column(server_default="ready")
    due_at: Mapped[datetime]
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    fence: Mapped[int | None] = mapped_column(BigInteger, default=None)
    unknown_until: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime]


class SendAttempt(CompanyColumn, Base):
    """The intent: written and committed before the first byte goes to Twilio. Never changed."""

    __tablename__ = "send_attempt"
    __table_args__ = tenant_args(
        tenant_reference("message_id", "sms_messages", ondelete="CASCADE"),
    )

    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    fence: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[datetime]


class Lane(Base):
    """One sender with work: when to look at it next and how fast it may send. No content."""

    __tablename__ = "lane"
    __table_args__ = (
        Index(None, "next_due"),
        # The dispatcher divides by it, for all companies.
        CheckConstraint("segments_per_second > 0", name="segments_per_second"),
        {"info": directory_table("which senders have work, and when"), "postgresql_with": {"fillfactor": 50}},
    )

    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id"), primary_key=True)
    sender_id: Mapped[UUID] = mapped_column(primary_key=True)
    next_due: Mapped[datetime]
    segments_per_second: Mapped[Decimal] = mapped_column(Numeric(8, 3))
    paused_until: Mapped[datetime | None] = mapped_column(default=None)


class DispatcherLease(Base):
    """One row: which process sends now. `fence` grows with every take-over."""

    __tablename__ = "dispatcher_lease"
    __table_args__ = ({"info": global_table("which process sends now; no company in it")},)

    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[UUID]
    fence: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[datetime]
    beat_at: Mapped[datetime]
