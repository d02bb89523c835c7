"""What texts do to their conversation."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update

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
        company_id, id, phone_number_id, outside_number, contact_id, state, assigned_to, last_message_at,
        last_inbound_at, last_direction, last_preview, unread_count, created_at
    )
    VALUES (
        :company_id, :id, :phone_number_id, :outside_number, :contact_id,
        CASE WHEN :opens OR CAST(:taken_by AS uuid) IS NOT NULL THEN 'open' ELSE 'done' END, :taken_by, :at,
        :inbound_at, :direction, :preview, :unread, :at
    )
    ON CONFLICT (company_id, phone_number_id, outside_number) DO UPDATE
    SET contact_id = COALESCE(excluded.contact_id, c.contact_id),
        state = CASE WHEN :opens OR (excluded.assigned_to IS NOT NULL AND c.state = 'done') THEN 'open'
                     ELSE c.state END,
        snoozed_until = CASE WHEN :opens THEN NULL ELSE c.snoozed_until END,
        assigned_to = COALESCE(c.assigned_to, excluded.assigned_to),
        deleted_at = CASE WHEN :is_new THEN NULL ELSE c.deleted_at END,
        last_message_at = GREATEST(excluded.last_message_at, c.last_message_at),
        last_inbound_at = GREATEST(excluded.last_inbound_at, c.last_inbound_at),
        last_direction = CASE WHEN excluded.last_message_at >= c.last_message_at THEN excluded.last_direction
                              ELSE c.last_direction END,
        last_preview = CASE WHEN excluded.last_message_at >= c.last_message_at THEN excluded.last_preview
                            ELSE c.last_preview END,
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
    taken_by: UUID | None = None,
    is_new: bool = True,
) -> UUID:
    """Put a text at the top of its conversation, which begins with its first text; the conversation's id.

    An inbound text opens the conversation and counts as unread until somebody reads it. `taken_by` is the person who
    answers: the conversation is theirs if it is nobody's, and open if it was done. One that begins with a text of
    ours by no person (API, bulk, schedule) begins as done, so that it comes into sight with the answer. Any new text
    brings a deleted conversation back; one of the past (`is_new` false) changes neither that nor the state. The row
    stays locked until the transaction ends, so the texts of one conversation are stored one after the other.
    """
    inbound = direction == "inbound"
    bumped = await session.execute(
        _BUMP,
        {
            "company_id": session.company_id,
            "id": new_id(),
            "phone_number_id": phone_number_id,
            "outside_number": outside_number,
            "contact_id": contact_id,
            "at": at,
            "inbound_at": at if inbound else None,
            "direction": direction,
            "preview": preview,
            "unread": 1 if inbound else 0,
            "taken_by": taken_by,
            "opens": inbound and is_new,
            "is_new": is_new,
        },
    )
    return bumped.scalar_one()


async def mark_all_read(session: TenantSession, conversation_id: UUID) -> None:
    """No text of the conversation waits for somebody to read it any more."""
    await session.execute(
        update(Conversation)
        .where(Conversation.company_id == session.company_id, Conversation.id == conversation_id)
        .values(unread_count=0)
    )
    emit(session, kind="conversation.changed", subject_id=conversation_id, conversation_id=conversation_id)


async def show_last(session: TenantSession, conversation_id: UUID, *, direction: str, preview: str) -> None:
    """Show another text as the conversation's last one, because the last one was deleted."""
    await session.execute(
        update(Conversation)
        .where(Conversation.company_id == session.company_id, Conversation.id == conversation_id)
        .values(last_direction=direction, last_preview=preview)
    )
    emit(session, kind="conversation.changed", subject_id=conversation_id, conversation_id=conversation_id)
