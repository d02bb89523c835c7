"""Reading scheduled texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, or_, select, text, tuple_

from ringfence.errors import NotFoundError
from ringfence.features.companies import queries as companies
from ringfence.features.contacts import queries as contacts
from ringfence.features.conversations.model import Conversation
from ringfence.features.conversations.queries import visible_between
from ringfence.features.conversations.values import Viewer
from ringfence.features.messages.model import Message
from ringfence.features.messages.queries.timing import recipient_zones
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.scheduling.model import ScheduledText
from ringfence.kit.zones import resolve_local
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position

# For the fan-out: companies that have something due. A suspended company's texts wait, and expire in the end.
COMPANIES_DUE = text(
    """
    SELECT d.company_id FROM schedule_due d JOIN companies c ON c.id = d.company_id
    WHERE d.next_due <= now() AND c.status = 'active'
      AND (CAST(:after AS uuid) IS NULL OR d.company_id > CAST(:after AS uuid))
    ORDER BY d.company_id LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list of scheduled texts shows; None shows all. `number` is E.164; `due_to` is exclusive."""

    status: str | None = None
    number: str | None = None
    contact_id: UUID | None = None
    due_from: datetime | None = None
    due_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """The instant that a wall-clock time means for a recipient, and in which zones."""

    at: datetime
    zones: tuple[str, ...]


async def list_scheduled(
    session: TenantSession, viewer: Viewer, *, filters: Filters, after: Position | None, limit: int
) -> Sequence[ScheduledText]:
    """Scheduled texts: up to limit + 1 after a position. Pending ones soonest first, all others latest first."""
    query = select(ScheduledText).where(ScheduledText.company_id == session.company_id, _visible_to(session, viewer))
    exact = {
        ScheduledText.status: filters.status,
        ScheduledText.to_number: filters.number,
        ScheduledText.contact_id: filters.contact_id,
    }
    query = query.where(*(column == value for column, value in exact.items() if value is not None))
    if filters.due_from is not None:
        query = query.where(ScheduledText.due_at >= filters.due_from)
    if filters.due_to is not None:
        query = query.where(ScheduledText.due_at < filters.due_to)
    place = tuple_(ScheduledText.due_at, ScheduledText.id)
    if filters.status == "pending":
        query = query.order_by(ScheduledText.due_at, ScheduledText.id)
        query = query if after is None else query.where(place > (after.at, after.id))
    else:
        query = query.order_by(ScheduledText.due_at.desc(), ScheduledText.id.desc())
        query = query if after is None else query.where(place < (after.at, after.id))
    return (await session.scalars(query.limit(limit + 1))).all()


async def get_scheduled(
    session: TenantSession, viewer: Viewer, scheduled_id: UUID, *, lock: bool = False
) -> ScheduledText:
    """One scheduled text; `lock` keeps it as it is until the transaction ends.

    Raises NotFoundError, also for one that the viewer may not see.
    """
    query = select(ScheduledText).where(
        ScheduledText.company_id == session.company_id,
        ScheduledText.id == scheduled_id,
        _visible_to(session, viewer),
    )
    found = await session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise NotFoundError
    return found


def _visible_to(session: TenantSession, viewer: Viewer) -> ColumnElement[bool]:
    """It belongs to the conversation it will go into (any with the number, while no sender is chosen).

    Whoever scheduled it sees it too.
    """
    sender = (
        select(PhoneNumber.id)
        .where(
            PhoneNumber.company_id == session.company_id,
            PhoneNumber.phone_number == ScheduledText.from_number,
            PhoneNumber.released_at.is_(None),
        )
        # It stands two selects deep, and by itself would join all scheduled texts instead of meaning the one outside.
        .correlate(ScheduledText)
        .scalar_subquery()
    )
    between = visible_between(session, viewer, outside_number=ScheduledText.to_number, phone_number_id=sender)
    if viewer.user_id is None:
        return between
    own = and_(ScheduledText.actor_kind == "user", ScheduledText.actor_id == viewer.user_id)
    return or_(between, own)


async def take_due(session: TenantSession, scheduled_id: UUID, *, now: datetime) -> ScheduledText | None:
    """A pending text whose time has come, locked; None when it is not so any more, or in somebody else's hands."""
    return await session.scalar(
        select(ScheduledText)
        .where(
            ScheduledText.company_id == session.company_id,
            ScheduledText.id == scheduled_id,
            ScheduledText.status == "pending",
            ScheduledText.due_at <= now,
        )
        .with_for_update(skip_locked=True)
    )


async def due(session: TenantSession, *, now: datetime, after: Position | None, limit: int) -> Sequence[Position]:
    """Pending texts whose time has come, in the order of their times, after a position."""
    query = select(ScheduledText.due_at, ScheduledText.id).where(
        ScheduledText.company_id == session.company_id,
        ScheduledText.status == "pending",
        ScheduledText.due_at <= now,
    )
    if after is not None:
        query = query.where(tuple_(ScheduledText.due_at, ScheduledText.id) > (after.at, after.id))
    rows = await session.execute(query.order_by(ScheduledText.due_at, ScheduledText.id).limit(limit))
    return [Position(row.due_at, row.id) for row in rows]


async def next_due(session: TenantSession) -> datetime | None:
    """When the company's next pending text is due, or None."""
    return await session.scalar(
        select(ScheduledText.due_at)
        .where(ScheduledText.company_id == session.company_id, ScheduledText.status == "pending")
        .order_by(ScheduledText.due_at)
        .limit(1)
    )


async def has_replied(session: TenantSession, scheduled: ScheduledText) -> bool:
    """Whether the recipient has texted (the number it would go out from, if one was chosen) since it was scheduled."""
    company = session.company_id
    own_number = and_(PhoneNumber.company_id == company, PhoneNumber.id == Conversation.phone_number_id)
    threads = (
        select(Conversation.id)
        .join(PhoneNumber, own_number)
        .where(Conversation.company_id == company, Conversation.outside_number == scheduled.to_number)
    )
    if scheduled.from_number is not None:
        threads = threads.where(PhoneNumber.phone_number == scheduled.from_number)
    replied = exists().where(
        Message.company_id == company,
        Message.conversation_id.in_(threads),
        Message.created_at > scheduled.created_at,
        Message.direction == "inbound",
    )
    return bool(await session.scalar(select(replied)))


async def resolve(session: TenantSession, wall: datetime, *, to_number: str, contact_id: UUID | None) -> Due:
    """When a wall-clock time has come wherever the recipient may be: with several zones, in the last of them.

    The recipient is the contact given, else the one who has the number. Raises NotFoundError for an unknown contact.
    """
    home = ZoneInfo((await companies.own_company(session)).time_zone)
    if contact_id is not None:
        contact = await contacts.get_contact(session, contact_id)
    else:
        contact = await contacts.find_by_number(session, to_number)
    zones = recipient_zones(to_number, known=contact.time_zone if contact else None, home=home)
    return Due(max(resolve_local(wall, zone) for zone in zones), tuple(zone.key for zone in zones))
