"""What people do with conversations: states, owners, read marks, deletion."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from ringfence.errors import InvalidInputError, NotFoundError
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.conversations.errors import AssigneeError
from ringfence.features.conversations.model import Conversation, ConversationRead
from ringfence.features.conversations.queries import visible_to
from ringfence.features.conversations.values import (
    LONGEST_SNOOZE,
    RESTORABLE_FOR,
    Change,
    EndSnooze,
    PurgeConversation,
    Standing,
    State,
    Viewer,
    changed,
)
from ringfence.features.events.actions import emit
from ringfence.features.events.values import TellStaff
from ringfence.features.users import queries as users
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


@dataclass(frozen=True, slots=True)
class Changed:
    """A conversation that was changed, and where it stood before: sent back as a change, that undoes it."""

    id: UUID
    before: Standing


async def change(
    session: TenantSession, viewer: Viewer, conversation_ids: Sequence[UUID], wanted: Change
) -> list[Changed]:
    """Change those of the conversations that the viewer may see, in the order of their ids.

    Raises InvalidInputError for a snooze without time, in the past or too long, or a time without a snooze;
    AssigneeError for somebody who is not an active person of the company.
    """
    _check_snooze(wanted)
    if wanted.assigned_to is not None:
        user = await users.user_or_none(session, wanted.assigned_to)
        if user is None or user.status != "active":
            raise AssigneeError
    done: list[Changed] = []
    for thread in await _locked(session, viewer, conversation_ids):
        before = _standing(thread)
        after = changed(before, wanted)
        done.append(Changed(thread.id, before))
        if after == before:
            continue
        for name, value in asdict(after).items():
            setattr(thread, name, value)
        if after.snoozed_until is not None:
            await enqueue(session, EndSnooze(conversation_id=thread.id), run_at=after.snoozed_until)
        if after.assigned_to not in {None, before.assigned_to, viewer.user_id}:
            await _tell_assignee(session, thread.id, after.assigned_to)
        _tell(session, thread.id)
    await session.flush()
    return done


async def end_snooze(session: TenantSession, conversation_id: UUID) -> bool:
    """Open a conversation whose snooze is over; whether it was. One that was snoozed anew waits for its other job."""
    opened = await session.execute(
        update(Conversation)
        .where(
            Conversation.company_id == session.company_id,
            Conversation.id == conversation_id,
            Conversation.state == "snoozed",
            Conversation.snoozed_until <= utc_now(),
        )
        .values(state="open", snoozed_until=None)
        .returning(Conversation.id)
    )
    if opened.first() is None:
        return False
    _tell(session, conversation_id)
    return True


async def mark_read(session: TenantSession, viewer: Viewer, conversation_id: UUID) -> None:
    """The viewer has read everything that is in the conversation now. Raises NotFoundError."""
    [thread] = await _locked(session, viewer, [conversation_id]) or [None]
    if thread is None:
        raise NotFoundError
    thread.unread_count = 0
    await session.flush()
    if viewer.user_id is not None:
        await _set_mark(session, viewer.user_id, thread.id, thread.last_inbound_at or thread.last_message_at)
    _tell(session, thread.id)


async def mark_unread(session: TenantSession, viewer: Viewer, conversation_id: UUID) -> None:
    """The other side's last text is unread again: for the viewer, or for all when a key asks. Raises NotFoundError."""
    [thread] = await _locked(session, viewer, [conversation_id]) or [None]
    if thread is None:
        raise NotFoundError
    if viewer.user_id is None:
        thread.unread_count = max(thread.unread_count, 1 if thread.last_inbound_at else 0)
        await session.flush()
    elif thread.last_inbound_at is not None:
        until = thread.last_inbound_at - timedelta(microseconds=1)
        await _set_mark(session, viewer.user_id, thread.id, until)
    _tell(session, thread.id)


async def delete_conversation(session: TenantSession, viewer: Viewer, conversation_id: UUID, *, actor: Actor) -> None:
    """Put a conversation out of sight; its content goes after RESTORABLE_FOR. Raises NotFoundError."""
    [thread] = await _locked(session, viewer, [conversation_id]) or [None]
    if thread is None:
        raise NotFoundError
    now = utc_now()
    thread.deleted_at = now
    await session.flush()
    await enqueue(session, PurgeConversation(conversation_id=thread.id), run_at=now + RESTORABLE_FOR)
    _record(session, actor, "conversation.deleted", thread.id)


async def restore_conversation(session: TenantSession, conversation_id: UUID, *, actor: Actor) -> None:
    """Bring a deleted conversation back as it was. Raises NotFoundError when it is not to be had any more."""
    restored = await session.execute(
        update(Conversation)
        .where(
            Conversation.company_id == session.company_id,
            Conversation.id == conversation_id,
            Conversation.deleted_at > utc_now() - RESTORABLE_FOR,
        )
        .values(deleted_at=None)
        .returning(Conversation.id)
    )
    if restored.first() is None:
        raise NotFoundError
    _record(session, actor, "conversation.restored", conversation_id)


async def lock_to_purge(session: TenantSession, conversation_id: UUID) -> bool:
    """Whether a conversation's content is to go now; it stays deleted until the transaction ends."""
    found = await session.scalar(
        select(Conversation.id)
        .where(
            Conversation.company_id == session.company_id,
            Conversation.id == conversation_id,
            Conversation.deleted_at <= utc_now() - RESTORABLE_FOR,
        )
        .with_for_update()
    )
    return found is not None


async def empty(session: TenantSession, conversation_id: UUID) -> None:
    """Leave nothing of a purged conversation's content in its row. The row stays: texts are counted under it."""
    company = session.company_id
    await session.execute(
        update(Conversation)
        .where(Conversation.company_id == company, Conversation.id == conversation_id)
        .values(last_preview="", unread_count=0)
    )
    await session.execute(
        delete(ConversationRead).where(
            ConversationRead.company_id == company, ConversationRead.conversation_id == conversation_id
        )
    )


async def _locked(session: TenantSession, viewer: Viewer, ids: Sequence[UUID]) -> Sequence[Conversation]:
    """The conversations among `ids` that the viewer may see, locked in one order, so that two requests never cross."""
    query = (
        select(Conversation)
        .where(Conversation.company_id == session.company_id, Conversation.id.in_(ids), visible_to(viewer))
        .order_by(Conversation.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(query)).all()


async def _set_mark(session: TenantSession, user_id: UUID, conversation_id: UUID, until: datetime) -> None:
    mark = insert(ConversationRead).values(
        company_id=session.company_id, user_id=user_id, conversation_id=conversation_id, read_until=until
    )
    keys = ["company_id", "user_id", "conversation_id"]
    await session.execute(mark.on_conflict_do_update(index_elements=keys, set_={"read_until": until}))


async def _tell_assignee(session: TenantSession, conversation_id: UUID, user_id: UUID | None) -> None:
    """Have a person told that somebody else gave them a conversation."""
    news = TellStaff(
        news="conversation.assigned", subject_id=conversation_id, conversation_id=conversation_id, user_id=user_id
    )
    await enqueue(session, news)


def _standing(thread: Conversation) -> Standing:
    state: State = thread.state  # pyright: ignore[reportAssignmentType]  # the table's check allows no other
    return Standing(state=state, snoozed_until=thread.snoozed_until, assigned_to=thread.assigned_to)


def _check_snooze(wanted: Change) -> None:
    until = wanted.snoozed_until
    if (wanted.state == "snoozed") != (until is not None):
        raise InvalidInputError("snooze", "A snooze needs snoozed_until, and nothing else has it.")
    if until is None:
        return
    now = utc_now()
    if until <= now:
        raise InvalidInputError("in_the_past", "The time to come back has passed already.")
    if until > now + LONGEST_SNOOZE:
        raise InvalidInputError("too_far_ahead", f"A conversation is snoozed for {LONGEST_SNOOZE.days} days at most.")


def _tell(session: TenantSession, conversation_id: UUID) -> None:
    emit(session, kind="conversation.changed", subject_id=conversation_id, conversation_id=conversation_id)


def _record(session: TenantSession, actor: Actor, action: str, conversation_id: UUID) -> None:
    _tell(session, conversation_id)
    record(session, actor=actor, action=action, target_kind="conversation", target_id=conversation_id)
