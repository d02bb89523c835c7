"""Calls that come in, and what the telephone network is told to do next with any call."""

from uuid import UUID

from ringfence.features.calls import queries
from ringfence.features.calls.actions import legs
from ringfence.features.calls.actions.addresses import CallAddresses
from ringfence.features.calls.model import Call, CallLeg
from ringfence.features.calls.values import twiml
from ringfence.features.calls.values.states import FINAL, News
from ringfence.features.contacts import queries as contacts
from ringfence.features.phone_numbers import queries as phone_numbers
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.phone import e164_or_none
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

# The same call can be reported twice at once; the second one must find the first one's row.
_TAKE_TURNS = register(
    "calls.one_at_a_time",
    "SELECT pg_advisory_xact_lock(hashtextextended(CAST(:company_id AS text) || CAST(:sid AS text), 2))",
)
_GOODBYE = "Thank you. Goodbye."
_SORRY = {"busy": "The number is busy.", "no_answer": "Nobody answered.", "failed": "The number cannot be reached."}


async def receive(session: TenantSession, *, sid: str, account_sid: str, from_number: str, number: PhoneNumber) -> Call:
    """The call that comes in under a SID: stored, with everybody it may ring, the first time it is told."""
    await session.execute(_TAKE_TURNS, {"company_id": session.company_id, "sid": sid})
    leg = await queries.find_leg(session, sid)
    if leg is not None:
        known = await legs.locked(session, leg.call_id)
        if known is not None:
            return known
    contact = await contacts.find_by_number(session, from_number)
    now = utc_now()
    call = Call(
        id=new_id(),
        direction="inbound",
        status="ringing",
        source="webhook",
        phone_number_id=number.id,
        our_number=number.phone_number,
        outside_number=from_number,
        account_sid=account_sid,
        contact_id=contact.id if contact else None,
        notes="",
        created_at=now,
        updated_at=now,
    )
    session.add(call)
    await session.flush()
    first = CallLeg(
        call_id=call.id,
        position=0,
        role="contact",
        number=from_number,
        twilio_sid=sid,
        status="ringing",
        created_at=now,
    )
    session.add(first)
    position = 0
    for agent in await queries.agents_to_ring(session):
        # A telephone that is a number of the company's own would call itself without end.
        if agent.phone == from_number or await phone_numbers.held(session, agent.phone) is not None:
            continue
        position += 1
        session.add(
            CallLeg(
                call_id=call.id,
                position=position,
                role="user",
                number=agent.phone,
                user_id=agent.user_id,
                created_at=now,
            )
        )
    await legs.tell(session, call, kind="call.incoming")
    await session.flush()
    return call


async def ring_next(session: TenantSession, call: Call, addresses: CallAddresses, *, after: int) -> bytes:
    """TwiML for an incoming call: ring the next person in order, or take a message. The same again when replayed."""
    how = await queries.how_to_call(session)
    for leg in await queries.legs_of(session, call.id):
        if leg.position <= after or leg.role != "user":
            continue
        if await queries.can_ring(session, leg.user_id, leg.number):
            return twiml.document(_dial(call, leg, addresses, how, caller_id=_shown_to_agent(call)))
    greeting = how.voicemail_greeting or twiml.DEFAULT_GREETING
    voicemail = twiml.record(
        action=addresses.of("voicemail", call.id), recording_callback=addresses.of("recording", call.id)
    )
    return twiml.document(twiml.say(greeting), voicemail)


async def connect(session: TenantSession, call: Call, addresses: CallAddresses, *, sid: str) -> bytes:
    """TwiML for a call of ours whose user has picked up: dial the contact under the company's number."""
    user, contact = (await queries.legs_of(session, call.id))[:2]
    await legs.hear(session, call, user.id, News(sid=sid, status="in-progress", at=utc_now()))
    if user.twilio_sid != sid or call.hang_up_asked_at is not None or call.status in FINAL:
        return twiml.document(twiml.HANG_UP)
    how = await queries.how_to_call(session)
    return twiml.document(_dial(call, contact, addresses, how, caller_id=call.our_number))


async def after_dial(
    session: TenantSession,
    call: Call,
    leg_id: UUID,
    addresses: CallAddresses,
    *,
    news: News | None,
    caller_is_there: bool,
) -> bytes:
    """TwiML for when a dialled leg has ended; `news` says how, if Twilio named the leg."""
    leg = next((item for item in await queries.legs_of(session, call.id) if item.id == leg_id), None)
    if leg is None:
        return twiml.document(twiml.HANG_UP)
    if news is not None:
        await legs.hear(session, call, leg.id, news)
    if leg.status in {"completed", "in_progress"} or not caller_is_there:
        return twiml.document(twiml.HANG_UP)
    if call.direction == "inbound":
        return await ring_next(session, call, addresses, after=leg.position)
    return twiml.document(twiml.say(_SORRY.get(leg.status, _GOODBYE)), twiml.HANG_UP)


def goodbye() -> bytes:
    """TwiML for after a message was left."""
    return twiml.document(twiml.say(_GOODBYE), twiml.HANG_UP)


def _dial(call: Call, leg: CallLeg, addresses: CallAddresses, how: queries.HowToCall, *, caller_id: str | None) -> str:
    return twiml.dial(
        leg.number,
        action=addresses.of("voice/after-dial", call.id, leg.id),
        status_callback=addresses.of("call-status", call.id, leg.id),
        ring_seconds=how.ring_seconds,
        caller_id=caller_id,
        recording_callback=addresses.of("recording", call.id) if how.record_calls else None,
    )


def _shown_to_agent(call: Call) -> str | None:
    """None shows the caller's own number; a caller who hides it, or has none, needs one that may be shown."""
    return None if e164_or_none(call.outside_number) else call.our_number
