"""Table of the consent room."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.tenancy.tables import TenantTable, one_of, tenant_args, tenant_reference

SCOPES = ("company", "pair")
SOURCES = ("keyword", "opt_out_type", "twilio_21610", "staff", "import", "api")


class OptOut(TenantTable, Base):
    """One opt-out of one outside number, from its start to its end; scope `pair` names our number too."""

    __tablename__ = "opt_outs"
    __table_args__ = tenant_args(
        one_of("scope", SCOPES),
        one_of("source", SOURCES),
        CheckConstraint("(scope = 'pair') = (phone_number_id IS NOT NULL)", name="pair_names_number"),
        tenant_reference("phone_number_id", "phone_numbers"),
        Index(
            "uq_opt_outs_active",
            "company_id",
            "outside_number",
            "phone_number_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(None, "company_id", "created_at", "id"),
    )

    scope: Mapped[str]
    outside_number: Mapped[str]
    phone_number_id: Mapped[UUID | None]
    source: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    created_by: Mapped[UUID | None] = mapped_column(default=None)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    ended_by: Mapped[UUID | None] = mapped_column(default=None)
    ended_source: Mapped[str | None] = mapped_column(default=None)
    ended_evidence: Mapped[dict[str, Any] | None] = mapped_column(default=None)
