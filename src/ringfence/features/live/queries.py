"""Reading events as one caller: what the caller may not see is passed over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from ringfence.features.conversations.queries import in_visible_thread, viewer_for
from ringfence.features.events import queries as events
from ringfence.features.events.model import Event
from ringfence.features.events.queries import Head
from ringfence.tenancy.sessions import TenantSession


@dataclass(frozen=True, slots=True)
class Told:
    """An event that the caller may hear of."""

    seq: int
    kind: str
    subject_id: UUID
    conversation_id: UUID | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """What came after a place: the events to tell, and the place up to which was looked. `is_whole` means no more."""

    head: Head
    told: Sequence[Told]
    upto: int
    is_whole: bool


async def after(session: TenantSession, seq: int, *, user_id: UUID | None, manages: bool, limit: int) -> Batch:
    """The next events after a place, in order, at most `limit` of them, those passed over included.

    Whether the caller (a person, or None for a key) sees an event's thread is asked anew, as things stand now.
    """
    head = await events.head(session)
    viewer = await viewer_for(session, user_id=user_id, manages=manages)
    is_seen = in_visible_thread(session, viewer, Event.conversation_id)
    rows = (
        await session.execute(
            select(Event.seq, Event.kind, Event.subject_id, Event.conversation_id, Event.created_at, is_seen)
            .where(Event.company_id == session.company_id, Event.seq > seq)
            .order_by(Event.seq)
            .limit(limit)
        )
    ).all()
    told = [Told(row[0] or 0, row[1], row[2], row[3], row[4]) for row in rows if row[5]]
    return Batch(head, told, rows[-1][0] or seq if rows else seq, len(rows) < limit)
