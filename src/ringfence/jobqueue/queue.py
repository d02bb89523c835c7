"""Enqueueing inside the caller's transaction: the job exists if and only if the transaction commits."""

from datetime import datetime

from ringfence.jobqueue.jobs import Job, to_fields
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

QUEUE = "default"
PATIENT = -10

# ON CONFLICT without a target: the one unique key it can meet is that of waiting jobs with the same once key, and
# naming it would need a right to read the table, which the app role does not have.
_ENQUEUE = register(
    "jobqueue.enqueue",
    """
    INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args, scheduled_at, priority)
    VALUES (
        :queue,
        :kind,
        CAST(:company_id AS text) || ':' || CAST(:once_key AS text),
        jsonb_build_object('company_id', CAST(:company_id AS text), 'fields', CAST(:fields AS jsonb)),
        :run_at,
        :priority
    )
    ON CONFLICT DO NOTHING
    """,
)


async def enqueue(
    session: TenantSession, job: Job, *, run_at: datetime | None = None, once_key: str | None = None, priority: int = 0
) -> None:
    """Put a job of the session's company into the queue; it becomes visible to workers at commit.

    `run_at` (aware) is the earliest instant it runs; by default at once. With a `once_key` at most one job of the
    company waits under that key: a second one is not put in, because the first will do its work when it runs. Jobs
    under one key must therefore mean the same work. Jobs of a higher `priority` are taken first; PATIENT is for work
    that nobody waits for. Above 0 is refused by the database, so that no company goes before the others.
    """
    await session.execute(
        _ENQUEUE,
        {
            "company_id": session.company_id,
            "queue": QUEUE,
            "kind": job.kind,
            "once_key": once_key,
            "fields": to_fields(job),
            "run_at": run_at,
            "priority": priority,
        },
    )
