"""Reading recipient lists."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_

from ringfence.errors import NotFoundError
from ringfence.features.bulk.model.lists import RecipientList
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position

_MOST_SWEPT = 200


async def get_list(session: TenantSession, list_id: UUID) -> RecipientList:
    """One list. Raises NotFoundError."""
    found = await session.scalar(
        select(RecipientList).where(RecipientList.company_id == session.company_id, RecipientList.id == list_id)
    )
    if found is None:
        raise NotFoundError
    return found


async def list_lists(
    session: TenantSession, *, status: str | None, after: Position | None, limit: int
) -> Sequence[RecipientList]:
    """Lists, newest first: up to limit + 1 after a position."""
    query = select(RecipientList).where(RecipientList.company_id == session.company_id)
    if status is not None:
        query = query.where(RecipientList.status == status)
    if after is not None:
        query = query.where(tuple_(RecipientList.created_at, RecipientList.id) < (after.at, after.id))
    query = query.order_by(RecipientList.created_at.desc(), RecipientList.id.desc())
    return (await session.scalars(query.limit(limit + 1))).all()


async def list_being_read(session: TenantSession, list_id: UUID) -> RecipientList | None:
    """One list whose rows are being read, or None."""
    return await session.scalar(
        select(RecipientList).where(
            RecipientList.company_id == session.company_id,
            RecipientList.id == list_id,
            RecipientList.status == "reading",
        )
    )


async def ids_with_files(session: TenantSession) -> set[UUID]:
    """Every list whose file is still needed."""
    return set(
        await session.scalars(
            select(RecipientList.id).where(
                RecipientList.company_id == session.company_id,
                RecipientList.source == "file",
                RecipientList.status.in_(("draft", "reading")),
            )
        )
    )


async def drafts_before(session: TenantSession, at: datetime) -> Sequence[UUID]:
    """Lists that nobody touched since an instant and nobody started to read; some of them if they are many."""
    return (
        await session.scalars(
            select(RecipientList.id)
            .where(
                RecipientList.company_id == session.company_id,
                RecipientList.status == "draft",
                RecipientList.updated_at < at,
            )
            .limit(_MOST_SWEPT)
        )
    ).all()
