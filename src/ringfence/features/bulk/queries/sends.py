"""Reading bulk sends, their senders, their recipients and their counts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Select, and_, exists, func, or_, select, text, tuple_
from sqlalchemy.orm import aliased

from ringfence.errors import NotFoundError
from ringfence.features.bulk.model.lists import RecipientList
from ringfence.features.bulk.model.sends import BulkRecipient, BulkSend, BulkSender
from ringfence.features.bulk.queries.recipients import recipients_after
from ringfence.features.bulk.values.lists import Recipient
from ringfence.features.bulk.values.sends import MENDABLE, Count
from ringfence.features.consent.model import OptOut
from ringfence.features.conversations.model import Conversation
from ringfence.features.messages.model import Message
from ringfence.features.messages.values import NOT_SENT
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register
from ringfence.web.paging import Position

# For the fan-out: companies that have something to be looked at. A suspended company's bulk sends wait.
COMPANIES_DUE = text(
    """
    SELECT d.company_id FROM bulk_due d JOIN companies c ON c.id = d.company_id
    WHERE d.next_due <= now() AND c.status = 'active'
      AND (CAST(:after AS uuid) IS NULL OR d.company_id > CAST(:after AS uuid))
    ORDER BY d.company_id LIMIT :limit
    """
)
# What was added up, and the changes that nobody has added up yet, in one statement: it sees both at one instant.
_COUNTS = register(
    "bulk.counts",
    """
    SELECT c.bulk_send_id, c.status, c.code, CAST(sum(c.recipients) AS int) AS recipients FROM (
        SELECT bulk_send_id, status, code, recipients FROM bulk_counts
        WHERE company_id = :company_id AND bulk_send_id = ANY(CAST(:ids AS uuid[]))
        UNION ALL
        SELECT bulk_send_id, status, code, change FROM bulk_count_changes
        WHERE company_id = :company_id AND bulk_send_id = ANY(CAST(:ids AS uuid[]))
    ) AS c GROUP BY 1, 2, 3 HAVING sum(c.recipients) <> 0 ORDER BY 1, 2, 3
    """,
)
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Told:
    """A recipient that was dealt with, and its text if there is one."""

    recipient: BulkRecipient
    message: Message | None


async def list_sends(
    session: TenantSession, *, status: str | None, after: Position | None, limit: int
) -> Sequence[BulkSend]:
    """Bulk sends, newest first: up to limit + 1 after a position."""
    query = select(BulkSend).where(BulkSend.company_id == session.company_id)
    if status is not None:
        query = query.where(BulkSend.status == status)
    if after is not None:
        query = query.where(tuple_(BulkSend.created_at, BulkSend.id) < (after.at, after.id))
    return (
        await session.scalars(query.order_by(BulkSend.created_at.desc(), BulkSend.id.desc()).limit(limit + 1))
    ).all()


async def get_send(session: TenantSession, bulk_send_id: UUID, *, lock: bool = False) -> BulkSend:
    """One bulk send; `lock` keeps it as it is until the transaction ends. Raises NotFoundError.

    The lock is the weaker one: texts and counts refer to the row all the time, and must not wait for it.
    """
    query = select(BulkSend).where(BulkSend.company_id == session.company_id, BulkSend.id == bulk_send_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    found = await session.scalar(query)
    if found is None:
        raise NotFoundError
    return found


async def take(session: TenantSession, bulk_send_id: UUID, *, status: str) -> BulkSend | None:
    """A bulk send of this status, locked; None when it is not so any more, or in somebody else's hands."""
    return await session.scalar(
        select(BulkSend)
        .where(BulkSend.company_id == session.company_id, BulkSend.id == bulk_send_id, BulkSend.status == status)
        .with_for_update(key_share=True, skip_locked=True)
        .execution_options(populate_existing=True)
    )


async def running(session: TenantSession) -> Sequence[UUID]:
    """Bulk sends that run; the one whose turn was longest ago first."""
    query = select(BulkSend.id).where(BulkSend.company_id == session.company_id, BulkSend.status == "running")
    return (await session.scalars(query.order_by(BulkSend.topped_up_at.asc().nulls_first(), BulkSend.id))).all()


async def scheduled_until(session: TenantSession, now: datetime) -> Sequence[UUID]:
    """Bulk sends whose time has come."""
    query = select(BulkSend.id).where(
        BulkSend.company_id == session.company_id, BulkSend.status == "scheduled", BulkSend.scheduled_at <= now
    )
    return (await session.scalars(query.order_by(BulkSend.scheduled_at, BulkSend.id))).all()


async def next_scheduled(session: TenantSession) -> datetime | None:
    """When the next bulk send starts by itself, or None."""
    query = select(func.min(BulkSend.scheduled_at)).where(
        BulkSend.company_id == session.company_id, BulkSend.status == "scheduled"
    )
    return await session.scalar(query)


async def has_recent(session: TenantSession, since: datetime) -> bool:
    """Whether a bulk send changed since an instant: its texts may still be reported on."""
    query = exists().where(
        BulkSend.company_id == session.company_id, BulkSend.started_at.is_not(None), BulkSend.updated_at > since
    )
    return bool(await session.scalar(select(query)))


async def get_list(session: TenantSession, list_id: UUID) -> RecipientList:
    """A list of recipients. Raises NotFoundError."""
    query = select(RecipientList).where(RecipientList.company_id == session.company_id, RecipientList.id == list_id)
    found = await session.scalar(query)
    if found is None:
        raise NotFoundError
    return found


async def senders_of(session: TenantSession, bulk_send_id: UUID) -> Sequence[PhoneNumber]:
    """The numbers a bulk send goes out from, in the order of their ids, whatever has become of them."""
    own_number = and_(PhoneNumber.company_id == BulkSender.company_id, PhoneNumber.id == BulkSender.phone_number_id)
    query = (
        select(PhoneNumber)
        .join(BulkSender, own_number)
        .where(BulkSender.company_id == session.company_id, BulkSender.bulk_send_id == bulk_send_id)
        .order_by(PhoneNumber.id)
    )
    return (await session.scalars(query)).all()


async def counts_of(session: TenantSession, bulk_send_ids: Collection[UUID]) -> dict[UUID, list[Count]]:
    """The counts of each of these bulk sends as of now."""
    found: dict[UUID, list[Count]] = {bulk_send_id: [] for bulk_send_id in bulk_send_ids}
    rows = await session.execute(_COUNTS, {"company_id": session.company_id, "ids": list(bulk_send_ids)})
    for row in rows:
        found[row.bulk_send_id].append(Count(row.status, row.code, row.recipients))
    return found


async def next_recipients(session: TenantSession, bulk: BulkSend, after: int, limit: int) -> list[Recipient]:
    """The recipients of a bulk send behind a position of its list; of a retry those whose text failed before."""
    if bulk.retry_of is None:
        return await recipients_after(session, bulk.list_id, after, limit)
    failed = _failed(session, bulk.retry_of, unconfirmed=bulk.retry_unconfirmed).where(BulkRecipient.position > after)
    positions = (await session.scalars(failed.order_by(BulkRecipient.position).limit(limit))).all()
    return await recipients_at(session, bulk.list_id, positions)


async def recipients_at(session: TenantSession, list_id: UUID, positions: Sequence[int]) -> list[Recipient]:
    """The recipients at these positions of a list, in their order."""
    wanted = sorted(positions)
    found: list[Recipient] = []
    while wanted:
        page = await recipients_after(session, list_id, wanted[0] - 1, _PAGE)
        if not page:
            break
        among = set(wanted)
        found += (recipient for recipient in page if recipient.position in among)
        last = page[-1].position
        wanted = [position for position in wanted if position > last]
    return found


async def count_to_retry(session: TenantSession, of: UUID, *, unconfirmed: bool) -> int:
    """To how many recipients of a bulk send a retry would go."""
    query = _failed(session, of, unconfirmed=unconfirmed).with_only_columns(func.count())
    return int(await session.scalar(query) or 0)


async def old_texts(session: TenantSession, of: UUID, positions: Sequence[int]) -> dict[int, UUID]:
    """The texts that another bulk send made for the recipients at these positions."""
    rows = await session.execute(
        select(BulkRecipient.position, BulkRecipient.message_id).where(
            BulkRecipient.company_id == session.company_id,
            BulkRecipient.bulk_send_id == of,
            BulkRecipient.position.in_(positions),
            BulkRecipient.message_id.is_not(None),
        )
    )
    return {row.position: row.message_id for row in rows}


async def waiting(session: TenantSession, bulk_send_id: UUID, *, now: datetime, limit: int) -> Sequence[BulkRecipient]:
    """Recipients that were put off and whose instant has come, the longest waiting first."""
    query = select(BulkRecipient).where(
        BulkRecipient.company_id == session.company_id,
        BulkRecipient.bulk_send_id == bulk_send_id,
        BulkRecipient.state == "waiting",
        BulkRecipient.not_before <= now,
    )
    return (await session.scalars(query.order_by(BulkRecipient.not_before, BulkRecipient.position).limit(limit))).all()


async def someone_waits(session: TenantSession, bulk_send_id: UUID) -> bool:
    """Whether any recipient was put off and has not been dealt with yet."""
    query = exists().where(
        BulkRecipient.company_id == session.company_id,
        BulkRecipient.bulk_send_id == bulk_send_id,
        BulkRecipient.state == "waiting",
    )
    return bool(await session.scalar(select(query)))


async def own_threads(session: TenantSession, senders: Collection[UUID], numbers: Collection[str]) -> dict[str, UUID]:
    """Outside number → the one of these senders that it last had a conversation with."""
    rows = await session.execute(
        select(Conversation.outside_number, Conversation.phone_number_id)
        .where(
            Conversation.company_id == session.company_id,
            Conversation.outside_number.in_(numbers),
            Conversation.phone_number_id.in_(senders),
        )
        .order_by(Conversation.last_message_at)
    )
    return {row.outside_number: row.phone_number_id for row in rows}


async def count_opt_outs(session: TenantSession, bulk: BulkSend) -> int:
    """How many recipients that got a text of the bulk send have opted out since it started."""
    got_one = exists().where(
        Message.company_id == session.company_id,
        Message.to_number == OptOut.outside_number,
        Message.created_at >= bulk.started_at,
        Message.bulk_send_id == bulk.id,
    )
    query = select(func.count(OptOut.outside_number.distinct())).where(
        OptOut.company_id == session.company_id, OptOut.created_at >= bulk.started_at, got_one
    )
    return int(await session.scalar(query) or 0)


async def told(
    session: TenantSession, bulk_send_id: UUID, *, after: int, limit: int, state: str | None = None
) -> Sequence[Told]:
    """Recipients that were dealt with and their texts, by position: up to `limit` after one."""
    own_text = and_(Message.company_id == BulkRecipient.company_id, Message.id == BulkRecipient.message_id)
    query = (
        select(BulkRecipient, Message)
        .join(Message, own_text, isouter=True)
        .where(
            BulkRecipient.company_id == session.company_id,
            BulkRecipient.bulk_send_id == bulk_send_id,
            BulkRecipient.position > after,
        )
        .order_by(BulkRecipient.position)
        .limit(limit)
    )
    if state is not None:
        query = query.where(BulkRecipient.state == state)
    return [Told(recipient, message) for recipient, message in await session.execute(query)]


def _failed(session: TenantSession, of: UUID, *, unconfirmed: bool) -> Select[int]:
    """Positions of recipients whose text failed, or was refused for the company's own state, and was not sent again.

    A text that was canceled was somebody's wish; one whose outcome nobody knows goes again only if asked for.
    """
    company = session.company_id
    own_text = and_(Message.company_id == BulkRecipient.company_id, Message.id == BulkRecipient.message_id)
    again = aliased(Message)
    failed = or_(
        Message.status.in_(["failed", "undelivered", *(["unconfirmed"] if unconfirmed else [])]),
        and_(Message.status == "refused", Message.refusal_code.in_(sorted(MENDABLE))),
    )
    sent_again = exists().where(
        again.company_id == company,
        again.to_number == Message.to_number,
        again.created_at > Message.created_at,
        again.retry_of == Message.id,
        again.status.not_in([*NOT_SENT, "undelivered"]),
    )
    return (
        select(BulkRecipient.position)
        .join(Message, own_text)
        .where(BulkRecipient.company_id == company, BulkRecipient.bulk_send_id == of, failed, ~sent_again)
    )
