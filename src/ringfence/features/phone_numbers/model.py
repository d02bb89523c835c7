"""Tables of the phone numbers room."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.features.phone_numbers.values import PURCHASE_STATUSES
from ringfence.tenancy.tables import TenantTable, directory_table, one_of, tenant_args, tenant_reference

NUMBER_STATUSES = ("active", "inactive")


class PhoneNumber(TenantTable, Base):
    """One number of the company's Twilio account; released ones stay for their history."""

    __tablename__ = "phone_numbers"
    __table_args__ = tenant_args(
        one_of("status", NUMBER_STATUSES),
        Index(
            "uq_phone_numbers_company_id_phone_number",
            "company_id",
            "phone_number",
            unique=True,
            postgresql_where=text("released_at IS NULL"),
        ),
        Index(
            "uq_phone_numbers_company_id_default",
            "company_id",
            unique=True,
            postgresql_where=text("is_default"),
        ),
    )

    account_sid: Mapped[str]
    twilio_sid: Mapped[str | None]
    phone_number: Mapped[str]
    # What people see here; `twilio_name` is what Twilio calls it. They differ once somebody has renamed it here.
    friendly_name: Mapped[str]
    twilio_name: Mapped[str | None] = mapped_column(default=None)
    country: Mapped[str | None]
    sms: Mapped[bool]
    mms: Mapped[bool]
    voice: Mapped[bool]
    status: Mapped[str] = mapped_column(server_default="active")
    discovered: Mapped[bool] = mapped_column(server_default=text("false"))
    is_default: Mapped[bool] = mapped_column(server_default=text("false"))
    rotation_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    rotation_priority: Mapped[int] = mapped_column(server_default=text("100"))
    segments_per_second: Mapped[Decimal] = mapped_column(Numeric(8, 3), server_default=text("1"))
    sms_url: Mapped[str | None] = mapped_column(default=None)
    last_used_at: Mapped[datetime | None] = mapped_column(default=None)
    synced_at: Mapped[datetime | None] = mapped_column(default=None)
    released_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class NumberPurchase(TenantTable, Base):
    """One wish to buy a number, written down before Twilio is asked, and what became of it.

    While it is open nobody asks Twilio for the same number again: whether it was bought, Twilio's list of the account
    tells.
    """

    __tablename__ = "number_purchases"
    __table_args__ = tenant_args(
        one_of("status", PURCHASE_STATUSES),
        tenant_reference("phone_number_id", "phone_numbers"),
        Index(
            "uq_number_purchases_open",
            "company_id",
            "phone_number",
            unique=True,
            postgresql_where=text("status IN ('buying', 'unknown')"),
        ),
        Index(
            "uq_number_purchases_idempotency_key",
            "company_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        Index(None, "company_id", "phone_number_id", postgresql_where=text("phone_number_id IS NOT NULL")),
    )

    account_sid: Mapped[str]
    phone_number: Mapped[str]
    friendly_name: Mapped[str | None]
    idempotency_key: Mapped[str | None]
    status: Mapped[str]
    twilio_code: Mapped[int | None] = mapped_column(default=None)
    reason: Mapped[str | None] = mapped_column(default=None)
    phone_number_id: Mapped[UUID | None] = mapped_column(default=None)
    requested_by: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class DirectoryNumber(Base):
    """Account and number → the one company that holds it. A number that is taken shows at connect: accepted."""

    __tablename__ = "directory_numbers"
    __table_args__ = (
        tenant_reference("phone_number_id", "phone_numbers", ondelete="CASCADE"),
        UniqueConstraint("company_id", "phone_number_id"),
        Index(
            "uq_directory_numbers_account_sid_phone_number",
            "account_sid",
            "phone_number",
            unique=True,
            postgresql_where=text("released_at IS NULL"),
        ),
        {"info": directory_table("account and number to the company that holds it")},
    )

    phone_number_id: Mapped[UUID] = mapped_column(primary_key=True)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id"))
    account_sid: Mapped[str]
    phone_number: Mapped[str]
    released_at: Mapped[datetime | None] = mapped_column(default=None)
