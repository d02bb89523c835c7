"""procrastinate's job manager with what many workers and a restarting database need besides."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import psycopg
import structlog
from procrastinate import exceptions
from procrastinate.jobs import Job as StoredJob
from procrastinate.jobs import Status
from procrastinate.manager import JobManager

from ringfence.kit.clock import utc_now

log = structlog.get_logger()

_PERSIST_TRIES = 6
_FIRST_PAUSE_SECONDS = 0.1
_RECLAIM_BATCH = 500
_PURGE_BATCH = 1000

# A twin is the one waiting job under the same once key. It means the same work, so it takes over the turn of a job that
# would come back beside it, no later than that job would have had it.
_HAND_TURN_OVER = """
    UPDATE procrastinate_jobs SET scheduled_at = %(retry_at)s
    WHERE queueing_lock = %(queueing_lock)s AND status = 'todo' AND scheduled_at > %(retry_at)s
"""
# procrastinate's own way (list stalled jobs, then retry each) can put a job back that another process has put back and
# started in between. One statement under row locks cannot.
_RECLAIM = """
    WITH stalled AS (
        SELECT j.id, j.queueing_lock, j.attempts
        FROM procrastinate_jobs j LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
        WHERE j.status = 'doing'
          AND (w.id IS NULL OR w.last_heartbeat < now() - make_interval(secs => %(stalled_seconds)s))
        ORDER BY j.id
        LIMIT %(batch)s
        FOR UPDATE OF j SKIP LOCKED
    ), judged AS (
        SELECT id, CASE
            WHEN attempts + 1 >= %(max_attempts)s THEN 'failed'
            WHEN row_number() OVER (PARTITION BY COALESCE(queueing_lock, id::text) ORDER BY id) > 1 THEN 'aborted'
            WHEN EXISTS (SELECT 1 FROM procrastinate_jobs twin
                         WHERE twin.queueing_lock = stalled.queueing_lock AND twin.status = 'todo') THEN 'aborted'
            ELSE 'todo'
        END AS verdict
        FROM stalled
    )
    UPDATE procrastinate_jobs j
    SET status = verdict::procrastinate_job_status, attempts = attempts + 1, scheduled_at = now(), worker_id = NULL
    FROM judged WHERE j.id = judged.id
    RETURNING j.id, j.task_name, judged.verdict
"""
_PURGE = """
    WITH old AS (
        SELECT j.id FROM procrastinate_jobs j
        WHERE j.status IN ('succeeded', 'failed', 'cancelled', 'aborted')
          AND NOT EXISTS (SELECT 1 FROM procrastinate_events e
                          WHERE e.job_id = j.id AND e.at > now() - make_interval(secs => %(age_seconds)s))
        LIMIT %(batch)s
    )
    DELETE FROM procrastinate_jobs j USING old WHERE j.id = old.id RETURNING j.id
"""


class Jobs(JobManager):
    """Keeps what became of a job through database restarts, takes up dead workers' jobs, and clears old ones away."""

    async def finish_job(self, job: StoredJob, status: Status, delete_job: bool) -> None:
        """Record a job's end. Raises ConnectorException when the database stays away."""
        await _through_restarts(lambda: super(Jobs, self).finish_job(job, status, delete_job))

    async def retry_job(
        self,
        job: StoredJob,
        retry_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Put a job back; if a twin waits under its once key, the twin takes over and this one ends as aborted."""
        at = retry_at or utc_now()
        try:
            await _through_restarts(lambda: super(Jobs, self).retry_job(job, at, priority, queue, lock))
        except exceptions.UniqueViolation:
            await self.connector.execute_query_async(_HAND_TURN_OVER, queueing_lock=job.queueing_lock, retry_at=at)
            await self.finish_job(job, Status.ABORTED, delete_job=False)

    async def reclaim(self, *, stalled_seconds: float, max_attempts: int) -> int:
        """Put the jobs of workers that gave no sign of life back into the queue; returns how many were looked at.

        A job that has used up its attempts (it may be what kills its workers) ends as failed.
        """
        rows = await self.connector.execute_query_all_async(
            _RECLAIM, stalled_seconds=stalled_seconds, max_attempts=max_attempts, batch=_RECLAIM_BATCH
        )
        for row in rows:
            log.warning("job.reclaim", job_id=row["id"], job=row["task_name"], outcome=row["verdict"])
        return len(rows)

    async def purge(self, *, age: timedelta) -> int:
        """Delete jobs that ended longer ago than `age`, in batches; returns how many."""
        total = 0
        while True:
            rows = await self.connector.execute_query_all_async(
                _PURGE, age_seconds=age.total_seconds(), batch=_PURGE_BATCH
            )
            total += len(rows)
            if len(rows) < _PURGE_BATCH:
                return total


async def _through_restarts(work: Callable[[], Awaitable[None]]) -> None:
    """Try again for a few seconds while the database is away: a job whose end is not recorded would be done twice."""
    for attempt in range(_PERSIST_TRIES):
        try:
            await work()
        except exceptions.ConnectorException as error:
            away = isinstance(error.__cause__, psycopg.OperationalError)
            if not away or attempt == _PERSIST_TRIES - 1:
                raise
            await asyncio.sleep(_FIRST_PAUSE_SECONDS * 2**attempt)
        else:
            return
