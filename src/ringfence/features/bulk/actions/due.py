"""When a company's bulk sends are to be looked at next."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from ringfence.features.bulk.model.sends import BulkDue
from ringfence.features.bulk.queries import sends
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession

# Receipts come in long after the last text went out; their counts are added up now and then.
_RECEIPTS_COME: Final = timedelta(days=2)
_NOW_AND_THEN: Final = timedelta(minutes=1)


async def wake(session: TenantSession, due_at: datetime) -> None:
    """Have the company looked at when this is due. Last in the transaction: it makes others of the company wait."""
    statement = insert(BulkDue).values(company_id=session.company_id, next_due=due_at)
    earliest = func.least(BulkDue.next_due, statement.excluded.next_due)
    await session.execute(statement.on_conflict_do_update(index_elements=["company_id"], set_={"next_due": earliest}))


async def look_again(session: TenantSession) -> None:
    """Set when the company is to be looked at next.

    The lock comes first: whoever starts a bulk send meanwhile waits for it, and everything committed before it is seen.
    """
    company, now = session.company_id, utc_now()
    await session.execute(select(BulkDue.next_due).where(BulkDue.company_id == company).with_for_update())
    instants = [await sends.next_scheduled(session)]
    if await sends.running(session):
        instants.append(now)
    elif await sends.has_recent(session, now - _RECEIPTS_COME):
        instants.append(now + _NOW_AND_THEN)
    known = [instant for instant in instants if instant is not None]
    if known:
        await session.execute(update(BulkDue).where(BulkDue.company_id == company).values(next_due=min(known)))
    else:
        await session.execute(delete(BulkDue).where(BulkDue.company_id == company))
