"""Whether a server may start and is ready: the fence, the migrations, the database, the dispatcher's heartbeat."""

from collections.abc import Awaitable
from dataclasses import dataclass

from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ringfence.errors import ConfigurationError
from ringfence.tenancy import selfcheck
from ringfence.tenancy.sessions import Tenancy

HEARTBEAT_SECONDS = 30.0

_UNREACHABLE = (DBAPIError, InterfaceError, PoolTimeoutError, OSError)
_VERSION_TABLE = text("SELECT to_regclass('public.alembic_version') IS NOT NULL")
_VERSION = text("SELECT version_num FROM alembic_version")
_BEAT = text("SELECT extract(epoch FROM now() - max(beat_at)) FROM dispatcher_lease")
_LANES = text(
    """
    SELECT count(*) AS due, COALESCE(extract(epoch FROM now() - min(next_due)), 0) AS oldest
    FROM lane WHERE next_due <= now()
    """
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the server's readiness, and in a few words what is the matter with it."""

    ready: bool
    detail: str


@dataclass(frozen=True, slots=True)
class DueLanes:
    """How many senders have work that is due, and for how many seconds the longest of them has waited."""

    count: int
    oldest_seconds: float


async def require_sound(tenancy: Tenancy, *, metadata: MetaData, head: str) -> None:
    """Raise ConfigurationError unless the database answers, stands at the migration `head`, and the fence stands."""
    try:
        version = await _version(tenancy)
        if version != head:
            raise ConfigurationError(
                f"The database stands at migration {version or 'none'}, this server needs {head}:"
                " run `ringfence db upgrade`."
            )
        await selfcheck.check(tenancy.app_engine, tenancy.platform_engine, metadata)
    except _UNREACHABLE as error:
        raise ConfigurationError(
            f"The database cannot be used with RINGFENCE_APP_DATABASE_URL and RINGFENCE_PLATFORM_DATABASE_URL:"
            f" {first_line(error)}"
        ) from None


async def readiness(tenancy: Tenancy, *, head: str) -> dict[str, Part]:
    """Each part by name: database, migrations, dispatcher. Never raises because of the database."""
    return {
        "database": await _guarded(_database(tenancy)),
        "migrations": await _guarded(_migrations(tenancy, head)),
        "dispatcher": await _guarded(_dispatcher(tenancy)),
    }


async def due_lanes(tenancy: Tenancy) -> DueLanes | None:
    """What waits to be sent, over all companies; None while the database does not answer."""
    try:
        async with tenancy.platform() as session:
            row = (await session.execute(_LANES)).one()
    except _UNREACHABLE:
        return None
    return DueLanes(int(row.due), float(row.oldest))


def first_line(error: BaseException) -> str:
    """The first line of an error, of the driver's own where SQLAlchemy wraps it."""
    original = getattr(error, "orig", None) or error
    return (str(original).strip().splitlines() or [type(original).__name__])[0]


async def _guarded(part: Awaitable[Part]) -> Part:
    try:
        return await part
    except _UNREACHABLE as error:
        return Part(ready=False, detail=f"no answer ({type(error).__name__})")


async def _database(tenancy: Tenancy) -> Part:
    async with tenancy.platform() as session:
        await session.execute(text("SELECT 1"))
    return Part(ready=True, detail="answers")


async def _migrations(tenancy: Tenancy, head: str) -> Part:
    version = await _version(tenancy)
    return Part(version == head, f"at {version or 'none'}" + ("" if version == head else f", needs {head}"))


async def _dispatcher(tenancy: Tenancy) -> Part:
    async with tenancy.platform() as session:
        age = (await session.execute(_BEAT)).scalar_one()
    if age is None:
        return Part(ready=False, detail="never ran; start `ringfence work`")
    alive = float(age) < HEARTBEAT_SECONDS
    return Part(alive, f"last heartbeat {float(age):.0f} s ago" + ("" if alive else "; start `ringfence work`"))


async def _version(tenancy: Tenancy) -> str | None:
    async with tenancy.platform() as session:
        if not (await session.execute(_VERSION_TABLE)).scalar_one():
            return None
        return (await session.execute(_VERSION)).scalar_one_or_none()
