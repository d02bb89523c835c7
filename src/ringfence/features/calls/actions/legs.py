"""Merging what Twilio says of legs, and letting the call follow."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from sqlalchemy import exists, select

from ringfence.features.calls import queries
from ringfence.features.calls.model import Call, CallLeg, CallRecording
from ringfence.features.calls.values.states import CALL_RANKS, Leg, News, as_told, merge, whole
from ringfence.features.conversations import queries as conversations
from ringfence.features.events.actions import emit
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


async def locked(session: TenantSession, call_id: UUID) -> Call | None:
    """A call, locked until the transaction ends: news of it is merged one after the other. Deleted ones too."""
    return await session.scalar(
        select(Call)
        .where(Call.company_id == session.company_id, Call.id == call_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def hear(session: TenantSession, call: Call, leg_id: UUID, news: News) -> CallLeg | None:
    """Merge news into a leg of a locked call; None when the call has no such leg.

    A SID that belongs to another leg changes nothing.
    """
    legs = await queries.legs_of(session, call.id)
    row = next((leg for leg in legs if leg.id == leg_id), None)
    if row is None:
        return None
    owner = await queries.find_leg(session, news.sid)
    state = _state(row)
    if (owner is None or owner.id == row.id) and merge(state, news):
        _write(row, state)
        call.updated_at = utc_now()
        await session.flush()
        await follow(session, call, legs)
    return row


async def follow(session: TenantSession, call: Call, legs: Sequence[CallLeg]) -> None:
    """Let a locked call be what its legs say. It never goes back; one end may be corrected to another."""
    has_voicemail = await session.scalar(
        select(
            exists().where(
                CallRecording.company_id == session.company_id,
                CallRecording.call_id == call.id,
                CallRecording.kind == "voicemail",
            )
        )
    )
    states = [_state(leg) for leg in legs]
    priced = [leg for leg in legs if leg.price_micros is not None]
    if priced:
        call.price_micros = sum(leg.price_micros or 0 for leg in priced)
        call.price_currency = priced[0].price_currency
    rule = as_told if call.source == "sync" else whole
    found = rule(call.direction, states, voicemail=bool(has_voicemail))
    if CALL_RANKS[found.status] < CALL_RANKS[call.status]:
        return
    before = (call.status, call.reason, call.user_id)
    call.status, call.reason = found.status, found.reason
    if found.talk is not None:
        call.answered_at = found.talk.talk_began
        call.duration_seconds = found.talk.duration_seconds
        call.user_id = call.user_id if call.direction == "outbound" else found.talk.user_id
    ends = [state.ended_at for state in states if state.ended_at is not None]
    if CALL_RANKS[call.status] == 40 and ends:
        call.ended_at = max(ends)
    # A call of the past is no news to anybody.
    if call.source != "sync" and (call.status, call.reason, call.user_id) != before:
        await tell(session, call)
    await session.flush()


async def tell(
    session: TenantSession, call: Call, *, kind: Literal["call.incoming", "call.status"] = "call.status"
) -> None:
    """Let whoever watches the company, and may see the call's thread if there is one, hear of the call."""
    thread = await conversations.find_between(
        session, phone_number_id=call.phone_number_id, outside_number=call.outside_number
    )
    emit(session, kind=kind, subject_id=call.id, conversation_id=thread.id if thread else None)


def _state(row: CallLeg) -> Leg:
    return Leg(
        id=row.id,
        role=row.role,
        position=row.position,
        status=row.status,
        twilio_sid=row.twilio_sid,
        sequence=row.sequence,
        user_id=row.user_id,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        duration_seconds=row.duration_seconds,
        price_micros=row.price_micros,
        price_currency=row.price_currency,
    )


def _write(row: CallLeg, state: Leg) -> None:
    row.status, row.twilio_sid, row.sequence = state.status, state.twilio_sid, state.sequence
    row.answered_at, row.ended_at, row.duration_seconds = state.answered_at, state.ended_at, state.duration_seconds
    row.price_micros, row.price_currency = state.price_micros, state.price_currency
