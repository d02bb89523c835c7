"""`/api/platform`: companies and their health for super admins, and entering one."""

from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter, Request

from ringfence.features.audit_log.values import platform_actor_of
from ringfence.features.companies import actions as companies
from ringfence.features.companies.schemas import CreateCompany
from ringfence.features.companies.values import check_region
from ringfence.features.platform import queries
from ringfence.features.platform.schemas import ChangeCompanyStatus, EnterCompany, PlatformCompanyAnswer
from ringfence.features.users.actions import visits
from ringfence.features.users.routes.answers import answer_visit
from ringfence.features.users.schemas import VisitAnswer
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import PlatformDB, SuperAdmin, Visit
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/platform", tags=["platform"], responses=PROBLEM_RESPONSES)


@router.get("/companies")
async def list_companies(
    request: Request,
    _caller: SuperAdmin,
    session: PlatformDB,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[PlatformCompanyAnswer]:
    """All companies with their health, newest first."""
    cursors = Cursors(service(request, Keyring), None, "platform-companies")
    found = await queries.list_companies(session, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(found, limit, lambda row: Position(row[0].created_at, row[0].id))
    return Page(items=[PlatformCompanyAnswer.about(*row) for row in page], next_cursor=next_cursor)


@router.get("/companies/{company_id}")
async def read_company(_caller: SuperAdmin, session: PlatformDB, company_id: UUID) -> PlatformCompanyAnswer:
    """One company with its health."""
    return PlatformCompanyAnswer.about(*await queries.company(session, company_id))


@router.post("/companies", status_code=201)
async def create_company(request: Request, caller: SuperAdmin, body: CreateCompany) -> PlatformCompanyAnswer:
    """Add a company; its first admin is made with `ringfence user create`."""
    tenancy = service(request, Tenancy)
    # Checked before the first of two transactions, so that nothing half-made is left behind.
    region = check_region(body.default_region)
    async with tenancy.platform() as platform:
        company = await companies.create_company(platform, name=body.name, time_zone=body.time_zone)
    async with tenancy.tenant(company.id) as session:
        await companies.open_company(session, actor=platform_actor_of(caller), default_region=region)
    return PlatformCompanyAnswer.about(company, None)


@router.patch("/companies/{company_id}")
async def change_company_status(
    request: Request, caller: SuperAdmin, company_id: UUID, body: ChangeCompanyStatus
) -> PlatformCompanyAnswer:
    """Suspend a company (its people and keys are refused from the next request on) or make it active again."""
    tenancy = service(request, Tenancy)
    # The inner session ends first: the status is committed, then the entry about it.
    async with tenancy.tenant(company_id) as session, tenancy.platform() as platform:
        await companies.change_status(platform, session, actor=platform_actor_of(caller), status=body.status)
        changed = await queries.company(platform, company_id)
    return PlatformCompanyAnswer.about(*changed)


@router.post("/enter")
async def enter_company(request: Request, caller: SuperAdmin, body: EnterCompany) -> VisitAnswer:
    """Enter a company for at most 30 minutes, with the rights of its admins except over people, keys and credentials.

    The company's audit log shows it, with the reason, and everything done or looked at until it ends. One company at a
    time: 409 `already_inside`.
    """
    tenancy, actor = service(request, Tenancy), platform_actor_of(caller)
    # The inner session ends first: the entry is committed, then the visit that it tells of.
    async with tenancy.platform() as platform, tenancy.tenant(body.company_id) as session:
        visit = await visits.open_visit(
            platform,
            session_id=caller.session_id,
            company_id=body.company_id,
            reason=body.reason,
            lasting=timedelta(minutes=body.minutes),
        )
        visits.note_entry(session, actor=actor, visit=visit)
        entered, _ = await queries.company(platform, body.company_id)
    return answer_visit(
        Visit(
            company_id=entered.id,
            company_name=entered.name,
            reason=visit.reason,
            started_at=visit.started_at,
            expires_at=visit.expires_at,
        )
    )


@router.post("/leave", status_code=204)
async def leave_company(request: Request, caller: SuperAdmin) -> None:
    """End the visit before its time is over. Without one nothing happens."""
    if caller.visit is None:
        return
    tenancy = service(request, Tenancy)
    # The inner session ends first: the visit is over, then the entry says so.
    async with tenancy.tenant(caller.visit.company_id) as session, tenancy.platform() as platform:
        await visits.close_visit(platform, session_id=caller.session_id)
        visits.note_leaving(session, actor=platform_actor_of(caller))
