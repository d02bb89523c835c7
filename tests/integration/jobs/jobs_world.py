"""Two companies, a recording handler, and a worker that runs as long as a test needs it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from ringfence.features.companies.model import Company
from ringfence.jobqueue.fanout import Every
from ringfence.jobqueue.jobs import Handlers, Job, JobContext
from ringfence.jobqueue.worker import JobWorker, WorkerConfig
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import Tenancy
from tests.factories.cluster import Database

QUICK = WorkerConfig(
    poll_seconds=0.1,
    stop_seconds=0.2,
    heartbeat_seconds=0.1,
    stalled_seconds=0.6,
    first_retry_seconds=0.05,
    longest_retry_seconds=0.1,
    max_attempts=3,
    restart_seconds=0.05,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Job):
    kind: ClassVar[str] = "tests.note"

    thing_id: UUID
    times: int = 1


class Recorder:
    """A handler that remembers what it was given; it fails or waits as the test says."""

    def __init__(self) -> None:
        self.seen: list[tuple[UUID, Job]] = []
        self.started = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures: list[Exception] = []

    async def __call__(self, context: JobContext, job: Job) -> None:
        self.started.set()
        await self.gate.wait()
        self.seen.append((context.company_id, job))
        if self.failures:
            raise self.failures.pop(0)


async def make_company(tenancy: Tenancy, *, status: str = "active") -> UUID:
    company_id = new_id()
    async with tenancy.platform() as session:
        session.add(Company(id=company_id, name="c", status=status, created_at=datetime(2026, 3, 1, tzinfo=UTC)))
    return company_id


@asynccontextmanager
async def working(
    tenancy: Tenancy, database: Database, handlers: Handlers, *, periodic: Sequence[Every] = (), config=QUICK
) -> AsyncIterator[list[tuple[str, str]]]:
    """A running worker; gives the outcomes it observed."""
    outcomes: list[tuple[str, str]] = []
    worker = JobWorker(
        tenancy,
        database.platform_url,
        handlers,
        periodic=periodic,
        observe=lambda kind, outcome, _seconds: outcomes.append((kind, outcome)),
        config=config,
    )
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield outcomes
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def stored_jobs(database: Database) -> list[dict]:
    """Every job in the queue, seen by the administrator."""
    async with await psycopg.AsyncConnection.connect(database.admin_url, row_factory=dict_row) as connection:
        return await (await connection.execute("SELECT * FROM procrastinate_jobs ORDER BY id")).fetchall()


async def as_admin(database: Database, sql: str, *values: object) -> None:
    async with await psycopg.AsyncConnection.connect(database.admin_url) as connection:
        await connection.execute(sql, values)
