"""Scheduling a text, changing it, taking it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from ringfence.errors import ForbiddenError, InvalidInputError
from ringfence.features.audit_log.values import Actor
from ringfence.features.contacts import queries as contacts
from ringfence.features.conversations import queries as conversations
from ringfence.features.conversations.values import Viewer
from ringfence.features.events.actions import emit
from ringfence.features.messages.actions import uploading
from ringfence.features.messages.actions.sending import check_content
from ringfence.features.messages.queries import uploads
from ringfence.features.messages.values import addresses_of, attachments, uploads_of
from ringfence.features.phone_numbers import queries as phone_numbers
from ringfence.features.phone_numbers.errors import UnknownSenderError
from ringfence.features.scheduling import queries
from ringfence.features.scheduling.actions.drafting import draft_of, filled
from ringfence.features.scheduling.errors import NotPendingError
from ringfence.features.scheduling.model import ScheduledText, ScheduleDue
from ringfence.features.scheduling.values import FURTHEST
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession

_DAY: Final = timedelta(days=1)
# How late a text may still go out is a setting of hours; its files wait for as long as that can be.
_KEPT_AFTER: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A text for later. Numbers are E.164. `due_at` is aware, or `wall` is a time by the recipient's clock."""

    to_number: str
    body: str = field(repr=False)
    template_id: UUID | None = None
    variables: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    media_urls: tuple[str, ...] = ()
    from_number: str | None = None
    contact_id: UUID | None = None
    due_at: datetime | None = None
    wall: datetime | None = None
    cancel_if_reply: bool = False


async def schedule(session: TenantSession, viewer: Viewer, plan: Plan, *, actor: Actor) -> ScheduledText:
    """Keep a text until its time. What is wrong about it now is said now; the gate is asked when the time comes.

    Raises InvalidInputError (content, time, a contact with another number), NotFoundError (contact, template),
    UnknownSenderError, UnresolvedFieldsError, NotYoursError for a conversation that the viewer may not see.
    """
    now = utc_now()
    scheduled = ScheduledText(
        id=new_id(),
        to_number=plan.to_number,
        from_number=plan.from_number,
        contact_id=plan.contact_id,
        body=plan.body,
        template_id=plan.template_id,
        variables=dict(plan.variables),
        media_urls=list(plan.media_urls),
        cancel_if_reply=plan.cancel_if_reply,
        status="pending",
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        created_at=now,
        updated_at=now,
    )
    await _refuse_hidden(session, viewer, scheduled)
    await _set_time(session, scheduled, due_at=plan.due_at, wall=plan.wall)
    await _check(session, scheduled)
    session.add(scheduled)
    await tell(session, scheduled)
    await session.flush()
    await wake(session, scheduled.due_at)
    return scheduled


async def change(
    session: TenantSession,
    viewer: Viewer,
    scheduled_id: UUID,
    *,
    actor: Actor,
    manages: bool,
    changes: Mapping[str, object],
    media_ids: Sequence[UUID] | None = None,
    addresses: Sequence[str] | None = None,
    due_at: datetime | None = None,
    wall: datetime | None = None,
) -> ScheduledText:
    """Change a pending text; `changes` are columns (`body`, `from_number`, `cancel_if_reply`).

    `media_ids` and `addresses` take the place of the uploads and of the addresses that it carries; None leaves them.

    Raises NotFoundError, ForbiddenError for somebody else's unless the actor manages, NotPendingError, and what
    `schedule` raises.
    """
    scheduled = await _mine(session, viewer, scheduled_id, actor=actor, manages=manages)
    for column, value in changes.items():
        setattr(scheduled, column, value)
    scheduled.media_urls = list(
        attachments(
            uploads_of(scheduled.media_urls) if media_ids is None else media_ids,
            addresses_of(scheduled.media_urls) if addresses is None else addresses,
        )
    )
    await _refuse_hidden(session, viewer, scheduled)
    if "body" in changes:
        scheduled.template_id, scheduled.variables = None, {}
    if due_at is not None or wall is not None:
        await _set_time(session, scheduled, due_at=due_at, wall=wall)
    await _check(session, scheduled)
    scheduled.updated_at = utc_now()
    await tell(session, scheduled)
    await session.flush()
    await wake(session, scheduled.due_at)
    return scheduled


async def cancel(
    session: TenantSession, viewer: Viewer, scheduled_id: UUID, *, actor: Actor, manages: bool
) -> ScheduledText:
    """Take a pending text back. Raises NotFoundError, ForbiddenError, NotPendingError."""
    scheduled = await _mine(session, viewer, scheduled_id, actor=actor, manages=manages)
    settle(scheduled, "canceled", code="by_person", reason=f"{actor.name} canceled it.")
    await tell(session, scheduled)
    await session.flush()
    return scheduled


async def take(
    session: TenantSession, viewer: Viewer, scheduled_id: UUID, *, actor: Actor, manages: bool
) -> ScheduledText:
    """A pending text, locked, to be sent now. Raises NotFoundError, ForbiddenError, NotPendingError, NotYoursError."""
    scheduled = await _mine(session, viewer, scheduled_id, actor=actor, manages=manages)
    await _refuse_hidden(session, viewer, scheduled)
    return scheduled


def settle(scheduled: ScheduledText, status: str, *, code: str | None = None, reason: str | None = None) -> None:
    """A pending text is no longer so."""
    now = utc_now()
    scheduled.status, scheduled.code, scheduled.reason = status, code, reason
    scheduled.updated_at = scheduled.settled_at = now


async def tell(session: TenantSession, scheduled: ScheduledText) -> None:
    """Let whoever watches the company, and may see the person's thread if there is one, hear of a scheduled text."""
    thread = await conversations.find_latest(session, outside_number=scheduled.to_number)
    emit(session, kind="scheduled.changed", subject_id=scheduled.id, conversation_id=thread.id if thread else None)


async def wake(session: TenantSession, due_at: datetime) -> None:
    """Have the company looked at when this is due. Last in the transaction: it makes others of the company wait."""
    statement = insert(ScheduleDue).values(company_id=session.company_id, next_due=due_at)
    earliest = func.least(ScheduleDue.next_due, statement.excluded.next_due)
    await session.execute(statement.on_conflict_do_update(index_elements=["company_id"], set_={"next_due": earliest}))


async def _mine(
    session: TenantSession, viewer: Viewer, scheduled_id: UUID, *, actor: Actor, manages: bool
) -> ScheduledText:
    scheduled = await queries.get_scheduled(session, viewer, scheduled_id, lock=True)
    if not manages and (scheduled.actor_kind, scheduled.actor_id) != (actor.kind, actor.id):
        raise ForbiddenError("not_yours", "Somebody else scheduled this text; a manager can change it.")
    if scheduled.status != "pending":
        raise NotPendingError(scheduled.status)
    return scheduled


async def _refuse_hidden(session: TenantSession, viewer: Viewer, scheduled: ScheduledText) -> None:
    """What was scheduled goes out in its time, whoever looks after the conversation then; acts of today are refused."""
    await conversations.refuse_hidden(
        session, viewer, outside_number=scheduled.to_number, from_number=scheduled.from_number
    )


async def _set_time(
    session: TenantSession, scheduled: ScheduledText, *, due_at: datetime | None, wall: datetime | None
) -> None:
    scheduled.local_time, scheduled.zones = None, []
    now = utc_now()
    # No clock is a day away from UTC; years at the ends of the calendar have no instant at all.
    rough = due_at if wall is None else wall.replace(tzinfo=UTC)
    if rough is None or rough < now - _DAY:
        raise _in_the_past()
    if rough > now + FURTHEST + _DAY:
        raise _too_far_ahead()
    if wall is not None:
        found = await queries.resolve(session, wall, to_number=scheduled.to_number, contact_id=scheduled.contact_id)
        due_at, scheduled.local_time, scheduled.zones = found.at, wall.isoformat(), list(found.zones)
    if due_at is None or due_at <= now:
        raise _in_the_past()
    if due_at > now + FURTHEST:
        raise _too_far_ahead()
    scheduled.due_at = due_at


def _in_the_past() -> InvalidInputError:
    return InvalidInputError("in_the_past", "The time to send it has passed already.")


def _too_far_ahead() -> InvalidInputError:
    return InvalidInputError("too_far_ahead", f"A text is scheduled {FURTHEST.days} days ahead at most.")


async def _check(session: TenantSession, scheduled: ScheduledText) -> None:
    """What can be said before its time: content, contact, sender, and that the template can be filled."""
    draft = draft_of(scheduled)
    await uploads.carried(session, scheduled.media_urls)
    await uploading.keep(session, scheduled.media_urls, until=scheduled.due_at + _KEPT_AFTER)
    if draft.from_number is not None and await phone_numbers.held(session, draft.from_number) is None:
        raise UnknownSenderError
    if draft.contact_id is not None:
        contact = await contacts.get_contact(session, draft.contact_id)
        if contact.phone_number not in {None, draft.to_number}:
            raise InvalidInputError("contact_mismatch", "This contact has another number than the text goes to.")
    if draft.template_id is None:
        check_content(draft)
    else:
        await filled(session, scheduled, draft)
