"""Where a live database and the models differ: after a migration somebody forgot, or changes made by hand."""

from typing import Any, cast

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine
from sqlalchemy.pool import NullPool

from ringfence.db.engine import libpq_to_sqlalchemy
from ringfence.tenancy.tables import LIBRARY_TABLES


def drift(owner_url: str, metadata: MetaData) -> list[str]:
    """Each difference as one line with its fix; empty when the database is what the models say."""
    engine = create_engine(libpq_to_sqlalchemy(owner_url), poolclass=NullPool, hide_parameters=True)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _is_ours})
        found: list[Any] = compare_metadata(context, metadata)
    engine.dispose()
    return [f"{_words(item)}: undo it, or make a migration for it." for item in found]


def _is_ours(_item: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
    return not (kind == "table" and name in LIBRARY_TABLES)


def _words(item: Any) -> str:
    """`add column`, table and name rather than a tuple of objects; changes of one column come as a list of tuples."""
    first: tuple[Any, ...] = cast("list[Any]", item)[0] if isinstance(item, list) else item
    names = [str(getattr(part, "name", part)) for part in first[1:] if isinstance(part, str) or hasattr(part, "name")]
    return f"{str(first[0]).replace('_', ' ')} {' '.join(names)}".strip()
