"""Removing the content of a deleted conversation, a batch of texts at a time."""

from uuid import UUID

from sqlalchemy import update

from ringfence.features.conversations import actions as conversations
from ringfence.features.inbox.model import Note
from ringfence.features.messages.actions.deleting import wipe_texts
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


async def purge_some(session: TenantSession, conversation_id: UUID) -> bool:
    """Remove a batch of a conversation's content if its time has come; whether there may be more.

    One that was restored meanwhile, by a person or by a new text, is left alone: so is what is in it.
    """
    if not await conversations.lock_to_purge(session, conversation_id):
        return False
    if await wipe_texts(session, conversation_id):
        return True
    await session.execute(
        update(Note)
        .where(
            Note.company_id == session.company_id, Note.conversation_id == conversation_id, Note.deleted_at.is_(None)
        )
        .values(body="", deleted_at=utc_now())
    )
    await conversations.empty(session, conversation_id)
    return False
