"""Tables of the inbox room."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.features.audit_log.model import ACTOR_KINDS
from ringfence.tenancy.tables import TenantTable, one_of, tenant_args, tenant_reference


class Note(TenantTable, Base):
    """What somebody wrote into a conversation for their colleagues. It never goes to Twilio."""

    __tablename__ = "conversation_notes"
    __table_args__ = tenant_args(
        one_of("actor_kind", ACTOR_KINDS),
        tenant_reference("conversation_id", "conversations", ondelete="CASCADE"),
        Index(
            "ix_conversation_notes_kept",
            *("company_id", "conversation_id", "created_at", "id"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    conversation_id: Mapped[UUID]
    body: Mapped[str]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)
