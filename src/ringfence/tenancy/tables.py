"""Every table is classified: `tenant` (fenced by company) or `global` with a reason. The registry is the metadata.

A tenant model inherits `TenantTable`, which gives `company_id` and the key (company_id, id); a global one carries
`__table_args__ = ({"info": global_table("why")},)`. Whatever is neither fails `unclassified()`, and so the tests.
"""

from collections.abc import Iterable
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, MetaData, Table, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.kit.ids import new_id

TENANT = {"fence": "tenant"}
APPEND_ONLY = "append_only"

# Tables made by libraries, which have no model of ours.
LIBRARY_TABLES = {
    "alembic_version": "one row: which migration the database stands at",
    "procrastinate_jobs": "the job queue: ids only, never content",
    "procrastinate_events": "the job queue's history: states and times",
    "procrastinate_periodic_defers": "the job queue's timetable",
    "procrastinate_workers": "the job queue's worker heartbeats",
}


def global_table(reason: str) -> dict[str, str]:
    """Classify a table as global: it holds no company's content, for the reason given."""
    return {"fence": "global", "reason": reason}


def directory_table(reason: str) -> dict[str, str]:
    """Classify a table as directory: global, and each company may touch only its own rows of it."""
    return {"fence": "directory", "reason": reason}


class CompanyColumn:
    """A tenant table's `company_id`: first part of every key, with a foreign key to companies."""

    company_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("companies.id"), primary_key=True, sort_order=-2)


class TenantTable(CompanyColumn):
    """A tenant table with the usual key (company_id, id); ids are UUIDv7 made by the application."""

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id, sort_order=-1)


def tenant_reference(
    column: str, target: str, *, ondelete: Literal["RESTRICT", "CASCADE", "SET NULL"] = "RESTRICT"
) -> ForeignKeyConstraint:
    """A composite reference (company_id, column) → (company_id, id) of `target`: it cannot cross companies.

    SET NULL names the column alone (PostgreSQL 15), so that company_id is never cleared.
    """
    action = f"SET NULL ({column})" if ondelete == "SET NULL" else ondelete
    return ForeignKeyConstraint(["company_id", column], [f"{target}.company_id", f"{target}.id"], ondelete=action)


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """A check that a text column holds one of the values (text rather than enum: its `=` is leakproof)."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def tenant_args(*constraints: Any) -> tuple[Any, ...]:
    """`__table_args__` of a tenant table."""
    return (*constraints, {"info": TENANT})


def append_only_args(*constraints: Any) -> tuple[Any, ...]:
    """`__table_args__` of a tenant table whose rows the app role adds and reads, and never changes or deletes."""
    return (*constraints, {"info": {**TENANT, APPEND_ONLY: True}})


def is_append_only(table: Table) -> bool:
    """Whether no row of a table may ever be changed or deleted by the app role."""
    return bool(table.info.get(APPEND_ONLY))


def fence_of(table: Table) -> str | None:
    """`tenant`, `directory`, `global` or None when nobody classified the table."""
    return table.info.get("fence")


def tenant_tables(metadata: MetaData) -> list[Table]:
    """All tenant tables, by name."""
    return [table for table in _by_name(metadata) if fence_of(table) == "tenant"]


def directory_tables(metadata: MetaData) -> list[Table]:
    """All directory tables, by name."""
    return [table for table in _by_name(metadata) if fence_of(table) == "directory"]


def unclassified(metadata: MetaData, in_database: Iterable[str]) -> list[str]:
    """Problems of the registry: tables nobody classified, and entries whose table is gone."""
    found = set(in_database)
    known = {table.name: fence_of(table) for table in _by_name(metadata)} | dict.fromkeys(LIBRARY_TABLES, "global")
    problems = [f"{name}: not classified" for name in sorted(found) if not known.get(name)]
    problems += [f"{name}: classified, but not in the database" for name in sorted(set(known) - found)]
    return problems


def _by_name(metadata: MetaData) -> list[Table]:
    return sorted(metadata.tables.values(), key=lambda table: table.name)
