"""Writing conversations. Texts bump them; people read them."""

from collections.abc import Sequence
from dataclasses import dataclass
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

# In order, so that two that put texts into the same conversations wait for each other the same way round.
_BUMP_MANY = register(
    "conversations.bump_many",
    """
    INSERT INTO conversations AS c (
        company_id, id, phone_number_id, outside_number, contact_id, last_message_at, last_direction, last_preview,
        unread_count, created_at
    )
    SELECT :company_id, u.id, u.phone_number_id, u.outside_number, u.contact_id, :at, 'outbound', u.preview, 0, :at
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:phone_number_ids AS uuid[]), CAST(:outside_numbers AS text[]),
        CAST(:contact_ids AS uuid[]), CAST(:previews AS text[])
    ) AS u(id, phone_number_id, outside_number, contact_id, preview)
    ORDER BY u.phone_number_id, u.outside_number
    ON CONFLICT (company_id, phone_number_id, outside_number) DO UPDATE
    SET contact_id = COALESCE(excluded.contact_id, c.contact_id),
        last_message_at = GREATEST(excluded.last_message_at, c.last_message_at),
        last_direction = excluded.last_direction,
        last_preview = excluded.last_preview
    RETURNING c.id, c.phone_number_id, c.outside_number
    """,
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One text out, as its conversation shows it."""

    phone_number_id: UUID
    outside_number: str
    contact_id: UUID | None
    preview: str


async def bump_many(session: TenantSession, texts: Sequence[Outgoing], *, at: datetime) -> dict[tuple[UUID, str], UUID]:
    """Put texts out at the top of their conversations, one a conversation; (our number's id, number) → its id."""
    rows = await session.execute(
        _BUMP_MANY,
        {
            "company_id": session.company_id,
            "ids": [new_id() for _ in texts],
            "phone_number_ids": [text.phone_number_id for text in texts],
            "outside_numbers": [text.outside_number for text in texts],
            "contact_ids": [text.contact_id for text in texts],
            "previews": [text.preview for text in texts],
            "at": at,
        },
    )
    return {(row.phone_number_id, row.outside_number): row.id for row in rows}


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
