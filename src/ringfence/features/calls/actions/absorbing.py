"""Taking in Twilio's own log of calls and recordings: silently, at their own times, and twice without effect."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal

from sqlalchemy import and_, exists, select

from ringfence.features.calls import queries
from ringfence.features.calls.actions import legs, recordings
from ringfence.features.calls.model import Call, CallLeg
from ringfence.features.calls.values.states import FINAL, FROM_TWILIO, News
from ringfence.features.contacts import queries as contacts
from ringfence.features.phone_numbers.values import Holding
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id, past_id
from ringfence.providers.twilio.records import CallInfo, RecordingInfo
from ringfence.tenancy.sessions import TenantSession

_RECORDING_STATES: Final[Mapping[str, Literal["complete", "lost"]]] = {
    "completed": "complete",
    "absent": "lost",
    "failed": "lost",
}
_AROUND_INTENT: Final = (timedelta(seconds=30), timedelta(minutes=15))


@dataclass(slots=True)
class AbsorbedCalls:
    """What taking in a page did: calls (or recordings) added, those about which something was new, those left out."""

    added: int = 0
    changed: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])


async def unknown_parents(session: TenantSession, page: Sequence[CallInfo]) -> set[str]:
    """SIDs of calls that legs of the page belong to and that are neither in the page nor here."""
    named = {info.parent_sid for info in page if info.parent_sid is not None} - {info.sid for info in page}
    return named - await queries.taken_sids(session, sorted(named))


async def absorb(
    session: TenantSession, page: Sequence[CallInfo], *, account_sid: str, holdings: Mapping[str, Holding]
) -> AbsorbedCalls:
    """Take in legs of calls; give the calls that `unknown_parents` named with them."""
    done = AbsorbedCalls()
    # A leg that was dialled into a call comes after the call's first one.
    for info in sorted(page, key=lambda item: (item.created_at, item.parent_sid is not None)):
        leg = await queries.find_leg(session, info.sid)
        if leg is not None:
            done.changed += await _hear(session, leg, info)
        elif info.parent_sid is not None:
            outcome = await _join(session, info)
            if outcome is not None:
                done.skipped[outcome] += 1
        else:
            outcome = await _add(session, info, account_sid=account_sid, holdings=holdings)
            if outcome is None:
                done.added += 1
            else:
                done.skipped[outcome] += 1
    return done


async def absorb_recordings(session: TenantSession, page: Sequence[RecordingInfo]) -> AbsorbedCalls:
    """Take in recordings of calls that are here; a job fetches the sound of those that are complete."""
    done = AbsorbedCalls()
    for info in page:
        leg = await queries.find_leg(session, info.call_sid)
        call = None if leg is None else await legs.locked(session, leg.call_id)
        if call is None or call.deleted_at is not None:
            done.skipped["call_not_here"] += 1
            continue
        if await queries.recording_of(session, call.id, info.sid) is not None:
            continue
        await recordings.take_in(
            session,
            call,
            sid=info.sid,
            account_sid=info.account_sid,
            kind="voicemail" if info.source == "RecordVerb" else "call",
            duration_seconds=info.duration_seconds,
            state=_RECORDING_STATES.get(info.status, "processing"),
        )
        done.added += 1
    return done


async def _hear(session: TenantSession, leg: CallLeg, info: CallInfo) -> bool:
    call = await legs.locked(session, leg.call_id)
    if call is None:
        return False
    before = (call.status, call.price_micros, leg.status, leg.price_micros, leg.duration_seconds)
    await legs.hear(session, call, leg.id, _news(info))
    return before != (call.status, call.price_micros, leg.status, leg.price_micros, leg.duration_seconds)


async def _join(session: TenantSession, info: CallInfo) -> str | None:
    """A leg that was dialled into a call; why not, else None."""
    first = await queries.find_leg(session, info.parent_sid or "")
    call = None if first is None else await legs.locked(session, first.call_id)
    if call is None:
        return "call_not_here"
    known = await queries.legs_of(session, call.id)
    if call.source != "sync":
        planned = next((leg for leg in known if leg.twilio_sid is None and leg.number == info.to), None)
        if planned is None:
            return "leg_not_ours"
        await legs.hear(session, call, planned.id, _news(info))
        return None
    leg = CallLeg(
        id=new_id(),
        call_id=call.id,
        position=known[-1].position + 1,
        role="user" if call.direction == "inbound" else "contact",
        number=info.to,
        status="planned",
        created_at=info.created_at,
    )
    session.add(leg)
    await session.flush()
    await legs.hear(session, call, leg.id, _news(info))
    return None


async def _add(
    session: TenantSession, info: CallInfo, *, account_sid: str, holdings: Mapping[str, Holding]
) -> str | None:
    """A call that is not here; why it is not taken in, else None."""
    inbound = info.direction == "inbound"
    ours, outside = (info.to, info.from_number) if inbound else (info.from_number, info.to)
    holding = holdings.get(ours)
    if holding is None:
        return "number_not_held"
    if not holding.covers(info.created_at):
        return "held_by_another_company"
    if not outside or ":" in outside:
        return "not_a_telephone"
    if FROM_TWILIO.get(info.status) not in FINAL:
        return "under_way"
    if not inbound and await _is_awaited(session, info):
        return "outcome_awaited"
    contact = await contacts.find_by_number(session, outside)
    now = utc_now()
    call = Call(
        id=past_id(info.created_at, place=0),
        direction="inbound" if inbound else "outbound",
        status="queued",
        source="sync",
        phone_number_id=holding.phone_number_id,
        our_number=ours,
        outside_number=outside,
        account_sid=account_sid,
        contact_id=contact.id if contact else None,
        notes="",
        created_at=info.created_at,
        updated_at=now,
    )
    session.add(call)
    await session.flush()
    leg = CallLeg(
        id=new_id(),
        call_id=call.id,
        position=0,
        role="contact",
        number=outside,
        status="planned",
        created_at=info.created_at,
    )
    session.add(leg)
    await session.flush()
    await legs.hear(session, call, leg.id, _news(info))
    return None


async def _is_awaited(session: TenantSession, info: CallInfo) -> bool:
    """Whether it can be a call that we asked Twilio for and whose SID we do not know: the sweep of calls looks for it.

    The intent is committed before Twilio is asked, so a call of ours in Twilio's list has its SID here or is found.
    """
    before, after = _AROUND_INTENT
    query = select(
        exists().where(
            Call.company_id == session.company_id,
            Call.our_number == info.from_number,
            Call.attempted_at.between(info.created_at - after, info.created_at + before),
            CallLeg.company_id == session.company_id,
            and_(CallLeg.call_id == Call.id, CallLeg.position == 0, CallLeg.number == info.to),
            CallLeg.twilio_sid.is_(None),
        )
    )
    return bool(await session.scalar(query))


def _news(info: CallInfo) -> News:
    return News(
        sid=info.sid,
        status=info.status,
        at=info.ended_at or info.started_at or info.created_at,
        duration_seconds=info.duration_seconds,
        price=info.price,
    )
