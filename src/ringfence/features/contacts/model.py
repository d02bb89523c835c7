"""Table of the contacts room."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.tenancy.tables import TenantTable, tenant_args


class Contact(TenantTable, Base):
    """An outside person; `phone_number` is E.164 and unique among the company's contacts."""

    __tablename__ = "contacts"
    __table_args__ = tenant_args(
        Index(
            "uq_contacts_company_id_phone_number",
            "company_id",
            "phone_number",
            unique=True,
            postgresql_where=text("deleted_at IS NULL AND phone_number IS NOT NULL"),
        ),
        Index(None, "company_id", "created_at", "id"),
    )

    first_name: Mapped[str] = mapped_column(server_default="")
    last_name: Mapped[str] = mapped_column(server_default="")
    email: Mapped[str | None] = mapped_column(default=None)
    phone_number: Mapped[str | None] = mapped_column(default=None)
    organisation: Mapped[str | None] = mapped_column(default=None)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)
