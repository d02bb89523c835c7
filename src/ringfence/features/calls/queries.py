"""Reading calls. A deleted call is nowhere to be seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, tuple_

from ringfence.errors import NotFoundError
from ringfence.features.calls.model import Call, CallLeg, CallRecording, CallSettings, RingEntry, Shown
from ringfence.features.calls.values.states import FINAL
from ringfence.features.contacts.model import Contact
from ringfence.features.conversations.model import Conversation
from ringfence.features.conversations.queries import get_thread, visible_between, visible_to
from ringfence.features.conversations.values import Viewer
from ringfence.features.users.model import User
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position

SWEEP_BATCH = 50
ASKED_ABOUT_FOR = timedelta(days=2)
RECORDING_GIVEN_UP_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list of calls shows; None shows all. `number` is E.164, at either end; `created_to` is exclusive."""

    direction: str | None = None
    status: str | None = None
    number: str | None = None
    contact_id: UUID | None = None
    user_id: UUID | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HowToCall:
    """The company's settings for calls, defaults included. `ring_order` are users, first to ring first."""

    record_calls: bool = False
    block_opted_out: bool = False
    ring_seconds: int = 20
    voicemail_greeting: str = ""
    ring_order: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True)
class Agent:
    """Somebody whose telephone can be rung."""

    user_id: UUID
    phone: str


async def list_calls(
    session: TenantSession, viewer: Viewer, *, filters: Filters, after: Position | None, limit: int
) -> Sequence[Call]:
    """Calls, newest first: up to limit + 1 after a position. A foreign id in a filter shows nothing."""
    query = select(Call).where(
        Call.company_id == session.company_id, Call.deleted_at.is_(None), _visible_to(session, viewer)
    )
    exact = {Call.direction: filters.direction, Call.status: filters.status, Call.user_id: filters.user_id}
    query = query.where(*(column == value for column, value in exact.items() if value is not None))
    if filters.number is not None:
        query = query.where(or_(Call.outside_number == filters.number, Call.our_number == filters.number))
    if filters.contact_id is not None:
        number_now = (
            select(Contact.phone_number)
            .where(
                Contact.company_id == session.company_id,
                Contact.id == filters.contact_id,
                Contact.deleted_at.is_(None),
            )
            .scalar_subquery()
        )
        query = query.where(or_(Call.contact_id == filters.contact_id, Call.outside_number == number_now))
    if filters.created_from is not None:
        query = query.where(Call.created_at >= filters.created_from)
    if filters.created_to is not None:
        query = query.where(Call.created_at < filters.created_to)
    if after is not None:
        query = query.where(tuple_(Call.created_at, Call.id) < (after.at, after.id))
    return (await session.scalars(query.order_by(Call.created_at.desc(), Call.id.desc()).limit(limit + 1))).all()


async def of_conversation(
    session: TenantSession, viewer: Viewer, conversation_id: UUID, *, after: Position | None, limit: int
) -> Sequence[Call]:
    """Calls between the two numbers of a conversation, newest first. Raises NotFoundError for an unknown one."""
    thread = await get_thread(session, viewer, conversation_id)
    query = select(Call).where(
        Call.company_id == session.company_id,
        Call.deleted_at.is_(None),
        Call.outside_number == thread.outside_number,
        Call.phone_number_id == thread.phone_number_id,
    )
    if after is not None:
        query = query.where(tuple_(Call.created_at, Call.id) < (after.at, after.id))
    return (await session.scalars(query.order_by(Call.created_at.desc(), Call.id.desc()).limit(limit + 1))).all()


async def get_call(session: TenantSession, viewer: Viewer, call_id: UUID) -> Call:
    """One call. Raises NotFoundError, also for one that the viewer may not see."""
    call = await session.scalar(
        select(Call).where(
            Call.company_id == session.company_id,
            Call.id == call_id,
            Call.deleted_at.is_(None),
            _visible_to(session, viewer),
        )
    )
    if call is None:
        raise NotFoundError
    return call


async def shown(session: TenantSession, viewer: Viewer, calls: Sequence[Call]) -> list[Shown]:
    """Calls as people see them, in their order."""
    company, ids = session.company_id, [call.id for call in calls]
    threads = {
        (row.phone_number_id, row.outside_number): row.id
        for row in await session.execute(
            select(Conversation.id, Conversation.phone_number_id, Conversation.outside_number).where(
                Conversation.company_id == company,
                Conversation.outside_number.in_({call.outside_number for call in calls}),
                visible_to(viewer),
            )
        )
    }
    legs: dict[UUID, list[CallLeg]] = {call_id: [] for call_id in ids}
    for leg in await session.scalars(
        select(CallLeg)
        .where(CallLeg.company_id == company, CallLeg.call_id.in_(ids), CallLeg.status != "planned")
        .order_by(CallLeg.call_id, CallLeg.position)
    ):
        legs[leg.call_id].append(leg)
    recordings: dict[UUID, list[CallRecording]] = {call_id: [] for call_id in ids}
    for recording in await session.scalars(
        select(CallRecording)
        .where(CallRecording.company_id == company, CallRecording.call_id.in_(ids))
        .order_by(CallRecording.call_id, CallRecording.created_at, CallRecording.id)
    ):
        recordings[recording.call_id].append(recording)
    return [
        Shown(
            call=call,
            conversation_id=threads.get((call.phone_number_id, call.outside_number)),
            legs=legs[call.id],
            recordings=recordings[call.id],
        )
        for call in calls
    ]


async def stored_recording(
    session: TenantSession, viewer: Viewer, call_id: UUID, recording_id: UUID | None
) -> CallRecording:
    """A stored recording of a call: the one asked for, else the first. Raises NotFoundError."""
    call = await get_call(session, viewer, call_id)
    query = select(CallRecording).where(
        CallRecording.company_id == session.company_id,
        CallRecording.call_id == call.id,
        CallRecording.status == "stored",
    )
    if recording_id is not None:
        query = query.where(CallRecording.id == recording_id)
    found = await session.scalar(query.order_by(CallRecording.created_at, CallRecording.id).limit(1))
    if found is None:
        raise NotFoundError
    return found


def _visible_to(session: TenantSession, viewer: Viewer) -> ColumnElement[bool]:
    """A call belongs to the conversation between its numbers; whoever made or answered it sees it too."""
    between = visible_between(session, viewer, outside_number=Call.outside_number, phone_number_id=Call.phone_number_id)
    return between if viewer.user_id is None else or_(between, Call.user_id == viewer.user_id)


async def how_to_call(session: TenantSession) -> HowToCall:
    """The company's settings for calls."""
    settings = await session.scalar(select(CallSettings).where(CallSettings.company_id == session.company_id))
    order = (
        await session.scalars(
            select(RingEntry.user_id).where(RingEntry.company_id == session.company_id).order_by(RingEntry.position)
        )
    ).all()
    if settings is None:
        return HowToCall(ring_order=order)
    return HowToCall(
        record_calls=settings.record_calls,
        block_opted_out=settings.block_opted_out,
        ring_seconds=settings.ring_seconds,
        voicemail_greeting=settings.voicemail_greeting,
        ring_order=order,
    )


async def agents_to_ring(session: TenantSession) -> list[Agent]:
    """Active people with a telephone, in the company's ring order."""
    rows = await session.execute(
        select(User.id, User.phone)
        .join(RingEntry, and_(RingEntry.company_id == User.company_id, RingEntry.user_id == User.id))
        .where(
            User.company_id == session.company_id,
            RingEntry.company_id == session.company_id,
            User.status == "active",
            User.phone.is_not(None),
        )
        .order_by(RingEntry.position)
    )
    return [Agent(row.id, row.phone) for row in rows if row.phone is not None]


async def can_ring(session: TenantSession, user_id: UUID | None, phone: str) -> bool:
    """Whether this is still the telephone of an active person."""
    found = await session.scalar(
        select(User.id).where(
            User.company_id == session.company_id, User.id == user_id, User.status == "active", User.phone == phone
        )
    )
    return found is not None


async def just_asked_for(session: TenantSession, *, user_id: UUID, outside_number: str) -> UUID | None:
    """A call of this person to this number that was asked for within the last seconds and lasts, or None."""
    return await session.scalar(
        select(Call.id)
        .where(
            Call.company_id == session.company_id,
            Call.user_id == user_id,
            Call.outside_number == outside_number,
            Call.direction == "outbound",
            Call.created_at > utc_now() - timedelta(seconds=10),
            Call.status.not_in(FINAL),
        )
        .limit(1)
    )


async def unfinished(session: TenantSession, *, untouched_for: timedelta) -> Sequence[Call]:
    """Calls without an end that nothing was heard of for a while, the longest silent first: a batch."""
    query = (
        select(Call)
        .where(
            Call.company_id == session.company_id,
            Call.status.not_in(FINAL),
            Call.updated_at < utc_now() - untouched_for,
            Call.created_at > utc_now() - ASKED_ABOUT_FOR,
        )
        .order_by(Call.updated_at)
        .limit(SWEEP_BATCH)
    )
    return (await session.scalars(query)).all()


async def legs_of(session: TenantSession, call_id: UUID) -> Sequence[CallLeg]:
    """The legs of a call, planned ones included, in order."""
    return (
        await session.scalars(
            select(CallLeg)
            .where(CallLeg.company_id == session.company_id, CallLeg.call_id == call_id)
            .order_by(CallLeg.position)
        )
    ).all()


async def find_leg(session: TenantSession, sid: str) -> CallLeg | None:
    """The leg that Twilio calls by this SID."""
    return await session.scalar(
        select(CallLeg).where(CallLeg.company_id == session.company_id, CallLeg.twilio_sid == sid)
    )


async def taken_sids(session: TenantSession, sids: Sequence[str]) -> set[str]:
    """Which of these SIDs belong to a leg already."""
    found = await session.scalars(
        select(CallLeg.twilio_sid).where(CallLeg.company_id == session.company_id, CallLeg.twilio_sid.in_(sids))
    )
    return {sid for sid in found if sid is not None}


async def late_recordings(session: TenantSession) -> Sequence[UUID]:
    """Recordings that should have been fetched long ago and are not given up yet."""
    now = utc_now()
    query = select(CallRecording.id).where(
        CallRecording.company_id == session.company_id,
        CallRecording.status == "pending",
        CallRecording.created_at < now - timedelta(minutes=10),
        CallRecording.created_at > now - RECORDING_GIVEN_UP_AFTER,
    )
    return (await session.scalars(query.limit(SWEEP_BATCH))).all()


async def recording_of(session: TenantSession, call_id: UUID, sid: str) -> CallRecording | None:
    """The recording of a call that Twilio calls by this SID."""
    return await session.scalar(
        select(CallRecording).where(
            CallRecording.company_id == session.company_id,
            CallRecording.call_id == call_id,
            CallRecording.twilio_sid == sid,
        )
    )


async def pending_recording(session: TenantSession, recording_id: UUID) -> CallRecording | None:
    """A recording that is still to be fetched, of a call that is still there."""
    return await session.scalar(
        select(CallRecording)
        .join(Call, and_(Call.company_id == CallRecording.company_id, Call.id == CallRecording.call_id))
        .where(
            CallRecording.company_id == session.company_id,
            Call.company_id == session.company_id,
            CallRecording.id == recording_id,
            CallRecording.status == "pending",
            Call.deleted_at.is_(None),
        )
    )


async def recording_ids(session: TenantSession, call_id: UUID) -> Sequence[UUID]:
    """Every recording of a call, also of a deleted one."""
    query = select(CallRecording.id).where(
        CallRecording.company_id == session.company_id, CallRecording.call_id == call_id
    )
    return (await session.scalars(query)).all()
