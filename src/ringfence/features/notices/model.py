"""Tables of the notices room."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.features.notices.values import ABOUT, KINDS, MAILS
from ringfence.tenancy.tables import CompanyColumn, TenantTable, one_of, tenant_args, tenant_reference


class NoticePreferences(CompanyColumn, Base):
    """What a person wants to be told, and how; who has no row has the defaults."""

    __tablename__ = "notice_preferences"
    __table_args__ = tenant_args(
        one_of("email", MAILS), one_of("about", ABOUT), tenant_reference("user_id", "users", ondelete="CASCADE")
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    browser: Mapped[bool]
    email: Mapped[str]
    about: Mapped[str]
    updated_at: Mapped[datetime]


class Notice(TenantTable, Base):
    """Something one person should know. What comes again before it was read is counted, not added. Ids only."""

    __tablename__ = "notices"
    __table_args__ = tenant_args(
        one_of("kind", KINDS),
        tenant_reference("user_id", "users", ondelete="CASCADE"),
        tenant_reference("conversation_id", "conversations", ondelete="CASCADE"),
        Index(
            "uq_notices_unread",
            "company_id",
            "user_id",
            "kind",
            "subject_id",
            unique=True,
            postgresql_where=text("read_at IS NULL"),
        ),
        Index(None, "company_id", "user_id", "updated_at", "id"),
        Index(None, "company_id", "updated_at"),
    )

    user_id: Mapped[UUID]
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    conversation_id: Mapped[UUID | None] = mapped_column(default=None)
    message_id: Mapped[UUID | None] = mapped_column(default=None)
    count: Mapped[int] = mapped_column(server_default=text("1"), default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    read_at: Mapped[datetime | None] = mapped_column(default=None)
    mailed_at: Mapped[datetime | None] = mapped_column(default=None)
