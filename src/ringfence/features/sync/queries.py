"""Reading runs, marks, and what was mended."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from ringfence.features.phone_numbers import queries as phone_numbers
from ringfence.features.phone_numbers.values import Holding
from ringfence.features.sync.model import SyncMark, SyncMended, SyncRun
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import Tenancy, TenantSession

_STANDS_STILL_AFTER = timedelta(minutes=2)


async def under_way(session: TenantSession, *, standing: bool) -> SyncRun | None:
    """The run of this sort that is not finished, or None."""
    return await session.scalar(
        select(SyncRun).where(
            SyncRun.company_id == session.company_id, SyncRun.standing == standing, SyncRun.finished_at.is_(None)
        )
    )


async def last_runs(session: TenantSession, *, standing: bool, limit: int) -> Sequence[SyncRun]:
    """The newest runs of this sort, newest first."""
    query = select(SyncRun).where(SyncRun.company_id == session.company_id, SyncRun.standing == standing)
    return (await session.scalars(query.order_by(SyncRun.created_at.desc(), SyncRun.id.desc()).limit(limit))).all()


async def standing_still(session: TenantSession) -> Sequence[UUID]:
    """Runs under way that nobody has moved for a while, though nothing says that they should wait."""
    now = utc_now()
    return (
        await session.scalars(
            select(SyncRun.id).where(
                SyncRun.company_id == session.company_id,
                SyncRun.finished_at.is_(None),
                SyncRun.updated_at < now - _STANDS_STILL_AFTER,
                func.coalesce(SyncRun.waits_until, SyncRun.updated_at) < now,
            )
        )
    ).all()


async def mark(session: TenantSession, name: str) -> SyncMark | None:
    """How far something was looked at, or None when never."""
    return await session.scalar(
        select(SyncMark).where(SyncMark.company_id == session.company_id, SyncMark.mark == name)
    )


async def mended(session: TenantSession, *, days: int) -> dict[str, int]:
    """What sweeps mended in the last days (UTC, today included), by what it was."""
    rows = await session.execute(
        select(SyncMended.what, func.sum(SyncMended.count))
        .where(
            SyncMended.company_id == session.company_id,
            SyncMended.day > utc_now().date() - timedelta(days=days),
        )
        .group_by(SyncMended.what)
    )
    return {what: int(count or 0) for what, count in rows}


async def holdings(tenancy: Tenancy, company_id: UUID, *, account_sid: str) -> dict[str, Holding]:
    """The account's numbers that the company holds, each with the instant until which another company's texts went
    through it."""
    async with tenancy.tenant(company_id) as session:
        held = await phone_numbers.holdings(session, account_sid=account_sid)
    others: dict[str, datetime] = {}
    if held:
        async with tenancy.platform() as platform:
            others = await phone_numbers.given_up_by_others(
                platform, company_id=company_id, account_sid=account_sid, phone_numbers=sorted(held)
            )
    return {number: Holding(number_id, others.get(number)) for number, number_id in held.items()}
