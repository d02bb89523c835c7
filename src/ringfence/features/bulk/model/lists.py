"""Tables of recipient lists."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.features.bulk.values.lists import FILE_KINDS, SOURCES, STATUSES
from ringfence.tenancy.tables import TenantTable, one_of, tenant_args, tenant_reference


class RecipientList(TenantTable, Base):
    """Who a bulk send is for: taken once from a file or from contacts, and fixed when it is `ready`.

    `rows_done` is how far it is read: rows of the file that hold anything, or contacts. Each of them became a
    recipient or is rejected, so `rows_done = recipients_count + duplicate_count + bad_count` at every commit.
    """

    __tablename__ = "bulk_lists"
    __table_args__ = tenant_args(
        one_of("source", SOURCES),
        one_of("status", STATUSES),
        one_of("file_kind", FILE_KINDS),
        tenant_reference("created_by", "users", ondelete="SET NULL"),
        Index(None, "company_id", "created_at", "id"),
    )

    name: Mapped[str]
    source: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str | None] = mapped_column(default=None)
    # How the file is to be read; NULL for contacts.
    file_name: Mapped[str | None] = mapped_column(default=None)
    file_kind: Mapped[str | None] = mapped_column(default=None)
    size_bytes: Mapped[int | None] = mapped_column(default=None)
    encoding: Mapped[str | None] = mapped_column(default=None)
    separator: Mapped[str | None] = mapped_column(default=None)
    has_header: Mapped[bool | None] = mapped_column(default=None)
    columns: Mapped[list[str]] = mapped_column(server_default=text("'[]'::jsonb"), default=list)
    # Column (its position from 0, as text) → field; columns that are not here are left out.
    mapping: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"), default=dict)
    region: Mapped[str]
    # Which contacts: tag, beginning of a name or part of a number; and the one that was taken last.
    filter_tag: Mapped[str | None] = mapped_column(default=None)
    filter_search: Mapped[str | None] = mapped_column(default=None)
    after_at: Mapped[datetime | None] = mapped_column(default=None)
    after_id: Mapped[UUID | None] = mapped_column(default=None)
    rows_total: Mapped[int | None] = mapped_column(default=None)
    rows_done: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    recipients_count: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    duplicate_count: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    bad_count: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None] = mapped_column(default=None)


class ListParcel(TenantTable, Base):
    """Up to 500 rows of a list, as one row: a row each, with its reference to check, costs nine times as much.

    `begins_at` counts the rows before it, `last_position` the recipients up to its end. `recipients` and `rejected`
    are JSON, read by the application only: text, because checking and packing it as jsonb doubles the cost.
    """

    __tablename__ = "bulk_list_parcels"
    __table_args__ = tenant_args(
        tenant_reference("list_id", "bulk_lists", ondelete="CASCADE"),
        Index(None, "company_id", "list_id", "begins_at", unique=True),
        Index(None, "company_id", "list_id", "last_position"),
    )

    list_id: Mapped[UUID]
    begins_at: Mapped[int]
    last_position: Mapped[int]
    recipients_count: Mapped[int]
    rejected_count: Mapped[int]
    # [[line, number, value of the 1st mapped column, …], …], or [[null, number, contact's id], …]
    recipients: Mapped[str]
    # [[line, kind, reason, [cell, …]], …]
    rejected: Mapped[str]
