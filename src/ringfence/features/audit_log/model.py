"""Table of the audit log."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.tenancy.tables import TenantTable, one_of, tenant_args

ACTOR_KINDS = ("user", "api_key", "system", "platform")


class AuditEntry(TenantTable, Base):
    """One act: who, what, on which thing, what changed (without secrets), in which request."""

    __tablename__ = "audit_log"
    __table_args__ = tenant_args(one_of("actor_kind", ACTOR_KINDS), Index(None, "company_id", "at", "id"))

    at: Mapped[datetime]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    action: Mapped[str]
    target_kind: Mapped[str]
    target_id: Mapped[str | None]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    request_id: Mapped[str | None] = mapped_column(default=None)
    address: Mapped[str | None] = mapped_column(default=None)
