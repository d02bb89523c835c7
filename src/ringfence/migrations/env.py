"""Alembic's environment: one connection as the schema's owner, a lock so that two upgrades never race, timeouts.

The URL comes from the caller (`ringfence.migrations.runner`), never from a file.
"""

import time

from alembic import context
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from ringfence.db.engine import libpq_to_sqlalchemy
from ringfence.migrations.metadata import metadata

# A migration waits at most this long for a lock, so that it never holds up the queue behind it.
LOCK_TIMEOUT = "4s"
STATEMENT_TIMEOUT = "60s"
_UPGRADE_LOCK = 0x52494E47
_TURN_SECONDS = 0.1


def run() -> None:
    """Run the migrations that Alembic was asked for."""
    url = context.config.attributes["url"]
    engine = create_engine(libpq_to_sqlalchemy(url), poolclass=NullPool, hide_parameters=True)
    with engine.connect() as connection:
        _take_turn(connection)
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=metadata(),
            transaction_per_migration=True,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


def _take_turn(connection: Connection) -> None:
    """Wait until no other upgrade runs, by asking: a statement that waits has a snapshot, for whose end an index that
    the other one builds concurrently would wait in turn.
    """
    while True:
        taken = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _UPGRADE_LOCK})
        connection.commit()
        if taken:
            return
        time.sleep(_TURN_SECONDS)


run()
