"""Table of the templates room."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.tenancy.tables import TenantTable, tenant_args, tenant_reference


class Template(TenantTable, Base):
    """A saved text. `name_norm` (without regard to case) is unique among those that are not deleted."""

    __tablename__ = "sms_templates"
    __table_args__ = tenant_args(
        tenant_reference("created_by", "users", ondelete="SET NULL"),
        Index(
            "uq_sms_templates_company_id_name_norm",
            "company_id",
            "name_norm",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(None, "company_id", "created_at", "id"),
    )

    name: Mapped[str]
    name_norm: Mapped[str]
    body: Mapped[str]
    category: Mapped[str | None] = mapped_column(default=None)
    usage_count: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    last_used_at: Mapped[datetime | None] = mapped_column(default=None)
    created_by: Mapped[UUID | None] = mapped_column(default=None)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)
