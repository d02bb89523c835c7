"""What background work looks for: attachments not fetched yet, texts whose outcome Twilio has not told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, select

from ringfence.dispatch.model import OutboxRow
from ringfence.features.messages.model import Media, Message
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

MEDIA_GIVEN_UP_AFTER: Final = timedelta(hours=24)
"""How long Twilio is asked for an attachment."""

_MEDIA_LATE_AFTER: Final = timedelta(minutes=15)
_ASKED_UP_TO: Final = timedelta(hours=72)
_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class PendingMedia:
    """An attachment still to be fetched; `account_sid` is the account whose text it belongs to."""

    id: UUID
    position: int
    source_url: str
    account_sid: str | None
    created_at: datetime


async def pending_media(session: TenantSession, message_id: UUID) -> list[PendingMedia]:
    """The attachments of a text that are still to be fetched; none of a deleted text."""
    rows = await session.execute(
        select(Media.id, Media.position, Media.source_url, Message.account_sid, Media.created_at)
        .join(Message, and_(Message.company_id == Media.company_id, Message.id == Media.message_id))
        .where(
            Media.company_id == session.company_id,
            Media.message_id == message_id,
            Media.status == "pending",
            Message.deleted_at.is_(None),
        )
        .order_by(Media.position)
    )
    return [PendingMedia(*row) for row in rows]


async def stored_media(session: TenantSession, message_id: UUID) -> Sequence[UUID]:
    """Every attachment of a text, for the removal of their files."""
    return (
        await session.scalars(
            select(Media.id).where(Media.company_id == session.company_id, Media.message_id == message_id)
        )
    ).all()


async def with_late_media(session: TenantSession) -> Sequence[UUID]:
    """Texts of the last day whose attachments should long have been fetched: their jobs were lost or ran out."""
    now = utc_now()
    return (
        await session.scalars(
            select(Message.id)
            .join(Media, and_(Media.company_id == Message.company_id, Media.message_id == Message.id))
            .where(
                Message.company_id == session.company_id,
                Message.created_at.between(now - MEDIA_GIVEN_UP_AFTER, now - _MEDIA_LATE_AFTER),
                Message.num_media > 0,
                Message.deleted_at.is_(None),
                Media.status == "pending",
            )
            .distinct()
            .limit(_BATCH)
        )
    ).all()


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A text that Twilio has and whose end is not known."""

    id: UUID
    twilio_sid: str


# Each is asked about at growing distances, as long again as it is old: about ten times in three days. A text that
# stays "sent" may be finished, for many carriers report no delivery.
_UNFINISHED = register(
    "messages.unfinished",
    """
    SELECT id, twilio_sid
    FROM sms_messages
    WHERE company_id = :company_id AND created_at BETWEEN :oldest AND :newest AND direction = 'outbound'
      AND status IN ('sending', 'sent') AND twilio_sid ~ '^(SM|MM)[0-9a-fA-F]{32}$' AND account_sid = :account_sid
      AND deleted_at IS NULL
      AND updated_at < :now - GREATEST(CAST(:first_look AS interval), (:now - created_at) / 2)
    ORDER BY created_at
    LIMIT :most
    """,
)


async def unfinished(session: TenantSession, *, account_sid: str, first_look: timedelta) -> list[Unfinished]:
    """Texts of this account whose turn it is to be asked about, the oldest first, a batch at most."""
    now = utc_now()
    rows = await session.execute(
        _UNFINISHED,
        {
            "company_id": session.company_id,
            "account_sid": account_sid,
            "now": now,
            "oldest": now - _ASKED_UP_TO,
            "newest": now - first_look,
            "first_look": first_look,
            "most": _BATCH,
        },
    )
    return [Unfinished(*row) for row in rows]


async def held(session: TenantSession, *, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Texts that wait in the outbox because a rule holds them, by id, after one (None: from the first)."""
    query = (
        select(Message.id)
        .join(OutboxRow, and_(OutboxRow.company_id == Message.company_id, OutboxRow.message_id == Message.id))
        .where(Message.company_id == session.company_id, OutboxRow.state == "ready", Message.status == "held")
    )
    if after is not None:
        query = query.where(OutboxRow.message_id > after)
    return (await session.scalars(query.order_by(Message.id).limit(limit))).all()
