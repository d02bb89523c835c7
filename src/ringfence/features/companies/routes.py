"""`/api/company` for a company's own people, `/api/platform/companies` for super admins."""

from uuid import UUID

from fastapi import APIRouter, Request

from ringfence.features.audit_log.values import actor_of, platform_actor_of
from ringfence.features.companies import actions, queries
from ringfence.features.companies.schemas import (
    ChangeCompany,
    ChangeCompanyStatus,
    CompanyAnswer,
    CreateCompany,
    PlatformCompanyAnswer,
)
from ringfence.features.companies.values import DEFAULT_REGION, check_region
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import Tenancy, TenantSession
from ringfence.web.caller import Admin, PlatformDB, Reader, SuperAdmin, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(responses=PROBLEM_RESPONSES)
company_router = APIRouter(prefix="/api/company", tags=["company"])
platform_router = APIRouter(prefix="/api/platform/companies", tags=["platform"])


@company_router.get("")
async def read_company(_caller: Reader, session: TenantDB) -> CompanyAnswer:
    """The caller's company and its settings."""
    return await _answer(session)


@company_router.patch("")
async def change_company(caller: Admin, session: TenantDB, body: ChangeCompany) -> CompanyAnswer:
    """Change the company's name, zone, default region, opt-out scope, what agents see, or rules for texts."""
    await actions.change_company(
        session,
        actor=actor_of(caller),
        name=body.name,
        time_zone=body.time_zone,
        default_region=body.default_region,
        opt_out_scope=body.opt_out_scope,
        agents_see=body.agents_see,
        texting=body.texting.model_dump(mode="json", exclude_unset=True) if body.texting else None,
    )
    return await _answer(session)


async def _answer(session: TenantSession) -> CompanyAnswer:
    company = await queries.own_company(session)
    settings = await queries.settings(session)
    return CompanyAnswer.model_validate(
        {
            "id": company.id,
            "name": company.name,
            "time_zone": company.time_zone,
            "default_region": settings.default_region if settings else DEFAULT_REGION,
            "opt_out_scope": settings.opt_out_scope if settings else "company",
            "agents_see": settings.agents_see if settings else "all",
            "texting": settings.texting if settings else {},
            "created_at": company.created_at,
        }
    )


@platform_router.get("")
async def list_companies(
    request: Request,
    _caller: SuperAdmin,
    session: PlatformDB,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[PlatformCompanyAnswer]:
    """All companies, newest first."""
    cursors = Cursors(service(request, Keyring), None, "platform-companies")
    companies = await queries.list_companies(session, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(companies, limit, lambda company: Position(company.created_at, company.id))
    return Page(items=[PlatformCompanyAnswer.of(company) for company in page], next_cursor=next_cursor)


@platform_router.post("", status_code=201)
async def create_company(request: Request, caller: SuperAdmin, body: CreateCompany) -> PlatformCompanyAnswer:
    """Add a company; its first admin is made with `ringfence user create`."""
    tenancy = service(request, Tenancy)
    # Checked before the first of two transactions, so that nothing half-made is left behind.
    region = check_region(body.default_region)
    async with tenancy.platform() as platform:
        company = await actions.create_company(platform, name=body.name, time_zone=body.time_zone)
    async with tenancy.tenant(company.id) as session:
        await actions.open_company(session, actor=platform_actor_of(caller), default_region=region)
    return PlatformCompanyAnswer.of(company)


@platform_router.patch("/{company_id}")
async def change_company_status(
    request: Request, caller: SuperAdmin, company_id: UUID, body: ChangeCompanyStatus
) -> PlatformCompanyAnswer:
    """Suspend a company (its people and keys are refused from the next request on) or make it active again."""
    tenancy = service(request, Tenancy)
    # The inner session ends first: the status is committed, then the entry about it.
    async with tenancy.tenant(company_id) as session, tenancy.platform() as platform:
        company = await actions.change_status(platform, session, actor=platform_actor_of(caller), status=body.status)
    return PlatformCompanyAnswer.of(company)


router.include_router(company_router)
router.include_router(platform_router)
