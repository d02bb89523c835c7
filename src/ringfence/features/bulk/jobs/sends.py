"""Background work of bulk sends."""

import asyncio
from typing import Final
from uuid import UUID

from ringfence.features.bulk.actions.counting import add_up, changed
from ringfence.features.bulk.actions.due import look_again
from ringfence.features.bulk.actions.rehearsing import rehearse_batch
from ringfence.features.bulk.actions.running import top_up
from ringfence.features.bulk.actions.starting import start_due
from ringfence.features.bulk.queries import sends
from ringfence.features.bulk.values.sends import RehearseBulk, RunBulk
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.clock import utc_now

# A turn fills lanes of 5,000 a few times over; then other jobs get theirs.
_MOST_ROUNDS: Final = 100
_AT_ONCE: Final = 2


async def rehearse_bulk(context: JobContext, job: RehearseBulk) -> None:
    """Count batch after batch; a later run goes on where this one stopped."""
    while True:
        async with context.tenancy.tenant(context.company_id) as session:
            if not await rehearse_batch(session, job.bulk_send_id):
                return


async def run_bulk(context: JobContext, _job: RunBulk) -> None:
    """Start what is due, fill the lanes of what runs, add up the counts of all.

    Bulk sends take turns, a batch each, until none has room or recipients left. One that fails unexpectedly does not
    keep the others from going on; its error is raised in the end, so that the queue reports it and tries again.
    """
    async with context.tenancy.tenant(context.company_id) as session:
        due = await sends.scheduled_until(session, utc_now())
    for bulk_send_id in due:
        async with context.tenancy.tenant(context.company_id) as session:
            await start_due(session, bulk_send_id)
    errors = await _fill_lanes(context)
    async with context.tenancy.tenant(context.company_id) as session:
        stale = await changed(session)
    for bulk_send_id in stale:
        async with context.tenancy.tenant(context.company_id) as session:
            await add_up(session, bulk_send_id)
    async with context.tenancy.tenant(context.company_id) as session:
        await look_again(session)
    if errors:
        raise errors[0]


async def _fill_lanes(context: JobContext) -> list[BaseException]:
    async with context.tenancy.tenant(context.company_id) as session:
        left = list(await sends.running(session))
    errors: list[BaseException] = []
    turn = asyncio.Semaphore(_AT_ONCE)
    for _ in range(_MOST_ROUNDS):
        turns = await asyncio.gather(
            *(_top_up(context, turn, bulk_send_id) for bulk_send_id in left), return_exceptions=True
        )
        errors += [turn for turn in turns if isinstance(turn, BaseException)]
        left = [bulk_send_id for bulk_send_id, turn in zip(left, turns, strict=True) if turn is True]
        if not left:
            break
    return errors


async def _top_up(context: JobContext, turn: asyncio.Semaphore, bulk_send_id: UUID) -> bool:
    async with turn, context.tenancy.tenant(context.company_id) as session:
        return await top_up(session, bulk_send_id)
