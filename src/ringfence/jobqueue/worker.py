"""Runs jobs: each in its company's name, with retries, and with nothing lost when a worker dies or stops."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import procrastinate
import psycopg
import structlog
from procrastinate import exceptions
from procrastinate.jobs import DeleteJobCondition
from procrastinate.jobs import Job as StoredJob
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker
from sqlalchemy import text

from ringfence.jobqueue.fanout import Every, announce, fan_out
from ringfence.jobqueue.jobs import AbandonedJobError, Handler, Handlers, Job, JobContext, from_fields
from ringfence.jobqueue.manager import Jobs
from ringfence.jobqueue.queue import QUEUE
from ringfence.kit.clock import monotonic_seconds, utc_now
from ringfence.tenancy.sessions import Tenancy

log = structlog.get_logger()

Observe = Callable[[str, str, float], None]
"""Told of each run of a job: its kind, `done`, `failed` or `released`, and the seconds it took."""

_COMPANY_EXISTS = text("SELECT 1 FROM companies WHERE id = :company_id")
_DATABASE_TROUBLE = (exceptions.ConnectorException, psycopg.Error, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """How jobs are run. Durations are in seconds.

    `stop_seconds` is how long running jobs may take to finish once a stop is asked for; then they are released, to
    be done again from the start by whoever comes next. A worker without a heartbeat for `stalled_seconds` is dead.
    """

    concurrency: int = 8
    poll_seconds: float = 5.0
    stop_seconds: float = 15.0
    heartbeat_seconds: float = 5.0
    stalled_seconds: float = 20.0
    max_attempts: int = 8
    first_retry_seconds: float = 2.0
    longest_retry_seconds: float = 900.0
    keep_ended: timedelta = timedelta(days=7)
    restart_seconds: float = 2.0


class Backoff(BaseRetryStrategy):
    """Doubling waits with jitter, a bounded number of attempts; a job released by a stopping worker comes at once."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config

    def get_retry_decision(self, *, exception: BaseException, job: StoredJob) -> RetryDecision | None:
        """When to try again, or None for never."""
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision(retry_at=utc_now())
        if isinstance(exception, AbandonedJobError) or job.attempts + 1 >= self._config.max_attempts:
            return None
        wait = min(self._config.first_retry_seconds * 2**job.attempts, self._config.longest_retry_seconds)
        return RetryDecision(retry_at=utc_now() + timedelta(seconds=wait * random.uniform(0.8, 1.2)))


class JobWorker:
    """One process's share of the background work, on the platform role's login."""

    def __init__(
        self,
        tenancy: Tenancy,
        platform_url: str,
        handlers: Handlers,
        *,
        periodic: Sequence[Every] = (),
        observe: Observe,
        config: WorkerConfig | None = None,
    ) -> None:
        """`platform_url` is a libpq URL; procrastinate keeps its own connections beside the tenancy's pools."""
        self._tenancy = tenancy
        self._url = platform_url
        self._handlers = handlers
        self._periodic = periodic
        self._observe = observe
        self._config = config or WorkerConfig()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, through database restarts; returns when running jobs are finished or released."""
        while not stop.is_set():
            try:
                await self._run_once(stop)
            except _DATABASE_TROUBLE as error:
                log.warning("worker.database.lost", error=type(error).__name__)
            await _pause(stop, self._config.restart_seconds)

    async def _run_once(self, stop: asyncio.Event) -> None:
        app = self._app()
        async with app.open_async():
            jobs = Jobs(app.connector)
            app.job_manager = jobs
            worker = asyncio.create_task(self._worker(app).run(), name="jobs")
            stopping = asyncio.create_task(stop.wait(), name="jobs-stop")
            side = [asyncio.create_task(work, name="jobs-side") for work in self._side_work(jobs, stop)]
            try:
                await asyncio.wait([worker, stopping, *side], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (stopping, *side):
                    task.cancel()
                # procrastinate takes a cancellation as the request to stop gracefully.
                worker.cancel()
                ended = await asyncio.gather(worker, *side, return_exceptions=True)
        for result in ended:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    def _worker(self, app: procrastinate.App) -> Worker:
        return Worker(
            app,
            queues=[QUEUE],
            concurrency=self._config.concurrency,
            fetch_job_polling_interval=self._config.poll_seconds,
            shutdown_graceful_timeout=self._config.stop_seconds,
            # Ended well, a job has nothing left to say: with sweeps for every company the table would grow without end.
            delete_jobs=DeleteJobCondition.SUCCESSFUL,
            install_signal_handlers=False,
            update_heartbeat_interval=self._config.heartbeat_seconds,
            stalled_worker_timeout=self._config.stalled_seconds,
        )

    def _app(self) -> procrastinate.App:
        connector = procrastinate.PsycopgConnector(
            conninfo=self._url,
            min_size=1,
            max_size=4,
            timeout=15,
            kwargs={
                "application_name": "ringfence-jobs",
                "connect_timeout": 10,
                "options": "-c statement_timeout=30000 -c timezone=UTC -c idle_in_transaction_session_timeout=60000",
            },
        )
        app = procrastinate.App(connector=connector)
        retry = Backoff(self._config)
        for kind, handler in self._handlers.items():
            app.task(name=kind.kind, queue=QUEUE, retry=retry)(self._scoped(kind, handler))
        for item in self._periodic:
            app.task(name=item.task, queue=QUEUE, retry=retry)(self._fan_out(item))
        return app

    def _side_work(self, jobs: Jobs, stop: asyncio.Event) -> list[Coroutine[None, None, None]]:
        config = self._config
        return [
            *(self._announce(jobs, item, stop) for item in self._periodic),
            _repeat(
                lambda: jobs.reclaim(stalled_seconds=config.stalled_seconds, max_attempts=config.max_attempts),
                config.stalled_seconds / 2,
                stop,
            ),
            _repeat(lambda: jobs.purge(age=config.keep_ended), 3600.0, stop),
        ]

    async def _announce(self, jobs: Jobs, item: Every, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await _pause(stop, await announce(jobs, item))

    def _fan_out(self, item: Every) -> Callable[..., Awaitable[None]]:
        async def run(timestamp: int) -> None:
            with structlog.contextvars.bound_contextvars(job=item.task):
                await self._observed(item.task, fan_out(self._tenancy, item))

        return run

    def _scoped(self, kind: type[Job], handler: Handler) -> Callable[..., Awaitable[None]]:
        async def run(company_id: object = None, fields: object = None, **_unknown: object) -> None:
            with structlog.contextvars.bound_contextvars(job=kind.kind, company_id=company_id):
                await self._observed(kind.kind, self._handle(kind, handler, company_id, fields))

        return run

    async def _handle(self, kind: type[Job], handler: Handler, company: object, fields: object) -> None:
        company_id = await self._require_company(kind, company)
        await handler(JobContext(self._tenancy, company_id), from_fields(kind, fields))

    async def _require_company(self, kind: type[Job], company: object) -> UUID:
        """A job that names no company of ours touches nothing."""
        company_id: UUID | None = None
        with suppress(ValueError):
            company_id = UUID(str(company))
        async with self._tenancy.platform() as session:
            known = (await session.execute(_COMPANY_EXISTS, {"company_id": company_id})).first()
        if company_id is None or known is None:
            raise AbandonedJobError(f"job {kind.kind} names no company: refused")
        return company_id

    async def _observed(self, kind: str, work: Awaitable[object]) -> None:
        started = monotonic_seconds()
        outcome = "failed"
        try:
            await work
            outcome = "done"
        except asyncio.CancelledError:
            outcome = "released"
            raise
        finally:
            self._observe(kind, outcome, monotonic_seconds() - started)


async def _repeat(work: Callable[[], Awaitable[object]], seconds: float, stop: asyncio.Event) -> None:
    """Do the work now and every so many seconds; jitter keeps many processes apart."""
    while not stop.is_set():
        await work()
        await _pause(stop, seconds * random.uniform(0.8, 1.2))


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), max(seconds, 0))
