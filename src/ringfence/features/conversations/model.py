"""Table of the conversations room."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.tenancy.tables import TenantTable, tenant_args, tenant_reference


class Conversation(TenantTable, Base):
    """A thread; its last text and unread count are kept here so that the inbox is one index scan."""

    __tablename__ = "conversations"
    __table_args__ = tenant_args(
        tenant_reference("phone_number_id", "phone_numbers"),
        tenant_reference("contact_id", "contacts", ondelete="SET NULL"),
        UniqueConstraint("company_id", "phone_number_id", "outside_number"),
        Index(None, "company_id", "last_message_at", "id"),
        Index(None, "company_id", "outside_number"),
        tenant_reference("assigned_to", "users", ondelete="SET NULL"),
        Index(None, "company_id", "contact_id"),
    )

    phone_number_id: Mapped[UUID]
    outside_number: Mapped[str]
    contact_id: Mapped[UUID | None] = mapped_column(default=None)
    assigned_to: Mapped[UUID | None] = mapped_column(default=None)
    last_message_at: Mapped[datetime]
    last_direction: Mapped[str]
    last_preview: Mapped[str]
    unread_count: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime]
