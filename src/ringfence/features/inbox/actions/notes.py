"""Writing notes."""

from typing import Final
from uuid import UUID

from ringfence.errors import ForbiddenError
from ringfence.features.audit_log.values import Actor
from ringfence.features.conversations.queries import get_thread
from ringfence.features.conversations.values import Viewer
from ringfence.features.events.actions import emit
from ringfence.features.inbox import queries
from ringfence.features.inbox.model import Note
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession

_NOT_YOURS: Final = "Somebody else wrote this note."


async def write_note(session: TenantSession, viewer: Viewer, conversation_id: UUID, *, body: str, actor: Actor) -> Note:
    """Put a note into a conversation. Raises NotFoundError."""
    thread = await get_thread(session, viewer, conversation_id)
    now = utc_now()
    note = Note(
        id=new_id(),
        conversation_id=thread.id,
        body=body,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        created_at=now,
        updated_at=now,
    )
    session.add(note)
    await session.flush()
    emit(session, kind="conversation.changed", subject_id=note.conversation_id, conversation_id=note.conversation_id)
    return note


async def edit_note(
    session: TenantSession, viewer: Viewer, conversation_id: UUID, note_id: UUID, *, body: str, actor: Actor
) -> Note:
    """Rewrite one's own note. Raises NotFoundError, ForbiddenError for somebody else's."""
    note = await queries.get_note(session, viewer, conversation_id, note_id)
    if not _is_own(note, actor):
        raise ForbiddenError("not_yours", _NOT_YOURS)
    note.body, note.updated_at = body, utc_now()
    await session.flush()
    emit(session, kind="conversation.changed", subject_id=note.conversation_id, conversation_id=note.conversation_id)
    return note


async def delete_note(
    session: TenantSession, viewer: Viewer, conversation_id: UUID, note_id: UUID, *, actor: Actor, manages: bool
) -> None:
    """Remove a note for good: one's own, or anybody's who manages. Raises NotFoundError, ForbiddenError."""
    note = await queries.get_note(session, viewer, conversation_id, note_id)
    if not manages and not _is_own(note, actor):
        raise ForbiddenError("not_yours", _NOT_YOURS)
    note.body, note.deleted_at = "", utc_now()
    await session.flush()
    emit(session, kind="conversation.changed", subject_id=note.conversation_id, conversation_id=note.conversation_id)


def _is_own(note: Note, actor: Actor) -> bool:
    return (note.actor_kind, note.actor_id) == (actor.kind, actor.id)
