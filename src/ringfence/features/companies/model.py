"""Tables of the companies room."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.kit.ids import new_id
from ringfence.tenancy.tables import CompanyColumn, global_table, one_of, tenant_args

COMPANY_STATUSES = ("active", "suspended")
OPT_OUT_SCOPES = ("company", "pair")
AGENTS_SEE = ("all", "own_and_unassigned")


class Company(Base):
    """A tenant. The app role sees its own row only, by policy."""

    __tablename__ = "companies"
    __table_args__ = (
        one_of("status", COMPANY_STATUSES),
        {"info": global_table("name, state and zone of each company; the app role sees only its own row")},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="active")
    time_zone: Mapped[str] = mapped_column(server_default="UTC")
    created_at: Mapped[datetime]


class CompanySettings(CompanyColumn, Base):
    """Everything else about a company, in one row."""

    __tablename__ = "company_settings"
    __table_args__ = tenant_args(one_of("opt_out_scope", OPT_OUT_SCOPES), one_of("agents_see", AGENTS_SEE))

    default_region: Mapped[str] = mapped_column(server_default="US")
    opt_out_scope: Mapped[str] = mapped_column(server_default="company")
    agents_see: Mapped[str] = mapped_column(server_default="all")
    # What differs from the defaults of `schemas.TextingRules`.
    texting: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    updated_at: Mapped[datetime]
