"""Reading conversations. The contact shown is whoever has the outside number now, also when added later."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Nullable, Row, Select, and_, or_, select, tuple_

from ringfence.errors import NotFoundError
from ringfence.features.contacts.model import Contact
from ringfence.features.contacts.queries import reached_at
from ringfence.features.conversations.errors import NotYoursError
from ringfence.features.conversations.model import Conversation
from ringfence.features.conversations.queries.visibility import visible_to
from ringfence.features.conversations.values import Viewer
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position

_NOT_DIGITS = re.compile(r"\D+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The contact at the other end."""

    id: UUID
    first_name: str
    last_name: str
    organisation: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A conversation with what people need to see of it; `phone_number` is the company's own number."""

    id: UUID
    phone_number_id: UUID
    phone_number: str
    outside_number: str
    contact: Person | None
    assigned_to: UUID | None
    last_message_at: datetime
    last_direction: str
    last_preview: str
    unread_count: int
    created_at: datetime


async def list_threads(
    session: TenantSession,
    viewer: Viewer,
    *,
    unread: bool | None,
    phone_number_id: UUID | None,
    search: str | None,
    after: Position | None,
    limit: int,
) -> Sequence[Thread]:
    """Conversations, the latest text first: up to limit + 1 after a position.

    `search` finds the beginning of the contact's name or organisation, or any part of the outside number.
    """
    query = _threads(session).where(visible_to(viewer))
    if unread is not None:
        query = query.where(Conversation.unread_count > 0 if unread else Conversation.unread_count == 0)
    if phone_number_id is not None:
        query = query.where(Conversation.phone_number_id == phone_number_id)
    if search:
        query = query.where(_matches(search.strip()))
    if after is not None:
        query = query.where(tuple_(Conversation.last_message_at, Conversation.id) < (after.at, after.id))
    query = query.order_by(Conversation.last_message_at.desc(), Conversation.id.desc()).limit(limit + 1)
    return [_thread(row) for row in await session.execute(query)]


async def get_thread(session: TenantSession, viewer: Viewer, conversation_id: UUID) -> Thread:
    """One conversation. Raises NotFoundError, also for one that the viewer may not see."""
    query = _threads(session).where(visible_to(viewer), Conversation.id == conversation_id)
    row = (await session.execute(query)).first()
    if row is None:
        raise NotFoundError
    return _thread(row)


async def find_between(session: TenantSession, *, phone_number_id: UUID, outside_number: str) -> Conversation | None:
    """The conversation of one of our numbers with an outside number, or None."""
    return await session.scalar(
        select(Conversation).where(
            Conversation.company_id == session.company_id,
            Conversation.phone_number_id == phone_number_id,
            Conversation.outside_number == outside_number,
        )
    )


async def find_latest(session: TenantSession, *, outside_number: str) -> Conversation | None:
    """The most recent conversation with an outside number, over all of the company's numbers, or None."""
    return await session.scalar(
        select(Conversation)
        .where(Conversation.company_id == session.company_id, Conversation.outside_number == outside_number)
        .order_by(Conversation.last_message_at.desc())
        .limit(1)
    )


async def refuse_hidden(
    session: TenantSession, viewer: Viewer, *, outside_number: str, from_number: str | None
) -> None:
    """Raise NotYoursError when a text or call to a number would go into a conversation that the viewer may not see.

    It goes out from `from_number` (E.164), or from the number of the latest conversation if that is None.
    """
    if viewer.sees_all:
        return
    own_number = and_(PhoneNumber.company_id == Conversation.company_id, PhoneNumber.id == Conversation.phone_number_id)
    query = (
        select(visible_to(viewer))
        .select_from(Conversation)
        .join(PhoneNumber, own_number)
        .where(Conversation.company_id == session.company_id, Conversation.outside_number == outside_number)
        .order_by(Conversation.last_message_at.desc())
        .limit(1)
    )
    if from_number is not None:
        query = query.where(PhoneNumber.phone_number == from_number)
    if await session.scalar(query) is False:
        raise NotYoursError


async def check_visible(session: TenantSession, viewer: Viewer, conversation_id: UUID) -> None:
    """Raise NotYoursError when the viewer may not see a conversation of the company, as it is now."""
    if viewer.sees_all:
        return
    query = select(visible_to(viewer)).where(
        Conversation.company_id == session.company_id, Conversation.id == conversation_id
    )
    if await session.scalar(query) is False:
        raise NotYoursError


async def ids_with_contact(session: TenantSession, viewer: Viewer, contact_id: UUID) -> list[UUID]:
    """Conversations that are a contact's: linked to it, or with the number it has now. Empty for an unknown contact."""
    number = (
        select(Contact.phone_number)
        .where(Contact.company_id == session.company_id, Contact.id == contact_id, Contact.deleted_at.is_(None))
        .scalar_subquery()
    )
    return list(
        await session.scalars(
            select(Conversation.id).where(
                Conversation.company_id == session.company_id,
                or_(Conversation.contact_id == contact_id, Conversation.outside_number == number),
                visible_to(viewer),
            )
        )
    )


def _threads(session: TenantSession) -> Select[Conversation, str, UUID | None, str, str, str | None]:
    contact_now = and_(
        Contact.company_id == Conversation.company_id,
        Contact.id == reached_at(session, Conversation.outside_number, Conversation),
        Contact.deleted_at.is_(None),
    )
    own_number = and_(PhoneNumber.company_id == Conversation.company_id, PhoneNumber.id == Conversation.phone_number_id)
    return (
        select(
            Conversation,
            PhoneNumber.phone_number,
            Nullable(Contact.id),
            Contact.first_name,
            Contact.last_name,
            Contact.organisation,
        )
        .join(PhoneNumber, own_number)
        .join(Contact, contact_now, isouter=True)
        .where(Conversation.company_id == session.company_id)
    )


def _matches(search: str) -> ColumnElement[bool]:
    full_name = Contact.first_name + " " + Contact.last_name
    found = [
        column.istartswith(search, autoescape=True)
        for column in (full_name, Contact.last_name, Contact.organisation, Conversation.outside_number)
    ]
    digits = _NOT_DIGITS.sub("", search)
    if len(digits) >= 3:
        found.append(Conversation.outside_number.contains(digits, autoescape=True))
    return or_(*found)


def _thread(row: Row[Conversation, str, UUID | None, str, str, str | None]) -> Thread:
    conversation, phone_number, contact_id, first_name, last_name, organisation = row
    return Thread(
        id=conversation.id,
        phone_number_id=conversation.phone_number_id,
        phone_number=phone_number,
        outside_number=conversation.outside_number,
        contact=None
        if contact_id is None
        else Person(id=contact_id, first_name=first_name, last_name=last_name, organisation=organisation),
        assigned_to=conversation.assigned_to,
        last_message_at=conversation.last_message_at,
        last_direction=conversation.last_direction,
        last_preview=conversation.last_preview,
        unread_count=conversation.unread_count,
        created_at=conversation.created_at,
    )
