"""Reading how far a company's events have come. What a person may see of them is the live room's matter."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, func, select

from ringfence.features.events.model import Event, EventHead, EventReader
from ringfence.tenancy.sessions import TenantSession


@dataclass(frozen=True, slots=True)
class Head:
    """The last place given, and the last one that is gone: whoever stands before that has missed something."""

    last_seq: int
    trimmed_seq: int


async def head(session: TenantSession) -> Head:
    """How far the company's events have come; a company without any stands at 0."""
    query = select(EventHead.last_seq, EventHead.trimmed_seq).where(EventHead.company_id == session.company_id)
    row = (await session.execute(query)).first()
    return Head(0, 0) if row is None else Head(row.last_seq, row.trimmed_seq)


async def least_read(session: TenantSession) -> int | None:
    """The place up to which all registered readers of the company have read; None when there is none."""
    return await session.scalar(
        select(func.min(EventReader.read_to)).where(EventReader.company_id == session.company_id)
    )


async def reader_read_at(session: TenantSession, name: str) -> datetime | None:
    """When a registered reader last found something; None for one that is not registered."""
    query = select(EventReader.read_at).where(EventReader.company_id == session.company_id, EventReader.name == name)
    return await session.scalar(query)


async def has_waiting(session: TenantSession) -> bool:
    """Whether committed events still have no place."""
    waiting = exists().where(Event.company_id == session.company_id, Event.seq.is_(None))
    return bool(await session.scalar(select(waiting)))


async def has_older(session: TenantSession, before: UUID) -> bool:
    """Whether there are events with smaller ids, which means older ones."""
    older = exists().where(Event.company_id == session.company_id, Event.id < before)
    return bool(await session.scalar(select(older)))
