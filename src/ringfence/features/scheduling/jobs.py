"""Background work of the scheduling room."""

import asyncio
from uuid import UUID

from ringfence.features.scheduling import queries
from ringfence.features.scheduling.actions.due import look_again, send_due
from ringfence.features.scheduling.values import SendDue
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.clock import utc_now
from ringfence.web.paging import Position

_BATCH = 200
_AT_ONCE = 4


class SendDueHandler:
    """Does `SendDue`."""

    async def __call__(self, context: JobContext, _job: SendDue) -> None:
        """Deal with everything that is due, each text in a transaction of its own.

        One that fails unexpectedly stays pending and does not keep the others from going out; its error is raised in
        the end, so that the queue reports it and tries again.
        """
        now = utc_now()
        after: Position | None = None
        errors: list[BaseException] = []
        while True:
            async with context.tenancy.tenant(context.company_id) as session:
                batch = await queries.due(session, now=now, after=after, limit=_BATCH)
            errors += await self._send_all(context, [position.id for position in batch])
            if len(batch) < _BATCH:
                break
            after = batch[-1]
        async with context.tenancy.tenant(context.company_id) as session:
            await look_again(session)
        if errors:
            raise errors[0]

    async def _send_all(self, context: JobContext, ids: list[UUID]) -> list[BaseException]:
        turn = asyncio.Semaphore(_AT_ONCE)

        async def send(scheduled_id: UUID) -> None:
            async with turn, context.tenancy.tenant(context.company_id) as session:
                await send_due(session, scheduled_id)

        results = await asyncio.gather(*(send(scheduled_id) for scheduled_id in ids), return_exceptions=True)
        return [result for result in results if isinstance(result, BaseException)]
