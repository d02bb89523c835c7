"""Tables of the Twilio settings room."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.tenancy.tables import TenantTable, directory_table, one_of, tenant_args, tenant_reference

SETTINGS_STATUSES = ("verified", "unverified", "suspended")


class TwilioSettings(TenantTable, Base):
    """One row a company: the account, the sealed token, the unguessable webhook path, and its state."""

    __tablename__ = "twilio_settings"
    __table_args__ = tenant_args(
        one_of("status", SETTINGS_STATUSES),
        CheckConstraint("account_sid ~ '^AC[0-9a-fA-F]{32}$'", name="account_sid"),
        UniqueConstraint("company_id"),
    )

    account_sid: Mapped[str]
    sealed_auth_token: Mapped[str]
    auth_token_last4: Mapped[str]
    friendly_name: Mapped[str]
    status: Mapped[str]
    status_reason: Mapped[str | None] = mapped_column(default=None)
    verified_at: Mapped[datetime | None] = mapped_column(default=None)
    webhook_path: Mapped[str]
    webhooks_set_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class DirectoryConnection(Base):
    """Hash of a webhook path → company and connection."""

    __tablename__ = "directory_connections"
    __table_args__ = (
        tenant_reference("twilio_settings_id", "twilio_settings", ondelete="CASCADE"),
        {"info": directory_table("webhook path hash to connection")},
    )

    path_hash: Mapped[bytes] = mapped_column(primary_key=True)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id"))
    twilio_settings_id: Mapped[UUID]
