"""Writing conversations. Texts bump them; people read them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update

from ringfence.errors import NotFoundError
from ringfence.features.conversations.model import Conversation
from ringfence.features.conversations.values import Direction
from ringfence.features.events.actions import emit
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

# Written out, because it runs for every text: building the same statement anew costs more than running it.
_BUMP = register(
    "conversations.bump",
    """
    INSERT INTO conversations AS c (
        company_id, id, phone_number_id, outside_number, contact_id, last_message_at, last_direction, last_preview,
        unread_count, created_at
    )
    VALUES (
        :company_id, :id, :phone_number_id, :outside_number, :contact_id, :at, :direction, :preview, :unread, :at
    )
    ON CONFLICT (company_id, phone_number_id, outside_number) DO UPDATE
    SET contact_id = COALESCE(excluded.contact_id, c.contact_id),
        last_message_at = GREATEST(excluded.last_message_at, c.last_message_at),
        last_direction = excluded.last_direction,
        last_preview = excluded.last_preview,
        unread_count = c.unread_count + excluded.unread_count
    RETURNING c.id
    """,
)


async def bump(
    session: TenantSession,
    *,
    phone_number_id: UUID,
    outside_number: str,
    contact_id: UUID | None,
    direction: Direction,
    at: datetime,
    preview: str,
) -> UUID:
    """Put a text at the top of its conversation, which begins with its first text; the conversation's id.

    An inbound text counts as unread until somebody reads the conversation. The row stays locked until the
    transaction ends, so the texts of one conversation are stored one after the other.
    """
    bumped = await session.execute(
        _BUMP,
        {
            "company_id": session.company_id,
            "id": new_id(),
            "phone_number_id": phone_number_id,
            "outside_number": outside_number,
            "contact_id": contact_id,
            "at": at,
            "direction": direction,
            "preview": preview,
            "unread": 1 if direction == "inbound" else 0,
        },
    )
    return bumped.scalar_one()


async def mark_read(session: TenantSession, conversation_id: UUID) -> None:
    """Everything in the conversation has been read. Raises NotFoundError."""
    found = await session.execute(
        update(Conversation)
        .where(Conversation.company_id == session.company_id, Conversation.id == conversation_id)
        .values(unread_count=0)
        .returning(Conversation.id)
    )
    if found.first() is None:
        raise NotFoundError
    emit(session, kind="conversation.changed", subject_id=conversation_id, conversation_id=conversation_id)


async def show_last(session: TenantSession, conversation_id: UUID, *, direction: str, preview: str) -> None:
    """Show another text as the conversation's last one, because the last one was deleted."""
    await session.execute(
        update(Conversation)
        .where(Conversation.company_id == session.company_id, Conversation.id == conversation_id)
        .values(last_direction=direction, last_preview=preview)
    )
    emit(session, kind="conversation.changed", subject_id=conversation_id, conversation_id=conversation_id)
