"""`/api/company`: the company's own settings."""

from fastapi import APIRouter

from ringfence.features.audit_log.values import actor_of
from ringfence.features.companies import actions, queries
from ringfence.features.companies.schemas import ChangeCompany, CompanyAnswer
from ringfence.features.companies.values import DEFAULT_REGION
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.caller import Admin, Reader, TenantDB
from ringfence.web.problems import PROBLEM_RESPONSES

router = APIRouter(prefix="/api/company", tags=["company"], responses=PROBLEM_RESPONSES)


@router.get("")
async def read_company(_caller: Reader, session: TenantDB) -> CompanyAnswer:
    """The caller's company and its settings."""
    return await _answer(session)


@router.patch("")
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
