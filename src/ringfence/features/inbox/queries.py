"""Reading notes, and everything of a conversation in one order."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Final
from uuid import UUID

from sqlalchemy import select, tuple_

from ringfence.errors import NotFoundError
from ringfence.features.calls import queries as calls
from ringfence.features.calls.model import Call
from ringfence.features.conversations.queries import Thread, in_visible_thread
from ringfence.features.conversations.values import Viewer
from ringfence.features.inbox.model import Note
from ringfence.features.messages.model import Message
from ringfence.features.messages.queries import messages
from ringfence.features.scheduling import queries as scheduling
from ringfence.features.scheduling.model import ScheduledText
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position

_PINNED: Final = 50


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in a conversation and its place in it."""

    position: Position
    row: Message | Note | Call


async def list_notes(
    session: TenantSession, viewer: Viewer, conversation_id: UUID, *, after: Position | None, limit: int
) -> Sequence[Note]:
    """The notes of a conversation, newest first: up to limit + 1 after a position."""
    query = select(Note).where(
        Note.company_id == session.company_id,
        Note.conversation_id == conversation_id,
        Note.deleted_at.is_(None),
        in_visible_thread(session, viewer, Note.conversation_id),
    )
    if after is not None:
        query = query.where(tuple_(Note.created_at, Note.id) < (after.at, after.id))
    return (await session.scalars(query.order_by(Note.created_at.desc(), Note.id.desc()).limit(limit + 1))).all()


async def get_note(session: TenantSession, viewer: Viewer, conversation_id: UUID, note_id: UUID) -> Note:
    """One note of a conversation. Raises NotFoundError, also where the viewer may not see it."""
    note = await session.scalar(
        select(Note).where(
            Note.company_id == session.company_id,
            Note.conversation_id == conversation_id,
            Note.id == note_id,
            Note.deleted_at.is_(None),
            in_visible_thread(session, viewer, Note.conversation_id),
        )
    )
    if note is None:
        raise NotFoundError
    return note


async def timeline(
    session: TenantSession, viewer: Viewer, thread: Thread, *, after: Position | None, limit: int
) -> list[Item]:
    """Texts, notes and calls of a conversation, newest first: up to limit + 1 after a position.

    Each kind gives what could stand on the page, so a page costs the same however long the conversation is.
    """
    texts = await messages.list_messages(
        session, viewer, filters=messages.Filters(conversation_id=thread.id), after=after, limit=limit
    )
    notes = await list_notes(session, viewer, thread.id, after=after, limit=limit)
    called = await calls.of_conversation(session, viewer, thread.id, after=after, limit=limit)
    kinds = ([Item(Position(row.created_at, row.id), row) for row in rows] for rows in (texts, notes, called))
    newest_first = merge(*kinds, key=lambda item: (item.position.at, item.position.id), reverse=True)
    return list(islice(newest_first, limit + 1))


async def pinned(session: TenantSession, viewer: Viewer, thread: Thread) -> Sequence[ScheduledText]:
    """The texts for later that will go to the conversation's outside number, the next one first.

    Those that another number of the company will send are left out.
    """
    waiting = await scheduling.list_scheduled(
        session,
        viewer,
        filters=scheduling.Filters(status="pending", number=thread.outside_number),
        after=None,
        limit=_PINNED - 1,
    )
    return [item for item in waiting if item.from_number in {None, thread.phone_number}]
