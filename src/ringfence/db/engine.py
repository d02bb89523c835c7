"""Engines: one async pool per role on psycopg 3, with deadlines and a check that no dirty connection returns."""

from psycopg.pq import TransactionStatus
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from ringfence.errors import ConfigurationError

STATEMENT_TIMEOUT_MS = 30_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000


def libpq_to_sqlalchemy(url: str) -> str:
    """Turn a libpq URL (postgresql://…) into SQLAlchemy's for psycopg 3; raises ConfigurationError."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(
            "A database URL is not of the form postgresql://user:password@host:port/name."
        ) from None
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise ConfigurationError("A database URL must begin with postgresql://.")
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def create_engine(url: str, *, pool_size: int, application_name: str) -> AsyncEngine:
    """An async engine for a libpq URL.

    Statements end after 30 s and idle transactions after 60 s, so that no forgotten session holds locks for
    ever. `hide_parameters` keeps texts and numbers out of error messages.
    """
    engine = create_async_engine(
        libpq_to_sqlalchemy(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=15,
        pool_recycle=1800,
        hide_parameters=True,
        connect_args={
            "application_name": application_name,
            "connect_timeout": 10,
            "options": (
                f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC"
                f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT_MS}"
            ),
        },
    )
    event.listen(engine.sync_engine, "checkout", _refuse_dirty_connection)
    return engine


def _refuse_dirty_connection(
    connection: DBAPIConnection, _record: ConnectionPoolEntry, _proxy: PoolProxiedConnection
) -> None:
    """A connection that comes out of the pool inside a transaction could carry another company's context.

    Task cancellation at the wrong moment has returned such connections before (SQLAlchemy issue 13381), so the
    pool throws one away and makes another instead of trusting it.
    """
    status = connection.driver_connection.info.transaction_status
    if status != TransactionStatus.IDLE:
        raise DisconnectionError(f"connection came back in state {TransactionStatus(status).name}")
