"""A super admin's visits to companies: each with a reason, for half an hour at most, and in the company's own log.

Two roles write: the platform role the visit, the app role the company's log. Entering commits the entry first and
leaving the visit first, so that whatever breaks in between, nobody is inside without an entry that says so.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from ringfence.errors import ConflictError
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.queries import has_entry
from ringfence.features.audit_log.values import Actor
from ringfence.features.companies import queries as companies
from ringfence.features.users.model import CompanyVisit
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import PlatformSession, TenantSession

LONGEST_VISIT = timedelta(minutes=30)


async def open_visit(
    platform: PlatformSession, *, session_id: UUID, company_id: UUID, reason: str, lasting: timedelta
) -> CompanyVisit:
    """Let a super admin's session into a company for so long (at most LONGEST_VISIT).

    Raises NotFoundError; ConflictError for a suspended company and for a session that is inside one already.
    """
    company = await companies.company(platform, company_id)
    if company.status != "active":
        raise ConflictError("company_suspended", "The company is suspended; activate it before you enter it.")
    now = utc_now()
    values = {
        "company_id": company.id,
        "reason": reason,
        "started_at": now,
        "expires_at": now + min(lasting, LONGEST_VISIT),
    }
    put = insert(CompanyVisit).values(session_id=session_id, **values)
    # A visit that is over makes room; two requests at once take turns at the row, and the second finds it taken.
    taken = put.on_conflict_do_update(
        index_elements=[CompanyVisit.session_id], set_=values, where=CompanyVisit.expires_at <= now
    ).returning(CompanyVisit)
    visit = await platform.scalar(taken, execution_options={"populate_existing": True})
    if visit is None:
        raise ConflictError("already_inside", "You are inside a company; leave it before you enter another one.")
    return visit


def note_entry(session: TenantSession, *, actor: Actor, visit: CompanyVisit) -> None:
    """Write into the company's log who enters it, why, and until when."""
    record(
        session,
        actor=actor,
        action="company.entered",
        target_kind="company",
        target_id=session.company_id,
        after={"reason": visit.reason, "until": visit.expires_at},
    )


async def close_visit(platform: PlatformSession, *, session_id: UUID) -> None:
    """End a session's visit at once, if there is one."""
    await platform.execute(delete(CompanyVisit).where(CompanyVisit.session_id == session_id))


def note_leaving(session: TenantSession, *, actor: Actor) -> None:
    """Write into the company's log that a super admin left before the time was over."""
    record(session, actor=actor, action="company.left", target_kind="company", target_id=session.company_id)


async def note_request(
    session: TenantSession, *, actor: Actor, method: str, path: str, reads: bool, since: datetime
) -> None:
    """Write into the company's log what a visitor asks for: each change, and each address read once a visit."""
    action = "visit.read" if reads else "visit.requested"
    target = f"{method} {path}"
    if reads and await has_entry(session, action=action, actor_id=actor.id, target_id=target, since=since):
        return
    record(session, actor=actor, action=action, target_kind="request", target_id=target)
