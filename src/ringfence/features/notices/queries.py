"""Reading notices and what people want to be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, and_, func, select, tuple_

from ringfence.features.contacts.model import Contact
from ringfence.features.conversations.model import Conversation
from ringfence.features.conversations.queries.visibility import in_visible_thread, viewer_for, visible_to
from ringfence.features.conversations.values import Viewer
from ringfence.features.messages.model import Message
from ringfence.features.notices.model import Notice, NoticePreferences
from ringfence.features.notices.values import MOST_IN_A_MAIL
from ringfence.features.users.model import User
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position

_MANAGES = ("company_admin", "manager")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a person wants: notices in the browser, mails, and of whose conversations."""

    browser: bool = True
    email: str = "off"
    about: str = "unassigned"


@dataclass(frozen=True, slots=True)
class ToMail:
    """A notice with the thread and the contact that it is about, if it is about any."""

    notice: Notice
    thread: Conversation | None
    contact: Contact | None


async def wishes_of(session: TenantSession, user_id: UUID) -> Wishes:
    """What one person wants; the defaults if they never said."""
    row = await session.scalar(
        select(NoticePreferences).where(
            NoticePreferences.company_id == session.company_id, NoticePreferences.user_id == user_id
        )
    )
    return _wishes(row)


async def staff(session: TenantSession) -> Sequence[tuple[User, Wishes]]:
    """Every active person with what they want."""
    own = and_(NoticePreferences.company_id == User.company_id, NoticePreferences.user_id == User.id)
    rows = await session.execute(
        select(User, NoticePreferences)
        .outerjoin(NoticePreferences, own)
        .where(User.company_id == session.company_id, User.status == "active")
        .order_by(User.id)
    )
    return [(user, _wishes(preferences)) for user, preferences in rows]


async def viewer_of(session: TenantSession, user: User) -> Viewer:
    """What a person may see of conversations now."""
    return await viewer_for(session, user_id=user.id, manages=user.role in _MANAGES)


async def may_see(session: TenantSession, viewer: Viewer, conversation_id: UUID) -> bool:
    """Whether somebody may see a conversation now."""
    query = select(Conversation.id).where(
        Conversation.company_id == session.company_id, Conversation.id == conversation_id, visible_to(viewer)
    )
    return await session.scalar(query) is not None


async def reply_with_thread(session: TenantSession, message_id: UUID) -> Row[Message, Conversation] | None:
    """A text that came in, and its thread; None when it is gone."""
    thread = and_(Conversation.company_id == Message.company_id, Conversation.id == Message.conversation_id)
    query = (
        select(Message, Conversation)
        .join(Conversation, thread)
        .where(
            Message.company_id == session.company_id,
            Message.id == message_id,
            Message.direction == "inbound",
            Message.deleted_at.is_(None),
        )
    )
    return (await session.execute(query)).one_or_none()


async def list_notices(
    session: TenantSession, user_id: UUID, viewer: Viewer, *, unread: bool, after: Position | None, limit: int
) -> Sequence[Notice]:
    """A person's notices, newest first, without those of threads they may not see any more: up to limit + 1."""
    query = select(Notice).where(
        Notice.company_id == session.company_id,
        Notice.user_id == user_id,
        in_visible_thread(session, viewer, Notice.conversation_id),
    )
    if unread:
        query = query.where(Notice.read_at.is_(None))
    if after is not None:
        query = query.where(tuple_(Notice.updated_at, Notice.id) < (after.at, after.id))
    return (await session.scalars(query.order_by(Notice.updated_at.desc(), Notice.id.desc()).limit(limit + 1))).all()


async def last_mailed(session: TenantSession, user_id: UUID) -> datetime | None:
    """When a person was last mailed notices."""
    query = select(func.max(Notice.mailed_at)).where(Notice.company_id == session.company_id, Notice.user_id == user_id)
    return await session.scalar(query)


async def to_mail(session: TenantSession, user: User, viewer: Viewer) -> Sequence[ToMail]:
    """What a person has neither read nor been mailed, with thread and contact where they may still see them.

    A thread that somebody has read meanwhile is left out.
    """
    thread = and_(Conversation.company_id == Notice.company_id, Conversation.id == Notice.conversation_id)
    contact = and_(Contact.company_id == Conversation.company_id, Contact.id == Conversation.contact_id)
    query = (
        select(Notice, Conversation, Contact)
        .outerjoin(Conversation, thread)
        .outerjoin(Contact, contact)
        .where(
            Notice.company_id == session.company_id,
            Notice.user_id == user.id,
            Notice.read_at.is_(None),
            Notice.mailed_at.is_(None),
            in_visible_thread(session, viewer, Notice.conversation_id),
            Notice.conversation_id.is_(None) | (Conversation.unread_count > 0),
        )
        .order_by(Notice.updated_at.desc())
        .limit(MOST_IN_A_MAIL)
    )
    return [ToMail(notice, about, whose) for notice, about, whose in await session.execute(query)]


def _wishes(row: NoticePreferences | None) -> Wishes:
    return Wishes() if row is None else Wishes(browser=row.browser, email=row.email, about=row.about)
