"""Tables of the contacts room."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.tenancy.tables import CompanyColumn, TenantTable, one_of, tenant_args, tenant_reference

IMPORT_STATUSES = ("queued", "running", "done", "failed")
EXISTING = ("update", "skip")
ROW_PROBLEMS = ("bad", "duplicate")


class Contact(TenantTable, Base):
    """An outside person; `phone_number` is E.164 and unique among the company's contacts.

    One that was merged into another stays as its further number: deleted, with `merged_into` and the number.
    """

    __tablename__ = "contacts"
    __table_args__ = tenant_args(
        tenant_reference("merged_into", "contacts"),
        Index(
            "uq_contacts_company_id_phone_number",
            "company_id",
            "phone_number",
            unique=True,
            postgresql_where=text("deleted_at IS NULL AND phone_number IS NOT NULL"),
        ),
        Index(
            "uq_contacts_company_id_merged_number",
            "company_id",
            "phone_number",
            unique=True,
            postgresql_where=text("merged_into IS NOT NULL AND phone_number IS NOT NULL"),
        ),
        Index(
            "ix_contacts_company_id_merged_into",
            "company_id",
            "merged_into",
            postgresql_where=text("merged_into IS NOT NULL"),
        ),
        Index(None, "company_id", "created_at", "id"),
    )

    first_name: Mapped[str] = mapped_column(server_default="", default="")
    last_name: Mapped[str] = mapped_column(server_default="", default="")
    email: Mapped[str | None] = mapped_column(default=None)
    phone_number: Mapped[str | None] = mapped_column(default=None)
    organisation: Mapped[str | None] = mapped_column(default=None)
    time_zone: Mapped[str | None] = mapped_column(default=None)
    custom_fields: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"), default=dict)
    merged_into: Mapped[UUID | None] = mapped_column(default=None)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)


class ContactTag(CompanyColumn, Base):
    """One tag of one contact. A table, so that the contacts of a tag are an index scan under row security."""

    __tablename__ = "contact_tags"
    __table_args__ = tenant_args(
        tenant_reference("contact_id", "contacts", ondelete="CASCADE"), Index(None, "company_id", "tag", "contact_id")
    )

    contact_id: Mapped[UUID] = mapped_column(primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True)


class ContactImport(TenantTable, Base):
    """One uploaded file on its way into contacts. `rows_done` is how far it is; the counts are of those rows."""

    __tablename__ = "contact_imports"
    __table_args__ = tenant_args(
        one_of("status", IMPORT_STATUSES),
        one_of("existing", EXISTING),
        tenant_reference("created_by", "users", ondelete="SET NULL"),
        Index(None, "company_id", "created_at", "id"),
    )

    status: Mapped[str]
    reason: Mapped[str | None] = mapped_column(default=None)
    file_name: Mapped[str]
    size_bytes: Mapped[int]
    encoding: Mapped[str]
    separator: Mapped[str]
    has_header: Mapped[bool]
    columns: Mapped[list[str]]
    # Column (its position from 0, as text) → field; columns that are not here are left out.
    mapping: Mapped[dict[str, Any]]
    region: Mapped[str]
    existing: Mapped[str]
    rows_total: Mapped[int]
    rows_done: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    created_count: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    updated_count: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    skipped_count: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    duplicate_count: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    bad_count: Mapped[int] = mapped_column(server_default=text("0"), default=0)
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None] = mapped_column(default=None)


class ContactImportProblem(TenantTable, Base):
    """One row of a file that was not taken over, and why."""

    __tablename__ = "contact_import_problems"
    __table_args__ = tenant_args(
        one_of("kind", ROW_PROBLEMS),
        tenant_reference("import_id", "contact_imports", ondelete="CASCADE"),
        Index(None, "company_id", "import_id", "line", "id"),
    )

    import_id: Mapped[UUID]
    line: Mapped[int]
    kind: Mapped[str]
    reason: Mapped[str]
