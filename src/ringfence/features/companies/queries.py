"""Reading companies and their settings."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, tuple_

from ringfence.errors import NotFoundError
from ringfence.features.companies.model import Company, CompanySettings
from ringfence.features.companies.schemas.texting import TextingRules
from ringfence.features.companies.values import DEFAULT_REGION
from ringfence.tenancy.sessions import PlatformSession, TenantSession
from ringfence.web.paging import Position


async def own_company(session: TenantSession) -> Company:
    """The session's own company. Raises NotFoundError if it does not exist."""
    company = await session.scalar(select(Company).where(Company.id == session.company_id))
    if company is None:
        raise NotFoundError
    return company


async def settings(session: TenantSession, *, lock: bool = False) -> CompanySettings | None:
    """The session's company settings; None only between a company's making and its opening.

    `lock` keeps others from changing them until the transaction ends, and reads them afresh.
    """
    query = select(CompanySettings).where(CompanySettings.company_id == session.company_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return await session.scalar(query)


async def default_region(session: TenantSession) -> str:
    """The country (ISO 3166) whose habits apply to numbers without country code in this company."""
    query = select(CompanySettings.default_region).where(CompanySettings.company_id == session.company_id)
    return await session.scalar(query) or DEFAULT_REGION


async def texting_rules(session: TenantSession) -> TextingRules:
    """The rules the company has set for its texts; the defaults where it has set none."""
    query = select(CompanySettings.texting).where(CompanySettings.company_id == session.company_id)
    return TextingRules.model_validate(await session.scalar(query) or {})


async def list_companies(session: PlatformSession, *, after: Position | None, limit: int) -> Sequence[Company]:
    """All companies, newest first: up to limit + 1 of them after a position."""
    query = select(Company)
    if after is not None:
        query = query.where(tuple_(Company.created_at, Company.id) < (after.at, after.id))
    return (await session.scalars(query.order_by(Company.created_at.desc(), Company.id.desc()).limit(limit + 1))).all()


async def active_company_ids(session: PlatformSession, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Ids of active companies after a given one (None: from the start), ascending, at most `limit`."""
    query = select(Company.id).where(Company.status == "active")
    if after is not None:
        query = query.where(Company.id > after)
    return (await session.scalars(query.order_by(Company.id).limit(limit))).all()


async def company(session: PlatformSession, company_id: UUID) -> Company:
    """One company. Raises NotFoundError."""
    found = await session.get(Company, company_id)
    if found is None:
        raise NotFoundError
    return found
