"""Making notices, reading and mailing them off."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from ringfence.errors import NotFoundError
from ringfence.features.companies import queries as companies
from ringfence.features.events.actions import emit
from ringfence.features.events.values import TellStaff
from ringfence.features.messages.actions.receiving import Received
from ringfence.features.notices import queries
from ringfence.features.notices.model import Notice, NoticePreferences
from ringfence.features.notices.queries import Wishes
from ringfence.features.notices.values import (
    BETWEEN_MAILS,
    DIGEST_HOUR,
    GATHER,
    KEPT,
    NEW_REPLY,
    MailNotices,
    NoteReply,
)
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.zones import resolve_local
from ringfence.tenancy.sessions import TenantSession

TRIM_BATCH = 2000


async def after_receiving(session: TenantSession, received: Received) -> None:
    """In the transaction of a text that came in: have it told. What a sync brings does not pass here, and is silent."""
    await enqueue(session, NoteReply(message_id=received.message_id))


async def note_reply(session: TenantSession, message_id: UUID) -> None:
    """Tell whoever wants to know of a text, and may see its thread. Doing it twice tells it once."""
    found = await queries.reply_with_thread(session, message_id)
    if found is None:
        return
    message, thread = found
    for user, wishes in await queries.staff(session):
        wanted = wishes.about == "all" or thread.assigned_to == user.id
        wanted = wanted or (wishes.about == "unassigned" and thread.assigned_to is None)
        if not wanted or not await queries.may_see(session, await queries.viewer_of(session, user), thread.id):
            continue
        await _tell(
            session,
            user.id,
            wishes,
            kind=NEW_REPLY,
            subject_id=thread.id,
            conversation_id=thread.id,
            message_id=message.id,
        )


async def tell_staff(session: TenantSession, news: TellStaff) -> None:
    """Tell one person, or the company's admins, what a lower room had to say."""
    for user, wishes in await queries.staff(session):
        if user.id == news.user_id or (news.user_id is None and user.role == "company_admin"):
            await _tell(
                session,
                user.id,
                wishes,
                kind=news.news,
                subject_id=news.subject_id,
                conversation_id=news.conversation_id,
                message_id=None,
            )


async def choose(session: TenantSession, user_id: UUID, wishes: Wishes) -> None:
    """Keep what a person wants to be told."""
    values = {"browser": wishes.browser, "email": wishes.email, "about": wishes.about, "updated_at": utc_now()}
    await session.execute(
        insert(NoticePreferences)
        .values(company_id=session.company_id, user_id=user_id, **values)
        .on_conflict_do_update(
            index_elements=[NoticePreferences.company_id, NoticePreferences.user_id],
            set_=values,
            where=NoticePreferences.company_id == session.company_id,
        )
    )


async def mark_read(session: TenantSession, user_id: UUID, notice_id: UUID) -> None:
    """A person has seen a notice of theirs. Raises NotFoundError."""
    mine = (Notice.company_id == session.company_id, Notice.user_id == user_id, Notice.id == notice_id)
    if await session.scalar(select(Notice.id).where(*mine)) is None:
        raise NotFoundError
    await session.execute(update(Notice).where(*mine, Notice.read_at.is_(None)).values(read_at=utc_now()))


async def mark_all_read(session: TenantSession, user_id: UUID) -> None:
    """A person has seen all that there is."""
    await session.execute(
        update(Notice)
        .where(Notice.company_id == session.company_id, Notice.user_id == user_id, Notice.read_at.is_(None))
        .values(read_at=utc_now())
    )


async def note_mailed(session: TenantSession, notice_ids: Sequence[UUID]) -> None:
    """These have been mailed: until they are read, nothing is mailed of the same thread again."""
    await session.execute(
        update(Notice)
        .where(Notice.company_id == session.company_id, Notice.id.in_(notice_ids))
        .values(mailed_at=utc_now())
        .execution_options(synchronize_session=False)
    )


async def trim(session: TenantSession) -> int:
    """Delete one batch of notices that are past keeping; how many."""
    old = (
        select(Notice.id)
        .where(Notice.company_id == session.company_id, Notice.updated_at < utc_now() - KEPT)
        .limit(TRIM_BATCH)
    )
    gone = await session.scalars(
        delete(Notice).where(Notice.company_id == session.company_id, Notice.id.in_(old)).returning(Notice.id)
    )
    return len(gone.all())


async def _tell(
    session: TenantSession,
    user_id: UUID,
    wishes: Wishes,
    *,
    kind: str,
    subject_id: UUID,
    conversation_id: UUID | None,
    message_id: UUID | None,
) -> None:
    """Add a notice, or count it with the unread one of the same thing. The same text again counts nothing."""
    if not wishes.browser and wishes.email == "off":
        return
    now = utc_now()
    added = insert(Notice).values(
        company_id=session.company_id,
        id=new_id(),
        user_id=user_id,
        kind=kind,
        subject_id=subject_id,
        conversation_id=conversation_id,
        message_id=message_id,
        count=1,
        created_at=now,
        updated_at=now,
    )
    row = await session.execute(
        added.on_conflict_do_update(
            index_elements=[Notice.company_id, Notice.user_id, Notice.kind, Notice.subject_id],
            index_where=Notice.read_at.is_(None),
            set_={"count": Notice.count + 1, "updated_at": now, "message_id": message_id},
            where=(Notice.company_id == session.company_id) & Notice.message_id.is_distinct_from(message_id),
        ).returning(Notice.id, Notice.mailed_at)
    )
    told = row.one_or_none()
    if told is None:
        return
    if wishes.browser:
        emit(session, kind="notice.created", subject_id=told.id, conversation_id=conversation_id)
    if wishes.email != "off" and told.mailed_at is None:
        await plan_mail(session, user_id, wishes.email, now)


async def plan_mail(session: TenantSession, user_id: UUID, email: str, now: datetime) -> None:
    """Have a person mailed: soon, but not more often than every few minutes; or at the hour of the digest."""
    if email == "digest":
        at = await _next_digest(session, now)
    else:
        last = await queries.last_mailed(session, user_id)
        at = now + GATHER if last is None else max(now + GATHER, last + BETWEEN_MAILS)
    await enqueue(session, MailNotices(user_id=user_id), run_at=at, once_key=f"notices.mail:{email}:{user_id}")


async def _next_digest(session: TenantSession, now: datetime) -> datetime:
    zone = ZoneInfo((await companies.own_company(session)).time_zone)
    today = now.astimezone(zone).replace(hour=DIGEST_HOUR, minute=0, second=0, microsecond=0, tzinfo=None)
    first = resolve_local(today, zone)
    return first if first > now else resolve_local(today + timedelta(days=1), zone)
