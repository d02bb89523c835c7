"""Tables of the scheduling room."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.features.audit_log.model import ACTOR_KINDS
from ringfence.features.scheduling.values import STATUSES
from ringfence.tenancy.tables import TenantTable, directory_table, one_of, tenant_args, tenant_reference


class ScheduledText(TenantTable, Base):
    """A text for later. It becomes one text, or ends with the reason why it did not.

    `due_at` is what counts; `local_time` and `zones` say how it came about when the recipient's clock was meant.
    """

    __tablename__ = "scheduled_sms"
    __table_args__ = tenant_args(
        one_of("status", STATUSES),
        one_of("actor_kind", ACTOR_KINDS),
        tenant_reference("contact_id", "contacts", ondelete="SET NULL"),
        tenant_reference("template_id", "sms_templates"),
        tenant_reference("message_id", "sms_messages"),
        Index("ix_scheduled_sms_pending", "company_id", "due_at", "id", postgresql_where=text("status = 'pending'")),
        Index(
            "ix_scheduled_sms_if_reply",
            "company_id",
            "to_number",
            postgresql_where=text("status = 'pending' AND cancel_if_reply"),
        ),
        Index(None, "company_id", "due_at", "id"),
    )

    to_number: Mapped[str]
    from_number: Mapped[str | None]
    contact_id: Mapped[UUID | None]
    body: Mapped[str]
    template_id: Mapped[UUID | None]
    variables: Mapped[dict[str, Any]]
    # What it carries, as `messages.values.attachments` writes it: uploads too.
    media_urls: Mapped[list[str]]
    due_at: Mapped[datetime]
    local_time: Mapped[str | None]
    zones: Mapped[list[str]]
    cancel_if_reply: Mapped[bool]
    status: Mapped[str] = mapped_column(server_default="pending")
    code: Mapped[str | None] = mapped_column(default=None)
    reason: Mapped[str | None] = mapped_column(default=None)
    message_id: Mapped[UUID | None] = mapped_column(default=None)
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    settled_at: Mapped[datetime | None] = mapped_column(default=None)


class ScheduleDue(Base):
    """When a company's next scheduled text is due. No content."""

    __tablename__ = "schedule_due"
    __table_args__ = (
        Index(None, "next_due"),
        {"info": directory_table("which companies have scheduled texts, and when the next is due")},
    )

    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id"), primary_key=True)
    next_due: Mapped[datetime]
