"""Background work of the events room."""

from ringfence.features.events.actions import trim
from ringfence.features.events.values import TrimEvents
from ringfence.jobqueue.jobs import JobContext


async def trim_events(context: JobContext, _job: TrimEvents) -> None:
    """Do `TrimEvents`: a batch a transaction, so that numbering waits for none of them for long."""
    more = True
    while more:
        async with context.tenancy.tenant(context.company_id) as session:
            more = await trim(session)
