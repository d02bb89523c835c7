"""Writing opt-outs. Each one is a row with a beginning and an end; none is ever deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert

from ringfence.errors import NotFoundError
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.companies import queries as companies
from ringfence.features.consent import queries
from ringfence.features.consent.model import OptOut
from ringfence.features.consent.values import ENDED_BY_START, Source
from ringfence.features.events.actions import emit
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession


async def opt_out(
    session: TenantSession,
    *,
    outside_number: str,
    phone_number_id: UUID | None,
    source: Source,
    evidence: Mapping[str, object],
    created_by: UUID | None = None,
) -> bool:
    """Block texts to an outside number from one of our numbers, or (None) from the company. False: it was blocked."""
    added = await session.execute(
        insert(OptOut)
        .values(
            company_id=session.company_id,
            id=new_id(),
            scope="company" if phone_number_id is None else "pair",
            outside_number=outside_number,
            phone_number_id=phone_number_id,
            source=source,
            evidence=dict(evidence),
            created_by=created_by,
            created_at=utc_now(),
        )
        .on_conflict_do_nothing()
        .returning(OptOut.id)
    )
    row = added.first()
    if row is None:
        return False
    emit(session, kind="optout.changed", subject_id=row.id)
    return True


async def opt_out_in_company_scope(
    session: TenantSession,
    *,
    outside_number: str,
    phone_number_id: UUID | None,
    source: Source,
    evidence: Mapping[str, object],
) -> bool:
    """Block as widely as the company's settings say: from the one number the contact answered, or altogether."""
    settings = await companies.settings(session)
    scope = settings.opt_out_scope if settings is not None else "company"
    return await opt_out(
        session,
        outside_number=outside_number,
        phone_number_id=phone_number_id if scope == "pair" else None,
        source=source,
        evidence=evidence,
    )


@dataclass(frozen=True, slots=True)
class TakenBack:
    """When and by what text the contact took a STOP back."""

    at: datetime
    evidence: Mapping[str, object]


async def opt_out_in_the_past(
    session: TenantSession,
    *,
    outside_number: str,
    phone_number_id: UUID | None,
    evidence: Mapping[str, object],
    at: datetime,
    taken_back: TakenBack | None,
) -> bool:
    """Write down a STOP of an instant of the past (scope: one of our numbers, or None for the company).

    It blocks from now on unless the contact took it back, and is kept as evidence either way. It changes nothing, and
    False comes back, when an opt-out stands already, or one of this scope ended after it: whoever ended that one knew
    better.
    """
    ended_later = select(OptOut.id).where(
        OptOut.company_id == session.company_id,
        OptOut.outside_number == outside_number,
        OptOut.phone_number_id.is_not_distinct_from(phone_number_id),
        OptOut.ended_at > at,
    )
    if await session.scalar(ended_later.limit(1)) is not None:
        return False
    added = await session.execute(
        insert(OptOut)
        .values(
            company_id=session.company_id,
            id=new_id(),
            scope="company" if phone_number_id is None else "pair",
            outside_number=outside_number,
            phone_number_id=phone_number_id,
            source="keyword",
            evidence=dict(evidence),
            created_at=at,
            ended_at=taken_back.at if taken_back else None,
            ended_source="keyword" if taken_back else None,
            ended_evidence=dict(taken_back.evidence) if taken_back else None,
        )
        .on_conflict_do_nothing()
        .returning(OptOut.id)
    )
    return added.first() is not None


async def opt_in(
    session: TenantSession,
    *,
    outside_number: str,
    phone_number_id: UUID,
    source: Source,
    evidence: Mapping[str, object],
    at: datetime | None = None,
) -> int:
    """A contact's START to one of our numbers: end what the contact's STOP or Twilio's 21610 began; how many ended.

    `at` (default: now) is when the contact said so: what began after it stays.
    """
    at = at or utc_now()
    ended = await session.execute(
        update(OptOut)
        .where(
            OptOut.company_id == session.company_id,
            OptOut.outside_number == outside_number,
            OptOut.ended_at.is_(None),
            OptOut.source.in_(ENDED_BY_START),
            or_(OptOut.phone_number_id.is_(None), OptOut.phone_number_id == phone_number_id),
            OptOut.created_at <= at,
        )
        .values(ended_at=at, ended_source=source, ended_evidence=dict(evidence))
        .returning(OptOut.id)
    )
    rows = ended.all()
    for row in rows:
        emit(session, kind="optout.changed", subject_id=row.id)
    return len(rows)


async def opt_out_by_staff(
    session: TenantSession, *, actor: Actor, outside_number: str, phone_number_id: UUID | None, note: str | None
) -> tuple[OptOut, bool]:
    """Block a number because a person says so; the opt-out that stands, and whether it is new.

    Raises NotFoundError if our number is not the company's.
    """
    if phone_number_id is not None:
        await _require_own_number(session, phone_number_id)
    is_new = await opt_out(
        session,
        outside_number=outside_number,
        phone_number_id=phone_number_id,
        source="staff" if actor.kind == "user" else "api",
        evidence={"note": note, "by": actor.name},
        created_by=actor.user_id,
    )
    standing = await queries.find_active(session, outside_number=outside_number, phone_number_id=phone_number_id)
    if standing is None:  # ended by a START between the two statements: there is nothing to show as standing
        raise NotFoundError
    if is_new:
        record(
            session,
            actor=actor,
            action="opt_out.added",
            target_kind="opt_out",
            target_id=standing.id,
            after={"outside_number": outside_number, "scope": standing.scope, "note": note},
        )
    return standing, is_new


async def opt_in_by_staff(session: TenantSession, opt_out_id: UUID, *, actor: Actor, evidence: str) -> OptOut:
    """End an opt-out because a person shows that the contact wants texts again. Ending it twice changes nothing.

    Raises NotFoundError. Twilio's own list is not ours to change: it may still refuse with 21610 until the contact
    texts START.
    """
    standing = await queries.get_opt_out(session, opt_out_id)
    if standing.ended_at is not None:
        return standing
    standing.ended_at = utc_now()
    standing.ended_by = actor.user_id
    standing.ended_source = "staff" if actor.kind == "user" else "api"
    standing.ended_evidence = {"note": evidence, "by": actor.name}
    emit(session, kind="optout.changed", subject_id=standing.id)
    record(
        session,
        actor=actor,
        action="opt_out.ended",
        target_kind="opt_out",
        target_id=standing.id,
        before={"outside_number": standing.outside_number, "scope": standing.scope, "source": standing.source},
        after={"evidence": evidence},
    )
    await session.flush()
    return standing


def note_export(session: TenantSession, *, actor: Actor) -> None:
    """Write down that somebody took the list of opt-outs away."""
    record(session, actor=actor, action="opt_outs.exported", target_kind="opt_out", target_id=None)


async def _require_own_number(session: TenantSession, phone_number_id: UUID) -> None:
    query = select(PhoneNumber.id).where(
        PhoneNumber.company_id == session.company_id, PhoneNumber.id == phone_number_id
    )
    if await session.scalar(query) is None:
        raise NotFoundError
