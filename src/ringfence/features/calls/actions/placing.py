"""Click-to-call: the intent is stored with all that the call will be, and a job makes it."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from ringfence.dispatch.ports import Refuse
from ringfence.errors import InvalidInputError, RefusedError
from ringfence.features.audit_log import actions as audit_log
from ringfence.features.audit_log.values import Actor
from ringfence.features.calls import queries
from ringfence.features.calls.actions import legs
from ringfence.features.calls.errors import CallUnderWayError, NoPhoneError, OverError, OwnNumberError
from ringfence.features.calls.model import Call, CallLeg
from ringfence.features.calls.values.jobs import HangUpCall, PlaceCall
from ringfence.features.calls.values.states import FINAL
from ringfence.features.consent import queries as consent
from ringfence.features.contacts import queries as contacts
from ringfence.features.conversations import queries as conversations
from ringfence.features.conversations.values import Viewer
from ringfence.features.messages.queries import facts, gate
from ringfence.features.phone_numbers import queries as phone_numbers
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.phone_numbers.values import last_four
from ringfence.features.users import queries as users
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.phone import region_of
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

# Two clicks at once must see each other, or each would find itself the first.
_TAKE_TURNS = register(
    "calls.take_turns",
    "SELECT pg_advisory_xact_lock(hashtextextended(CAST(:company_id AS text) || CAST(:user_id AS text), 1))",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A call to make. Numbers are E.164; one of `to_number` and `contact_id` at least is given."""

    user_id: UUID
    to_number: str | None
    contact_id: UUID | None = None
    from_number: str | None = None
    source: Literal["api", "console", "redial"]
    redial_of: UUID | None = None


async def place(session: TenantSession, viewer: Viewer, wanted: Wanted, *, actor: Actor) -> Call:
    """Store a call and have it made: the user's telephone rings first, then the contact is dialled.

    Raises NotFoundError for an unknown user or contact, NotYoursError for a number whose conversation the viewer may
    not see, InvalidInputError for a contact without this number,
    CallUnderWayError, and RefusedError when the gate says no (`company_suspended`, `not_connected`,
    `settings_unverified`, `account_suspended`, `no_phone`, `opted_out`, `own_number` and those of the caller id);
    nothing is stored then.
    """
    await session.execute(_TAKE_TURNS, {"company_id": session.company_id, "user_id": wanted.user_id})
    user = await users.user(session, wanted.user_id)
    if user.status != "active" or user.phone is None:
        raise NoPhoneError
    to_number, contact_id = await _person(session, wanted)
    await conversations.refuse_hidden(session, viewer, outside_number=to_number, from_number=wanted.from_number)
    under_way = await queries.just_asked_for(session, user_id=user.id, outside_number=to_number)
    if under_way is not None:
        raise CallUnderWayError(under_way)
    number = await ask_gate(session, to_number=to_number, phone=user.phone, requested=wanted.from_number)
    now = utc_now()
    call = Call(
        id=new_id(),
        direction="outbound",
        status="queued",
        source=wanted.source,
        phone_number_id=number.id,
        our_number=number.phone_number,
        outside_number=to_number,
        account_sid=number.account_sid,
        user_id=user.id,
        contact_id=contact_id,
        redial_of=wanted.redial_of,
        notes="",
        created_at=now,
        updated_at=now,
    )
    session.add(call)
    await session.flush()
    first = CallLeg(call_id=call.id, position=0, role="user", number=user.phone, user_id=user.id, created_at=now)
    session.add_all([first, CallLeg(call_id=call.id, position=1, role="contact", number=to_number, created_at=now)])
    audit_log.record(
        session,
        actor=actor,
        action="call.placed",
        target_kind="call",
        target_id=call.id,
        after={"to": last_four(to_number), "from": last_four(number.phone_number), "user_id": user.id},
    )
    await session.flush()
    await legs.tell(session, call)
    await enqueue(session, PlaceCall(call_id=call.id), once_key=f"call:{call.id}")
    return call


async def ask_gate(session: TenantSession, *, to_number: str, phone: str, requested: str | None) -> PhoneNumber:
    """The number a call shows, once everything allows the call. Raises RefusedError.

    An opt-out is about texts; it stops calls only where the company has set `block_opted_out`.
    """
    refusal = gate.ask_connection(await facts.connection(session))
    if isinstance(refusal, Refuse):
        raise RefusedError(refusal.code, refusal.reason)
    if phone == to_number or await phone_numbers.held(session, phone) is not None:
        raise OwnNumberError
    thread = await conversations.find_latest(session, outside_number=to_number)
    number = await phone_numbers.choose_caller_id(
        session,
        last_used_id=thread.phone_number_id if thread else None,
        requested=requested,
        to_region=region_of(to_number),
    )
    how = await queries.how_to_call(session)
    if how.block_opted_out and await consent.is_opted_out(session, number.id, [to_number]):
        raise RefusedError("opted_out", "This number has opted out, and the company does not call such numbers.")
    return number


async def ask_to_hang_up(session: TenantSession, viewer: Viewer, call_id: UUID, *, actor: Actor) -> Call:
    """Have a call ended. One that Twilio was not asked for yet is canceled at once. Raises OverError."""
    await queries.get_call(session, viewer, call_id)
    call = await legs.locked(session, call_id)
    if call is None or call.status in FINAL:
        raise OverError
    now = utc_now()
    if call.direction == "outbound" and call.attempted_at is None:
        for leg in await queries.legs_of(session, call.id):
            leg.status, leg.ended_at = "canceled", now
        call.status, call.reason, call.ended_at = "canceled", "user_hung_up", now
    else:
        await enqueue(session, HangUpCall(call_id=call.id), once_key=f"hang-up:{call.id}")
    call.hang_up_asked_at = call.updated_at = now
    await legs.tell(session, call)
    audit_log.record(session, actor=actor, action="call.hung_up", target_kind="call", target_id=call.id)
    await session.flush()
    return call


async def _person(session: TenantSession, wanted: Wanted) -> tuple[str, UUID | None]:
    if wanted.contact_id is None:
        if wanted.to_number is None:
            raise InvalidInputError("nobody", "Say whom to call: to or contact_id.")
        known = await contacts.find_by_number(session, wanted.to_number)
        return wanted.to_number, known.id if known else None
    contact = await contacts.get_contact(session, wanted.contact_id)
    to_number = wanted.to_number or contact.phone_number
    if to_number is None:
        raise InvalidInputError("contact_without_number", "This contact has no telephone number.")
    if contact.phone_number not in {None, to_number}:
        raise InvalidInputError("contact_mismatch", "This contact has another number than the call goes to.")
    return to_number, contact.id
