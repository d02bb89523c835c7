"""Setting what a segment costs."""

from collections.abc import Sequence

from sqlalchemy import delete

from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.bulk.model.sends import SegmentPrice
from ringfence.features.bulk.values.sends import Price
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


async def set_prices(session: TenantSession, prices: Sequence[Price], *, actor: Actor) -> None:
    """Put these prices in place of those that were set before; elsewhere a segment costs what was measured."""
    await session.execute(delete(SegmentPrice).where(SegmentPrice.company_id == session.company_id))
    now = utc_now()
    session.add_all(
        SegmentPrice(country=price.country, micros=price.micros, currency=price.currency, updated_at=now)
        for price in prices
    )
    record(
        session,
        actor=actor,
        action="bulk.prices_set",
        target_kind="company",
        target_id=session.company_id,
        after={price.country: f"{price.micros} {price.currency}" for price in prices},
    )
    await session.flush()
