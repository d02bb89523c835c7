"""Background work of the platform room: each company works out its own health."""

from ringfence.features.companies.values import RefreshHealth
from ringfence.features.platform import actions
from ringfence.jobqueue.jobs import JobContext


async def refresh_health(context: JobContext, _job: RefreshHealth) -> None:
    """Handler of RefreshHealth. Doing it again does no harm."""
    async with context.tenancy.tenant(context.company_id) as session:
        await actions.refresh_health(session)
