"""Bulk sends whose time has come."""

from datetime import timedelta
from uuid import UUID

from ringfence.features.bulk.actions.sends import run
from ringfence.features.bulk.actions.stopping import pause_by_itself
from ringfence.features.bulk.queries import sends
from ringfence.features.companies import queries as companies
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


async def start_due(session: TenantSession, bulk_send_id: UUID) -> None:
    """Let one run whose time has come, unless somebody else does.

    One that is later than the company lets scheduled texts be is paused instead: whether it still makes sense after an
    outage is for a person to say.
    """
    now = utc_now()
    bulk = await sends.take(session, bulk_send_id, status="scheduled")
    if bulk is None or bulk.scheduled_at is None or bulk.scheduled_at > now:
        return
    rules = await companies.texting_rules(session)
    if bulk.scheduled_at + timedelta(minutes=rules.schedule_late_minutes) < now:
        reason = f"Its time had passed by more than {rules.schedule_late_minutes} minutes."
        await pause_by_itself(session, bulk, code="late", reason=reason)
    else:
        await run(session, bulk)
