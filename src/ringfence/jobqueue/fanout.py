"""Work that comes round for every company: one durable fan-out per turn, over all processes, and a scoped job each."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from procrastinate import exceptions
from procrastinate.jobs import Job as StoredJob
from sqlalchemy import TextClause, text

from ringfence.jobqueue.jobs import Job, to_fields
from ringfence.jobqueue.manager import Jobs
from ringfence.jobqueue.queue import QUEUE
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import Tenancy

PREFIX = "fanout:"
_PAGE = 500

_ACTIVE_COMPANIES = text(
    """
    SELECT id FROM companies
    WHERE status = 'active' AND (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid))
    ORDER BY id LIMIT :limit
    """
)
_ENQUEUE_EACH = text(
    """
    INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args)
    SELECT :queue, CAST(:kind AS text), company_id || ':' || CAST(:kind AS text),
           jsonb_build_object('company_id', company_id, 'fields', CAST(:fields AS jsonb))
    FROM unnest(CAST(:company_ids AS text[])) AS company_id
    ON CONFLICT DO NOTHING
    """
)


@dataclass(frozen=True, slots=True)
class Every:
    """One job for each company that `among` finds, every so many seconds."""

    seconds: float
    make_job: Callable[[], Job]
    among: TextClause = _ACTIVE_COMPANIES

    @property
    def task(self) -> str:
        """The name of the fan-out itself in the queue."""
        return PREFIX + self.make_job().kind


def every(seconds: float, make_job: Callable[[], Job], *, among: TextClause = _ACTIVE_COMPANIES) -> Every:
    """Say that each active company gets a job every so many seconds; a job that still waits is not doubled.

    `among` narrows it down: a statement of the platform role that answers companies' ids, ascending, after `:after`
    (null: from the first), `:limit` of them.
    """
    if seconds <= 0:
        raise ValueError("a job comes round after a time above 0 s")
    return Every(seconds, make_job, among)


async def announce(jobs: Jobs, item: Every) -> float:
    """Put this turn's fan-out into the queue unless another process has; returns seconds until the next turn."""
    now = utc_now().timestamp()
    turn = int(now // item.seconds)
    stored = StoredJob(
        queue=QUEUE, lock=None, queueing_lock=item.task, task_name=item.task, task_kwargs={"timestamp": turn}
    )
    # Already enqueued: an earlier turn's fan-out still waits, and will serve for this one.
    with suppress(exceptions.AlreadyEnqueued):
        await jobs.defer_periodic_job(stored, periodic_id=f"{item.seconds:g}", defer_timestamp=turn)
    return (turn + 1) * item.seconds - now


async def fan_out(tenancy: Tenancy, item: Every) -> int:
    """Enqueue one job for each company, a page of companies a transaction; returns how many companies."""
    job = item.make_job()
    after: UUID | None = None
    total = 0
    while True:
        async with tenancy.platform() as session:
            found = await session.scalars(item.among, {"after": after, "limit": _PAGE})
            page: list[UUID] = list(found)
            await session.execute(
                _ENQUEUE_EACH,
                {
                    "queue": QUEUE,
                    "kind": job.kind,
                    "fields": to_fields(job),
                    "company_ids": [str(company_id) for company_id in page],
                },
            )
        total += len(page)
        if len(page) < _PAGE:
            return total
        after = page[-1]
