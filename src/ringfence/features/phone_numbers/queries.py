"""Reading phone numbers, and choosing the one a text goes out from or a call shows."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, case, func, select, tuple_

from ringfence.errors import NotFoundError
from ringfence.features.phone_numbers.errors import (
    CannotCallError,
    NoCallerIdError,
    NoSenderError,
    SenderInactiveError,
    SenderIncapableError,
    UnknownSenderError,
)
from ringfence.features.phone_numbers.model import DirectoryNumber, NumberPurchase, PhoneNumber
from ringfence.features.phone_numbers.values import OPEN_PURCHASES, NumberCounts, NumberStatus
from ringfence.tenancy.sessions import PlatformSession, TenantSession
from ringfence.web.paging import Position

_LOOKUP_BATCH = 1000


async def list_numbers(
    session: TenantSession,
    *,
    status: NumberStatus | None,
    released: bool | None,
    after: Position | None,
    limit: int,
) -> Sequence[PhoneNumber]:
    """The company's numbers, newest first: up to limit + 1 of them after a position."""
    query = select(PhoneNumber).where(PhoneNumber.company_id == session.company_id)
    if status is not None:
        query = query.where(PhoneNumber.status == status)
    if released is not None:
        query = query.where(PhoneNumber.released_at.is_not(None) if released else PhoneNumber.released_at.is_(None))
    if after is not None:
        query = query.where(tuple_(PhoneNumber.created_at, PhoneNumber.id) < (after.at, after.id))
    order = (PhoneNumber.created_at.desc(), PhoneNumber.id.desc())
    return (await session.scalars(query.order_by(*order).limit(limit + 1))).all()


async def get(session: TenantSession, number_id: UUID) -> PhoneNumber:
    """One number of the company, released ones included. Raises NotFoundError."""
    number = await session.scalar(
        select(PhoneNumber).where(PhoneNumber.company_id == session.company_id, PhoneNumber.id == number_id)
    )
    if number is None:
        raise NotFoundError
    return number


async def held(session: TenantSession, phone_number: str) -> PhoneNumber | None:
    """The company's number (E.164) unless it is released; None for everybody else's."""
    return await session.scalar(
        select(PhoneNumber).where(
            PhoneNumber.company_id == session.company_id,
            PhoneNumber.phone_number == phone_number,
            PhoneNumber.released_at.is_(None),
        )
    )


async def active(session: TenantSession) -> Sequence[PhoneNumber]:
    """All active numbers that can text or be called, released ones left out."""
    return (
        await session.scalars(
            select(PhoneNumber).where(
                PhoneNumber.company_id == session.company_id,
                PhoneNumber.released_at.is_(None),
                PhoneNumber.status == "active",
                PhoneNumber.sms | PhoneNumber.voice,
            )
        )
    ).all()


async def ids_by_number(session: TenantSession) -> dict[str, UUID]:
    """E.164 → id of every number that is not released."""
    rows = await session.execute(
        select(PhoneNumber.phone_number, PhoneNumber.id).where(
            PhoneNumber.company_id == session.company_id, PhoneNumber.released_at.is_(None)
        )
    )
    return {row.phone_number: row.id for row in rows}


async def holdings(session: TenantSession, *, account_sid: str) -> dict[str, UUID]:
    """E.164 → id of every number of an account that the company holds."""
    rows = await session.execute(
        select(PhoneNumber.phone_number, PhoneNumber.id).where(
            PhoneNumber.company_id == session.company_id,
            PhoneNumber.account_sid == account_sid,
            PhoneNumber.released_at.is_(None),
        )
    )
    return {row.phone_number: row.id for row in rows}


async def given_up_by_others(
    session: PlatformSession, *, company_id: UUID, account_sid: str, phone_numbers: Sequence[str]
) -> dict[str, datetime]:
    """Of an account's numbers those that another company held before, and the instant it gave each up last.

    What went through a number until then is that company's. It says neither which company nor how long it held it.
    """
    found: dict[str, datetime] = {}
    for start in range(0, len(phone_numbers), _LOOKUP_BATCH):
        rows = await session.execute(
            select(DirectoryNumber.phone_number, func.max(DirectoryNumber.released_at))
            .where(
                DirectoryNumber.account_sid == account_sid,
                DirectoryNumber.phone_number.in_(phone_numbers[start : start + _LOOKUP_BATCH]),
                DirectoryNumber.released_at.is_not(None),
                DirectoryNumber.company_id != company_id,
            )
            .group_by(DirectoryNumber.phone_number)
        )
        found |= {number: at for number, at in rows if at is not None}
    return found


async def counts(session: TenantSession) -> NumberCounts:
    """How the company's numbers stand."""
    kept = PhoneNumber.released_at.is_(None)
    row = (
        await session.execute(
            select(
                func.count().filter(and_(kept, PhoneNumber.status == "active")).label("active"),
                func.count().filter(and_(kept, PhoneNumber.status == "inactive")).label("inactive"),
                func.count().filter(PhoneNumber.released_at.is_not(None)).label("released"),
                func.max(PhoneNumber.synced_at).label("last_synced_at"),
            ).where(PhoneNumber.company_id == session.company_id)
        )
    ).one()
    return NumberCounts(row.active, row.inactive, row.released, row.last_synced_at)


async def get_purchase(session: TenantSession, purchase_id: UUID) -> NumberPurchase:
    """One purchase of the company. Raises NotFoundError."""
    found = await session.scalar(
        select(NumberPurchase).where(NumberPurchase.company_id == session.company_id, NumberPurchase.id == purchase_id)
    )
    if found is None:
        raise NotFoundError
    return found


async def purchase_by_key(session: TenantSession, key: str) -> NumberPurchase | None:
    """The purchase that came with an Idempotency-Key."""
    return await session.scalar(
        select(NumberPurchase).where(
            NumberPurchase.company_id == session.company_id, NumberPurchase.idempotency_key == key
        )
    )


async def open_purchase_id(session: TenantSession, phone_number: str) -> UUID | None:
    """The purchase of a number whose outcome is open; None once there is none."""
    return await session.scalar(
        select(NumberPurchase.id).where(
            NumberPurchase.company_id == session.company_id,
            NumberPurchase.phone_number == phone_number,
            NumberPurchase.status.in_(OPEN_PURCHASES),
        )
    )


async def held_by_others(
    session: PlatformSession, *, company_id: UUID, account_sid: str, phone_numbers: Sequence[str]
) -> set[str]:
    """Which of an account's numbers another company holds; not which company.

    Only for numbers that Twilio itself has just listed to the company that asks: whoever holds an account's token may
    learn that a number of it is taken here, which connecting would show as well.
    """
    found: set[str] = set()
    for start in range(0, len(phone_numbers), _LOOKUP_BATCH):
        found.update(
            await session.scalars(
                select(DirectoryNumber.phone_number).where(
                    DirectoryNumber.account_sid == account_sid,
                    DirectoryNumber.phone_number.in_(phone_numbers[start : start + _LOOKUP_BATCH]),
                    DirectoryNumber.released_at.is_(None),
                    DirectoryNumber.company_id != company_id,
                )
            )
        )
    return found


async def choose_sender(
    session: TenantSession,
    *,
    conversation_number_id: UUID | None,
    requested: str | None,
    needs_mms: bool,
    to_region: str | None,
) -> PhoneNumber:
    """The number a text goes out from.

    1. The number the caller asks for (`requested`, E.164), and no other. Somebody else's number is unknown here.
    2. The conversation's own number, and no other: people are answered from the number they texted. If it is inactive
       or released the text is refused, so that a person decides by naming another one.
    3. Rotation, over active numbers that can carry the text and take part in it: lowest `rotation_priority` first,
       among equals those of the recipient's country (`to_region`, ISO 3166, None if unknown), then the one that was
       used least recently.
    4. The default number.

    Raises RefusedError: `unknown_sender`, `sender_inactive`, `sender_incapable`, `no_sender`.
    """
    if requested is not None:
        return _fit(await _requested(session, requested), needs_mms=needs_mms)
    if conversation_number_id is not None:
        return _fit(await get(session, conversation_number_id), needs_mms=needs_mms)
    able = [
        PhoneNumber.company_id == session.company_id,
        PhoneNumber.released_at.is_(None),
        PhoneNumber.status == "active",
        PhoneNumber.sms,
        *([PhoneNumber.mms] if needs_mms else []),
    ]
    own_country_first = [case((PhoneNumber.country == to_region, 0), else_=1)] if to_region else []
    chosen = await session.scalar(
        select(PhoneNumber)
        .where(*able, PhoneNumber.rotation_enabled)
        .order_by(
            PhoneNumber.rotation_priority,
            *own_country_first,
            PhoneNumber.last_used_at.asc().nulls_first(),
            PhoneNumber.id,
        )
        .limit(1)
    )
    chosen = chosen or await session.scalar(select(PhoneNumber).where(*able, PhoneNumber.is_default))
    if chosen is None:
        raise NoSenderError(needs_mms=needs_mms)
    return chosen


async def choose_caller_id(
    session: TenantSession, *, last_used_id: UUID | None, requested: str | None, to_region: str | None
) -> PhoneNumber:
    """The number a call shows.

    The one that is asked for, and no other; else the one the person knows (`last_used_id`) if it can call; else the
    default, then one of the person's country (`to_region`, ISO 3166), then the oldest. Raises RefusedError:
    `unknown_sender`, `sender_inactive`, `sender_incapable`, `no_sender`.
    """
    if requested is not None:
        number = await _requested(session, requested)
        if number.released_at is not None or number.status != "active":
            raise SenderInactiveError
        if not number.voice:
            raise CannotCallError
        return number
    known_first = [case((PhoneNumber.id == last_used_id, 0), else_=1)] if last_used_id else []
    country_first = [case((PhoneNumber.country == to_region, 0), else_=1)] if to_region else []
    chosen = await session.scalar(
        select(PhoneNumber)
        .where(
            PhoneNumber.company_id == session.company_id,
            PhoneNumber.released_at.is_(None),
            PhoneNumber.status == "active",
            PhoneNumber.voice,
        )
        .order_by(*known_first, PhoneNumber.is_default.desc(), *country_first, PhoneNumber.created_at, PhoneNumber.id)
        .limit(1)
    )
    if chosen is None:
        raise NoCallerIdError
    return chosen


async def _requested(session: TenantSession, phone_number: str) -> PhoneNumber:
    """The company's number of this name, a released one only if there is no other."""
    number = await session.scalar(
        select(PhoneNumber)
        .where(PhoneNumber.company_id == session.company_id, PhoneNumber.phone_number == phone_number)
        .order_by(PhoneNumber.released_at.desc().nulls_first())
        .limit(1)
    )
    if number is None:
        raise UnknownSenderError
    return number


def _fit(number: PhoneNumber, *, needs_mms: bool) -> PhoneNumber:
    if number.released_at is not None or number.status != "active":
        raise SenderInactiveError
    if not number.sms or (needs_mms and not number.mms):
        raise SenderIncapableError(needs_mms=needs_mms and number.sms)
    return number
