"""Tables of bulk sends: the send, what became of each recipient, the counts, and which companies have some due."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.features.audit_log.model import ACTOR_KINDS
from ringfence.features.bulk.values.sends import CANARY_STATES, RECIPIENT_STATES, STATUSES
from ringfence.tenancy.tables import (
    CompanyColumn,
    TenantTable,
    directory_table,
    one_of,
    tenant_args,
    tenant_reference,
)


class BulkSend(TenantTable, Base):
    """One text to everybody on a list.

    `position` is the cursor: recipients up to it have been dealt with, those behind it have not been touched; `taken`
    counts them (in a retry, whose recipients are some of another send's, they differ). `rehearsed` is how far the
    rehearsal is. `code` and `reason` say why it is paused.
    """

    __tablename__ = "bulk_sends"
    __table_args__ = tenant_args(
        one_of("status", STATUSES),
        one_of("canary", CANARY_STATES),
        one_of("actor_kind", ACTOR_KINDS),
        CheckConstraint("taken <= recipients_count", name="taken"),
        tenant_reference("list_id", "bulk_lists"),
        tenant_reference("template_id", "sms_templates"),
        tenant_reference("retry_of", "bulk_sends"),
        Index(None, "company_id", "created_at", "id"),
        Index(
            "ix_bulk_sends_open",
            "company_id",
            "topped_up_at",
            postgresql_where=text("status IN ('scheduled', 'running')"),
        ),
    )

    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="draft")
    code: Mapped[str | None] = mapped_column(default=None)
    reason: Mapped[str | None] = mapped_column(default=None)
    list_id: Mapped[UUID]
    # In the language of templates; of a template, what it said when it was rehearsed.
    body: Mapped[str]
    template_id: Mapped[UUID | None]
    variables: Mapped[dict[str, Any]]
    scheduled_at: Mapped[datetime | None]
    retry_of: Mapped[UUID | None] = mapped_column(default=None)
    retry_unconfirmed: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    canary: Mapped[str]
    canary_size: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    # Since when nothing of the canary waits any more: receipts get so long.
    canary_at: Mapped[datetime | None] = mapped_column(default=None)
    canary_wait_seconds: Mapped[int]
    most_failed_percent: Mapped[int]
    most_opt_out_percent: Mapped[int]
    recipients_count: Mapped[int]
    rehearsed: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    rehearsal: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    rehearsed_at: Mapped[datetime | None] = mapped_column(default=None)
    position: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    taken: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    opt_outs: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    topped_up_at: Mapped[datetime | None] = mapped_column(default=None)
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None] = mapped_column(default=None)
    finished_at: Mapped[datetime | None] = mapped_column(default=None)


class BulkSender(CompanyColumn, Base):
    """One of the numbers that a bulk send goes out from."""

    __tablename__ = "bulk_senders"
    __table_args__ = tenant_args(
        tenant_reference("bulk_send_id", "bulk_sends", ondelete="CASCADE"),
        tenant_reference("phone_number_id", "phone_numbers"),
    )

    bulk_send_id: Mapped[UUID] = mapped_column(primary_key=True)
    phone_number_id: Mapped[UUID] = mapped_column(primary_key=True)


class BulkRecipient(CompanyColumn, Base):
    """What became of one recipient of a bulk send: at most one text. The key is what makes it so.

    There is no row for recipients behind the cursor.
    """

    __tablename__ = "bulk_recipients"
    __table_args__ = (
        one_of("state", RECIPIENT_STATES),
        tenant_reference("bulk_send_id", "bulk_sends", ondelete="CASCADE"),
        tenant_reference("message_id", "sms_messages"),
        Index(
            "uq_bulk_recipients_company_id_message_id",
            "company_id",
            "message_id",
            unique=True,
            postgresql_where=text("message_id IS NOT NULL"),
        ),
        Index(
            "ix_bulk_recipients_waiting",
            "company_id",
            "bulk_send_id",
            "not_before",
            "position",
            postgresql_where=text("state = 'waiting'"),
        ),
        {"info": {"fence": "tenant"}, "postgresql_with": {"fillfactor": 90}},
    )

    bulk_send_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]
    to_number: Mapped[str]
    message_id: Mapped[UUID | None] = mapped_column(default=None)
    code: Mapped[str | None] = mapped_column(default=None)
    reason: Mapped[str | None] = mapped_column(default=None)
    not_before: Mapped[datetime | None] = mapped_column(default=None)
    updated_at: Mapped[datetime]


class BulkCount(CompanyColumn, Base):
    """How many recipients of a bulk send stand at a status, for a reason (`code`, empty for none)."""

    __tablename__ = "bulk_counts"
    __table_args__ = tenant_args(tenant_reference("bulk_send_id", "bulk_sends", ondelete="CASCADE"))

    bulk_send_id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    recipients: Mapped[int]


class BulkDue(Base):
    """When a company's bulk sends are to be looked at next. No content."""

    __tablename__ = "bulk_due"
    __table_args__ = (
        Index(None, "next_due"),
        {"info": directory_table("which companies have bulk sends under way, and when to look at them next")},
    )

    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id"), primary_key=True)
    next_due: Mapped[datetime]


class SegmentPrice(CompanyColumn, Base):
    """What one segment to a country costs the company, in millionths of a unit of the currency."""

    __tablename__ = "segment_prices"
    __table_args__ = tenant_args(CheckConstraint("micros >= 0", name="micros"))

    country: Mapped[str] = mapped_column(primary_key=True)
    micros: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    updated_at: Mapped[datetime]
