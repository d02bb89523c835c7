"""Companies with their health for super admins, and working that health out inside one company."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import func, select, text, tuple_

from ringfence.dispatch.model import OutboxRow
from ringfence.errors import NotFoundError
from ringfence.features.calls.model import Call
from ringfence.features.companies.model import Company
from ringfence.features.messages.model import Message
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.platform.model import CompanyHealth
from ringfence.features.platform.values import Health, SettingsState
from ringfence.features.twilio_settings import queries as twilio_settings
from ringfence.features.users.model import User
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import PlatformSession, TenantSession
from ringfence.web.paging import Position

# For the fan-out: suspended companies too, they are the ones an operator looks at.
ALL_COMPANIES = text(
    """
    SELECT id FROM companies
    WHERE CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)
    ORDER BY id LIMIT :limit
    """
)


async def list_companies(
    session: PlatformSession, *, after: Position | None, limit: int
) -> Sequence[tuple[Company, CompanyHealth | None]]:
    """All companies with what is known of their health, newest first: up to limit + 1 of them after a position."""
    query = select(Company, CompanyHealth).outerjoin(CompanyHealth, CompanyHealth.company_id == Company.id)
    if after is not None:
        query = query.where(tuple_(Company.created_at, Company.id) < (after.at, after.id))
    newest_first = query.order_by(Company.created_at.desc(), Company.id.desc())
    return [(company, health) for company, health in await session.execute(newest_first.limit(limit + 1))]


async def company(session: PlatformSession, company_id: UUID) -> tuple[Company, CompanyHealth | None]:
    """One company with what is known of its health. Raises NotFoundError."""
    query = (
        select(Company, CompanyHealth)
        .outerjoin(CompanyHealth, CompanyHealth.company_id == Company.id)
        .where(Company.id == company_id)
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        raise NotFoundError
    return found[0], found[1]


async def health(session: TenantSession) -> Health:
    """How the session's company is doing now."""
    now = utc_now()
    settings = await twilio_settings.current(session)
    queued, waiting_since = await _queue(session, now=now)
    error_code, error_at = await _last_error(session)
    since = now if settings is None else settings.updated_at
    if settings is not None and settings.status == "verified":
        since = settings.verified_at or since
    return Health(
        settings_state=cast("SettingsState", settings.status if settings else "none"),
        settings_reason=settings.status_reason if settings else None,
        settings_since=since,
        numbers=await _numbers(session),
        queued=queued,
        waiting_since=waiting_since,
        last_error_code=error_code,
        last_error_at=error_at,
        last_activity_at=await _last_activity(session),
        checked_at=now,
    )


async def _queue(session: TenantSession, *, now: datetime) -> tuple[int, datetime | None]:
    """How many texts are not settled, and since when the oldest waits that may go out."""
    due = func.min(OutboxRow.due_at).filter(OutboxRow.state == "ready", OutboxRow.due_at <= now)
    query = select(func.count(OutboxRow.message_id), due).where(OutboxRow.company_id == session.company_id)
    queued, oldest = (await session.execute(query)).one()
    return queued, oldest


async def _numbers(session: TenantSession) -> int:
    """How many numbers the company holds."""
    query = select(func.count(PhoneNumber.id)).where(
        PhoneNumber.company_id == session.company_id, PhoneNumber.released_at.is_(None)
    )
    return await session.scalar(query) or 0


async def _last_error(session: TenantSession) -> tuple[int | None, datetime | None]:
    """Code and time of the latest text for which Twilio reported an error."""
    query = (
        select(Message.error_code, Message.created_at)
        .where(Message.company_id == session.company_id, Message.error_code.is_not(None))
        .order_by(Message.created_at.desc())
        .limit(1)
    )
    row = (await session.execute(query)).one_or_none()
    return (row.error_code, row.created_at) if row else (None, None)


async def _last_activity(session: TenantSession) -> datetime | None:
    """When somebody last logged in, or a text or call last came in or went out."""
    queries = (
        select(func.max(Message.created_at)).where(Message.company_id == session.company_id),
        select(func.max(Call.created_at)).where(Call.company_id == session.company_id),
        select(func.max(User.last_login_at)).where(User.company_id == session.company_id),
    )
    found = [await session.scalar(query) for query in queries]
    return max((at for at in found if at is not None), default=None)
