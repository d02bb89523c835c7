"""The steps of making a stored call at Twilio: the intent, and what came of the deed.

A call is dialled at most once: who sets `attempted_at` may dial, and nobody sets it twice.
"""

from dataclasses import dataclass
from uuid import UUID

from ringfence.errors import RefusedError
from ringfence.features.calls import queries
from ringfence.features.calls.actions import legs
from ringfence.features.calls.actions.placing import ask_gate
from ringfence.features.calls.errors import NoPhoneError
from ringfence.features.calls.model import Call
from ringfence.features.calls.values.states import CALL_RANKS, News
from ringfence.kit.clock import utc_now
from ringfence.providers.twilio.records import CallInfo
from ringfence.tenancy.sessions import TenantSession


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call that may be dialled now, and only now."""

    call_id: UUID
    leg_id: UUID
    phone: str
    our_number: str
    ring_seconds: int


async def begin(session: TenantSession, call_id: UUID) -> Attempt | None:
    """The intent: from the commit on, this call counts as dialled. None when there is nothing (more) to dial.

    The gate is asked again; its no ends the call as `failed`, with its code as the reason.
    """
    call = await legs.locked(session, call_id)
    if call is None or call.status != "queued" or call.attempted_at is not None or call.deleted_at is not None:
        return None
    first = (await queries.legs_of(session, call.id))[0]
    try:
        if not await queries.can_ring(session, first.user_id, first.number):
            raise NoPhoneError
        number = await ask_gate(session, to_number=call.outside_number, phone=first.number, requested=call.our_number)
    except RefusedError as error:
        await _end(session, call, "failed", error.code)
        return None
    call.account_sid = number.account_sid
    call.attempted_at = call.updated_at = utc_now()
    await session.flush()
    how = await queries.how_to_call(session)
    return Attempt(call.id, first.id, first.number, call.our_number, how.ring_seconds)


async def accepted(session: TenantSession, attempt: Attempt, info: CallInfo) -> bool:
    """Twilio has the call; whether somebody has asked to hang it up meanwhile."""
    call = await legs.locked(session, attempt.call_id)
    if call is None:
        return True
    news = News(sid=info.sid, status=info.status, at=utc_now(), duration_seconds=info.duration_seconds)
    await legs.hear(session, call, attempt.leg_id, news)
    return call.hang_up_asked_at is not None


async def refused(session: TenantSession, call_id: UUID, *, code: int | None, reason: str) -> None:
    """The call was certainly not made."""
    call = await legs.locked(session, call_id)
    if call is not None and CALL_RANKS[call.status] < CALL_RANKS["initiated"]:
        call.error_code = code
        await _end(session, call, "failed", reason)


async def unconfirmed(session: TenantSession, call_id: UUID) -> None:
    """Nobody knows whether Twilio has the call: it is not dialled again, and late news may still adopt it."""
    call = await legs.locked(session, call_id)
    if call is not None and CALL_RANKS[call.status] < CALL_RANKS["unconfirmed"]:
        call.status, call.reason, call.updated_at = "unconfirmed", "unconfirmed", utc_now()
        await legs.tell(session, call)
        await session.flush()


async def _end(session: TenantSession, call: Call, status: str, reason: str) -> None:
    now = utc_now()
    first = (await queries.legs_of(session, call.id))[0]
    first.status, first.ended_at = status, now
    call.status, call.reason, call.ended_at, call.updated_at = status, reason, now, now
    await legs.tell(session, call)
    await session.flush()
