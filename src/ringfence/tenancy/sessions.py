"""The two ways to the database: `TenantSession` for one company's work, `PlatformSession` for the directory.

They are different classes over different logins, so a signature says what a function may see.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction

from ringfence.errors import BusyError
from ringfence.tenancy.errors import FenceError, NoCompanyError, UnscopedStatementError, is_no_company
from ringfence.tenancy.inspector import inspect
from ringfence.tenancy.statements import is_catalog
from ringfence.tenancy.tables import fence_of

_OPTION = "ringfence_company_id"


class _TenantSyncSession(Session):
    """Sets the context as the transaction begins, and checks every object as it is flushed."""

    company_id: UUID


class TenantSession(AsyncSession):
    """One company's unit of work. The company is fixed for the session's life.

    Every transaction begins with `SET LOCAL ringfence.company_id`, so the context ends with it; every statement
    is checked by the inspector; every flushed object must belong to the company (an empty company_id is filled).
    """

    def __init__(self, engine: AsyncEngine, company_id: UUID) -> None:
        super().__init__(engine, sync_session_class=_TenantSyncSession, expire_on_commit=False, autoflush=True)
        self._company_id = company_id
        self.has_news = False
        self.sync_session.company_id = company_id  # pyright: ignore[reportAttributeAccessIssue]  # our own class

    @property
    def company_id(self) -> UUID:
        """The company this session works for."""
        return self._company_id

    def announce(self) -> None:
        """Say that somebody may be waiting to hear what this session commits."""
        self.has_news = True


class PlatformSession(AsyncSession):
    """Work on the directory and on leases, as a role without any grant on tenant tables."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine, expire_on_commit=False)


class Tenancy:
    """Both engines and the sessions made from them: what doors build once and hand down.

    `on_news` is told a company's id after the commit of a session that announced something.
    """

    def __init__(
        self, app_engine: AsyncEngine, platform_engine: AsyncEngine, *, on_news: Callable[[UUID], None] | None = None
    ) -> None:
        self.app_engine = app_engine
        self.platform_engine = platform_engine
        self._on_news = on_news
        guard(app_engine)

    @asynccontextmanager
    async def tenant(self, company_id: UUID) -> AsyncGenerator[TenantSession]:
        """A session for one company: committed on success, rolled back on any error.

        Raises BusyError when no connection became free in time.
        """
        async with TenantSession(self.app_engine, company_id) as session:
            try:
                yield session
                await session.commit()
            except DBAPIError as error:
                if is_no_company(error):
                    raise NoCompanyError("a policy found no company context") from error
                raise
            except PoolTimeoutError:
                raise BusyError from None
            if session.has_news and self._on_news is not None:
                self._on_news(company_id)

    @asynccontextmanager
    async def platform(self) -> AsyncGenerator[PlatformSession]:
        """A session for the directory: committed on success, rolled back on any error.

        Raises BusyError when no connection became free in time.
        """
        async with PlatformSession(self.platform_engine) as session:
            try:
                yield session
                await session.commit()
            except PoolTimeoutError:
                raise BusyError from None

    async def close(self) -> None:
        """Close both pools."""
        await self.app_engine.dispose()
        await self.platform_engine.dispose()


@event.listens_for(_TenantSyncSession, "after_begin")
def _set_context(session: _TenantSyncSession, _transaction: SessionTransaction, connection: Connection) -> None:
    """In `after_begin`, never in a cursor hook: a task cancelled there has leaked open transactions.

    A literal SET LOCAL rather than `set_config`: Citus passes on only the former. The value is a UUID object, so
    nothing can be smuggled in.
    """
    connection.execution_options(**{_OPTION: session.company_id})
    connection.exec_driver_sql(f"SET LOCAL ringfence.company_id = '{session.company_id!s}'")


@event.listens_for(_TenantSyncSession, "before_flush")
def _stamp(session: _TenantSyncSession, _context: object, _instances: object) -> None:
    for instance in (*session.new, *session.dirty, *session.deleted):
        if fence_of(instance.__table__) not in {"tenant", "directory"}:
            raise FenceError(f"{type(instance).__name__} is not a tenant's row")
        if instance.company_id is None and instance in session.new:
            instance.company_id = session.company_id
        if instance.company_id != session.company_id:
            raise FenceError(f"{type(instance).__name__} belongs to another company")


@event.listens_for(_TenantSyncSession, "do_orm_execute")
def _refuse_bulk_by_key(state: ORMExecuteState) -> None:
    """Bulk UPDATE by primary key carries its keys as parameters, which no WHERE shows to the inspector."""
    if (state.is_update or state.is_delete) and isinstance(state.parameters, list):
        raise UnscopedStatementError("bulk update by primary key is not allowed; write the WHERE")


def guard(engine: AsyncEngine) -> None:
    """Let nothing through the app role's engine but inspected statements of a tenant session."""
    event.listen(engine.sync_engine, "before_execute", _inspect_statement)
    event.listen(engine.sync_engine, "before_cursor_execute", _refuse_raw)


def _inspect_statement(
    connection: Connection,
    statement: Any,
    multiparams: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    _options: Mapping[str, Any],
) -> None:
    company_id = connection.get_execution_options().get(_OPTION)
    if is_catalog(statement):
        return
    if company_id is None:
        raise NoCompanyError("the tenant engine is used without a TenantSession")
    inspect(statement, [*multiparams] or ([params] if params else []), company_id)


def _refuse_raw(
    _connection: Connection,
    _cursor: object,
    statement: str,
    _parameters: object,
    context: ExecutionContext | None,
    _executemany: bool,  # SQLAlchemy's signature
) -> None:
    if (
        context is not None
        and context.compiled is None
        and not statement.startswith("SET LOCAL ringfence.company_id = '")
    ):
        raise UnscopedStatementError("raw SQL in a tenant session")
