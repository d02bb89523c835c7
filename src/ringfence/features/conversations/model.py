"""Tables of the conversations room."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.features.conversations.values import STATES
from ringfence.tenancy.tables import CompanyColumn, TenantTable, one_of, tenant_args, tenant_reference

_KEPT = "deleted_at IS NULL"


class Conversation(TenantTable, Base):
    """A thread; its last text and unread count are kept here so that the inbox is one index scan.

    `unread_count` is the texts that nobody has read; who has read what is in `ConversationRead`. Each of the four
    partial indexes is one way into the list, in its order; a text moves its conversation in three of them.
    """

    __tablename__ = "conversations"
    __table_args__ = tenant_args(
        one_of("state", STATES),
        tenant_reference("phone_number_id", "phone_numbers"),
        tenant_reference("contact_id", "contacts", ondelete="SET NULL"),
        tenant_reference("assigned_to", "users", ondelete="SET NULL"),
        UniqueConstraint("company_id", "phone_number_id", "outside_number"),
        Index("ix_conversations_state", "company_id", "state", "last_message_at", "id", postgresql_where=text(_KEPT)),
        Index(
            "ix_conversations_mine",
            *("company_id", "assigned_to", "state", "last_message_at", "id"),
            postgresql_where=text(f"assigned_to IS NOT NULL AND {_KEPT}"),
        ),
        Index(
            "ix_conversations_unassigned",
            *("company_id", "state", "last_message_at", "id"),
            postgresql_where=text(f"assigned_to IS NULL AND {_KEPT}"),
        ),
        Index(
            "ix_conversations_number",
            *("company_id", "phone_number_id", "state", "last_message_at", "id"),
            postgresql_where=text(_KEPT),
        ),
        Index(
            "ix_conversations_deleted",
            *("company_id", "deleted_at", "id"),
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
        Index(None, "company_id", "outside_number"),
        Index(None, "company_id", "contact_id"),
    )

    phone_number_id: Mapped[UUID]
    outside_number: Mapped[str]
    contact_id: Mapped[UUID | None] = mapped_column(default=None)
    state: Mapped[str] = mapped_column(server_default="open")
    snoozed_until: Mapped[datetime | None] = mapped_column(default=None)
    assigned_to: Mapped[UUID | None] = mapped_column(default=None)
    last_message_at: Mapped[datetime]
    last_inbound_at: Mapped[datetime | None] = mapped_column(default=None)
    last_direction: Mapped[str]
    last_preview: Mapped[str]
    unread_count: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)


class ConversationRead(CompanyColumn, Base):
    """Up to when one person has read one conversation. No row: not since they joined the company."""

    __tablename__ = "conversation_reads"
    __table_args__ = tenant_args(
        tenant_reference("conversation_id", "conversations", ondelete="CASCADE"),
        tenant_reference("user_id", "users", ondelete="CASCADE"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(primary_key=True)
    read_until: Mapped[datetime]
