"""Reading texts. A deleted text is nowhere to be seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_

from ringfence.errors import NotFoundError
from ringfence.features.conversations import queries as conversations
from ringfence.features.conversations.values import Viewer
from ringfence.features.messages.model import Media, Message, MessageEvent
from ringfence.features.messages.values import NOT_SENT
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list of texts shows; None shows all. `number` is E.164, at either end; `to` is exclusive."""

    direction: str | None = None
    status: str | None = None
    phone_number_id: UUID | None = None
    number: str | None = None
    contact_id: UUID | None = None
    conversation_id: UUID | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


async def list_messages(
    session: TenantSession, viewer: Viewer, *, filters: Filters, after: Position | None, limit: int
) -> Sequence[Message]:
    """Texts, newest first: up to limit + 1 after a position. A foreign id in a filter shows nothing."""
    query = select(Message).where(
        Message.company_id == session.company_id,
        Message.deleted_at.is_(None),
        conversations.in_visible_thread(session, viewer, Message.conversation_id),
    )
    exact = {
        Message.direction: filters.direction,
        Message.status: filters.status,
        Message.phone_number_id: filters.phone_number_id,
        Message.conversation_id: filters.conversation_id,
    }
    query = query.where(*(column == value for column, value in exact.items() if value is not None))
    if filters.number is not None:
        query = query.where((Message.from_number == filters.number) | (Message.to_number == filters.number))
    if filters.contact_id is not None:
        threads = await conversations.ids_with_contact(session, viewer, filters.contact_id)
        query = query.where((Message.contact_id == filters.contact_id) | Message.conversation_id.in_(threads))
    if filters.created_from is not None:
        query = query.where(Message.created_at >= filters.created_from)
    if filters.created_to is not None:
        query = query.where(Message.created_at < filters.created_to)
    if after is not None:
        query = query.where(tuple_(Message.created_at, Message.id) < (after.at, after.id))
    return (await session.scalars(query.order_by(Message.created_at.desc(), Message.id.desc()).limit(limit + 1))).all()


async def find_message(session: TenantSession, viewer: Viewer, message_id: UUID) -> Message | None:
    """One text that the viewer may see, or None."""
    return await session.scalar(
        select(Message).where(
            Message.company_id == session.company_id,
            Message.id == message_id,
            Message.deleted_at.is_(None),
            conversations.in_visible_thread(session, viewer, Message.conversation_id),
        )
    )


async def get_message(session: TenantSession, viewer: Viewer, message_id: UUID) -> Message:
    """One text. Raises NotFoundError, also for one that the viewer may not see."""
    found = await find_message(session, viewer, message_id)
    if found is None:
        raise NotFoundError
    return found


async def media_of(session: TenantSession, messages: Sequence[Message]) -> dict[UUID, list[Media]]:
    """The attachments of each of these texts, in order."""
    found: dict[UUID, list[Media]] = {message.id: [] for message in messages}
    with_media = [message.id for message in messages if message.num_media]
    if with_media:
        rows = await session.scalars(
            select(Media)
            .where(Media.company_id == session.company_id, Media.message_id.in_(with_media))
            .order_by(Media.message_id, Media.position)
        )
        for item in rows:
            found[item.message_id].append(item)
    return found


async def get_media(session: TenantSession, viewer: Viewer, message_id: UUID, media_id: UUID) -> Media:
    """One stored attachment of a text that is not deleted. Raises NotFoundError."""
    message = await get_message(session, viewer, message_id)
    found = await session.scalar(
        select(Media).where(
            Media.company_id == session.company_id,
            Media.message_id == message.id,
            Media.id == media_id,
            Media.status == "stored",
        )
    )
    if found is None:
        raise NotFoundError
    return found


async def timeline(session: TenantSession, viewer: Viewer, message_id: UUID) -> Sequence[MessageEvent]:
    """Everything that happened to a text, first things first. Raises NotFoundError."""
    message = await get_message(session, viewer, message_id)
    return (
        await session.scalars(
            select(MessageEvent)
            .where(MessageEvent.company_id == session.company_id, MessageEvent.message_id == message.id)
            .order_by(MessageEvent.at, MessageEvent.id)
        )
    ).all()


async def last_of(session: TenantSession, conversation_id: UUID) -> Message | None:
    """The latest text of a conversation that is neither refused nor deleted, or None."""
    return await session.scalar(
        select(Message)
        .where(
            Message.company_id == session.company_id,
            Message.conversation_id == conversation_id,
            Message.deleted_at.is_(None),
            Message.status != "refused",
        )
        .order_by(Message.created_at.desc(), Message.id.desc())
        .limit(1)
    )


async def find_retry(session: TenantSession, message: Message) -> UUID | None:
    """A text that sends this one again and is not lost itself, or None."""
    return await session.scalar(
        select(Message.id).where(
            Message.company_id == session.company_id,
            Message.to_number == message.to_number,
            Message.created_at > message.created_at,
            Message.retry_of == message.id,
            Message.status.not_in(NOT_SENT | {"undelivered"}),
        )
    )
