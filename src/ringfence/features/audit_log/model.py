"""Tables of the audit log: what was done, and the seals that make a chain of it. Nothing in either ever changes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.tenancy.tables import CompanyColumn, TenantTable, append_only_args, one_of, tenant_reference

ACTOR_KINDS = ("user", "api_key", "system", "platform")


class AuditEntry(TenantTable, Base):
    """One act: who, what, on which thing, what changed (without secrets), in which request."""

    __tablename__ = "audit_log"
    __table_args__ = append_only_args(one_of("actor_kind", ACTOR_KINDS), Index(None, "company_id", "at", "id"))

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


class AuditSeal(CompanyColumn, Base):
    """One link of a company's chain, numbered from 1: the digest of one entry, bound to the link before it.

    Beside the entries and not in them, so that an entry is never touched again once it is written. `latest_at` is the
    latest instant of all entries sealed so far.
    """

    __tablename__ = "audit_seals"
    __table_args__ = append_only_args(
        tenant_reference("entry_id", "audit_log"), UniqueConstraint("company_id", "entry_id")
    )

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[UUID]
    latest_at: Mapped[datetime]
    sealed_at: Mapped[datetime]
    entry_hash: Mapped[bytes]
    previous_hash: Mapped[bytes]
    hash: Mapped[bytes]
