"""Reading single conversations. The contact shown is whoever has the outside number now, also when added later."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Nullable, Row, Select, and_, func, or_, select

from ringfence.errors import NotFoundError
from ringfence.features.contacts.model import Contact
from ringfence.features.contacts.queries import reached_at
from ringfence.features.conversations.errors import NotYoursError
from ringfence.features.conversations.model import Conversation, ConversationRead
from ringfence.features.conversations.queries.visibility import visible_to
from ringfence.features.conversations.values import Viewer
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.users.model import User
from ringfence.tenancy.sessions import TenantSession

_Columns: TypeAlias = tuple[Conversation, str, UUID | None, str, str, str | None, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The contact at the other end."""

    id: UUID
    first_name: str
    last_name: str
    organisation: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A conversation with what people need to see of it; `phone_number` is the company's own number.

    `unread` is whether the viewer has not read the other side's last text; `unread_count` is what nobody has read.
    """

    id: UUID
    phone_number_id: UUID
    phone_number: str
    outside_number: str
    contact: Person | None
    state: str
    snoozed_until: datetime | None
    assigned_to: UUID | None
    last_message_at: datetime
    last_inbound_at: datetime | None
    last_direction: str
    last_preview: str
    unread: bool
    unread_count: int
    created_at: datetime
    deleted_at: datetime | None


async def get_thread(
    session: TenantSession, viewer: Viewer, conversation_id: UUID, *, with_deleted: bool = False
) -> Thread:
    """One conversation. Raises NotFoundError, also for one that the viewer may not see."""
    query = threads(session, viewer).where(
        visible_to(viewer, with_deleted=with_deleted), Conversation.id == conversation_id
    )
    row = (await session.execute(query)).first()
    if row is None:
        raise NotFoundError
    return thread_of(row)


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
        select(visible_to(viewer, with_deleted=True))
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
    query = select(visible_to(viewer, with_deleted=True)).where(
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


def unread(session: TenantSession, viewer: Viewer) -> ColumnElement[bool]:
    """Whether a conversation of `threads` is unread: for a person by their own mark, for a key if nobody has read it.

    A person without a mark has read nothing since they joined, and of what came before what their colleagues have.
    """
    if viewer.user_id is None:
        return Conversation.unread_count > 0
    joined = (
        select(User.created_at)
        .where(User.company_id == session.company_id, User.id == viewer.user_id)
        .scalar_subquery()
    )
    mark = ConversationRead.read_until
    since_mark = func.coalesce(Conversation.last_inbound_at > func.coalesce(mark, joined), False)
    return or_(since_mark, and_(mark.is_(None), Conversation.unread_count > 0))


def own_mark(viewer: Viewer) -> ColumnElement[bool]:
    """What joins the viewer's own mark to a conversation; a key has none."""
    return and_(
        ConversationRead.company_id == Conversation.company_id,
        ConversationRead.conversation_id == Conversation.id,
        ConversationRead.user_id == viewer.user_id,
    )


def threads(session: TenantSession, viewer: Viewer) -> Select[*_Columns]:
    """The beginning of every query that shows conversations; the clause is for the caller to add."""
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
            unread(session, viewer).label("unread"),
        )
        .join(PhoneNumber, own_number)
        .join(Contact, contact_now, isouter=True)
        .join(ConversationRead, own_mark(viewer), isouter=True)
        .where(Conversation.company_id == session.company_id)
    )


def thread_of(row: Row[*_Columns]) -> Thread:
    """A row of `threads` as people see it."""
    conversation, phone_number, contact_id, first_name, last_name, organisation, is_unread = row
    return Thread(
        id=conversation.id,
        phone_number_id=conversation.phone_number_id,
        phone_number=phone_number,
        outside_number=conversation.outside_number,
        contact=None
        if contact_id is None
        else Person(id=contact_id, first_name=first_name, last_name=last_name, organisation=organisation),
        state=conversation.state,
        snoozed_until=conversation.snoozed_until,
        assigned_to=conversation.assigned_to,
        last_message_at=conversation.last_message_at,
        last_inbound_at=conversation.last_inbound_at,
        last_direction=conversation.last_direction,
        last_preview=conversation.last_preview,
        unread=is_unread,
        unread_count=conversation.unread_count,
        created_at=conversation.created_at,
        deleted_at=conversation.deleted_at,
    )
