"""Making companies and changing what is stored about them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.companies import queries
from ringfence.features.companies.model import Company, CompanySettings
from ringfence.features.companies.schemas.texting import TextingRules
from ringfence.features.companies.values import (
    DEFAULT_REGION,
    AgentsSee,
    CompanyStatus,
    OptOutScope,
    ReviewHeld,
    check_region,
    check_time_zone,
)
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import PlatformSession, TenantSession


async def create_company(session: PlatformSession, *, name: str, time_zone: str = "UTC") -> Company:
    """Add a company. Once this is committed, `open_company` must run in a session of the new company.

    Raises InvalidInputError for an unknown zone.
    """
    company = Company(
        id=new_id(), name=name, status="active", time_zone=check_time_zone(time_zone), created_at=utc_now()
    )
    session.add(company)
    await session.flush()
    return company


async def open_company(
    session: TenantSession,
    *,
    actor: Actor,
    default_region: str = DEFAULT_REGION,
    opt_out_scope: OptOutScope = "company",
) -> CompanySettings:
    """Give a new company its settings and the first entry of its audit log. Raises InvalidInputError."""
    company = await queries.own_company(session)
    settings = CompanySettings(
        company_id=session.company_id,
        default_region=check_region(default_region),
        opt_out_scope=opt_out_scope,
        agents_see="all",
        updated_at=utc_now(),
    )
    session.add(settings)
    after = {"name": company.name, "time_zone": company.time_zone, **_described(settings)}
    record(session, actor=actor, action="company.created", target_kind="company", target_id=company.id, after=after)
    await session.flush()
    return settings


async def change_company(
    session: TenantSession,
    *,
    actor: Actor,
    name: str | None = None,
    time_zone: str | None = None,
    default_region: str | None = None,
    opt_out_scope: OptOutScope | None = None,
    agents_see: AgentsSee | None = None,
    texting: Mapping[str, object] | None = None,
) -> None:
    """Change the given fields (None leaves one as it is), with one audit entry of what really changed.

    `texting` holds the rules to change by name, as JSON values; None among them switches a rule off. Texts that the
    rules hold are looked at again. Raises InvalidInputError for an unknown zone or region.
    """
    company = await queries.own_company(session)
    settings = await _settings_for_change(session)
    before: dict[str, Any] = {"name": company.name, "time_zone": company.time_zone, **_described(settings)}
    old, new = _rules(settings, {}), _rules(settings, texting or {})
    before |= {f"texting.{rule}": value for rule, value in old.items()}
    given: dict[str, Any] = {
        **{f"texting.{rule}": value for rule, value in new.items() if value != old[rule]},
        "name": name,
        "time_zone": None if time_zone is None else check_time_zone(time_zone),
        "default_region": None if default_region is None else check_region(default_region),
        "opt_out_scope": opt_out_scope,
        "agents_see": agents_see,
    }
    changes = {
        field: value
        for field, value in given.items()
        if field.startswith("texting.") or (value is not None and value != before[field])
    }
    if not changes:
        return
    # The app role may write these two columns of its own row only; the rest of `companies` is the platform's.
    own = {field: value for field, value in changes.items() if field in {"name", "time_zone"}}
    if own:
        await session.execute(update(Company).where(Company.id == session.company_id).values(**own))
    for field in changes.keys() & {"default_region", "opt_out_scope", "agents_see"}:
        setattr(settings, field, changes[field])
    if new != old:
        settings.texting = TextingRules.model_validate(new).model_dump(mode="json", exclude_defaults=True)
    settings.updated_at = utc_now()
    record(
        session,
        actor=actor,
        action="company.changed",
        target_kind="company",
        target_id=company.id,
        before={field: before[field] for field in changes},
        after=changes,
    )
    await session.flush()
    if new != old or "time_zone" in changes:
        await enqueue(session, ReviewHeld(), once_key="review-held")


async def change_status(
    platform: PlatformSession, session: TenantSession, *, actor: Actor, status: CompanyStatus
) -> Company:
    """Suspend a company or make it active again, with an entry in its own audit log.

    Both sessions are for the same company; the caller commits the platform's first. Everything a suspended
    company's people and keys send is refused from the next request on. Raises NotFoundError.
    """
    company = await queries.company(platform, session.company_id)
    if company.status == status:
        return company
    record(
        session,
        actor=actor,
        action="company.suspended" if status == "suspended" else "company.activated",
        target_kind="company",
        target_id=company.id,
        before={"status": company.status},
        after={"status": status},
    )
    await session.flush()
    company.status = status
    await platform.flush()
    return company


async def _settings_for_change(session: TenantSession) -> CompanySettings:
    """The company's settings, locked: two changes at once are made one after the other."""
    # A company whose opening was interrupted has no row yet.
    missing = {"company_id": session.company_id, "updated_at": utc_now()}
    await session.execute(insert(CompanySettings).values(missing).on_conflict_do_nothing())
    settings = await queries.settings(session, lock=True)
    if settings is None:  # pragma: no cover - the statement above made it
        raise RuntimeError("company settings vanished")
    return settings


def _rules(settings: CompanySettings, changes: Mapping[str, object]) -> dict[str, Any]:
    """All rules as JSON values, with some changed; one changed to None is as it is by default."""
    kept = {rule: value for rule, value in ({**settings.texting, **changes}).items() if value is not None}
    return TextingRules.model_validate(kept).model_dump(mode="json")


def _described(settings: CompanySettings) -> dict[str, str]:
    return {
        "default_region": settings.default_region,
        "opt_out_scope": settings.opt_out_scope,
        "agents_see": settings.agents_see,
    }
