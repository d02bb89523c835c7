"""Reading opt-outs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, select, tuple_

from ringfence.errors import NotFoundError
from ringfence.features.consent.model import OptOut
from ringfence.features.consent.values import Blocks
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position


@dataclass(frozen=True, slots=True)
class Exported:
    """An opt-out as it is exported; `our_number` is None when it holds for the whole company."""

    opt_out: OptOut
    our_number: str | None


async def find_blocks(session: TenantSession, outside_numbers: Collection[str]) -> Blocks:
    """The active opt-outs of these outside numbers."""
    rows = await session.execute(
        select(OptOut.outside_number, OptOut.phone_number_id).where(
            OptOut.company_id == session.company_id,
            OptOut.outside_number.in_(sorted(set(outside_numbers))),
            OptOut.ended_at.is_(None),
        )
    )
    return Blocks(frozenset((row.outside_number, row.phone_number_id) for row in rows))


async def is_opted_out(
    session: TenantSession, phone_number_id: UUID | None, outside_numbers: Collection[str]
) -> set[str]:
    """Which of the outside numbers may not be texted from our number (None: from any)."""
    blocks = await find_blocks(session, outside_numbers)
    return {number for number in outside_numbers if blocks.cover(number, phone_number_id)}


async def get_opt_out(session: TenantSession, opt_out_id: UUID) -> OptOut:
    """One opt-out, active or ended. Raises NotFoundError."""
    found = await session.scalar(select(OptOut).where(OptOut.company_id == session.company_id, OptOut.id == opt_out_id))
    if found is None:
        raise NotFoundError
    return found


async def find_active(session: TenantSession, *, outside_number: str, phone_number_id: UUID | None) -> OptOut | None:
    """The active opt-out of exactly this scope (our number's id, or None for the company), or None."""
    return await session.scalar(
        select(OptOut).where(
            OptOut.company_id == session.company_id,
            OptOut.outside_number == outside_number,
            OptOut.phone_number_id.is_not_distinct_from(phone_number_id),
            OptOut.ended_at.is_(None),
        )
    )


async def list_opt_outs(
    session: TenantSession, *, outside_number: str | None, active: bool | None, after: Position | None, limit: int
) -> Sequence[OptOut]:
    """Opt-outs, newest first: up to limit + 1 after a position; only active or only ended ones if `active` is given."""
    query = select(OptOut).where(OptOut.company_id == session.company_id)
    if outside_number is not None:
        query = query.where(OptOut.outside_number == outside_number)
    if active is not None:
        query = query.where(OptOut.ended_at.is_(None) if active else OptOut.ended_at.is_not(None))
    if after is not None:
        query = query.where(tuple_(OptOut.created_at, OptOut.id) < (after.at, after.id))
    return (await session.scalars(query.order_by(OptOut.created_at.desc(), OptOut.id.desc()).limit(limit + 1))).all()


async def page_for_export(session: TenantSession, *, after: Position | None, limit: int) -> Sequence[Exported]:
    """The company's opt-outs, active and ended, newest first, with our number written out: up to `limit` a page."""
    own_number = and_(PhoneNumber.company_id == OptOut.company_id, PhoneNumber.id == OptOut.phone_number_id)
    query = (
        select(OptOut, PhoneNumber.phone_number)
        .join(PhoneNumber, own_number, isouter=True)
        .where(OptOut.company_id == session.company_id)
    )
    if after is not None:
        query = query.where(tuple_(OptOut.created_at, OptOut.id) < (after.at, after.id))
    rows = await session.execute(query.order_by(OptOut.created_at.desc(), OptOut.id.desc()).limit(limit))
    return [Exported(opt_out, our_number) for opt_out, our_number in rows]
