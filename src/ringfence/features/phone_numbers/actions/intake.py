"""Taking in a listing: the company's numbers become what its account has at Twilio.

Every function runs under the connection's lock (`twilio_settings.queries.locked`), so intakes of one company never mix.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select, true, update

from ringfence.features.phone_numbers.actions import claims
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.phone_numbers.values import Intake, Listing, batches, first_rate, text_address
from ringfence.kit.clock import utc_now
from ringfence.kit.phone import region_of
from ringfence.providers.twilio.records import NumberInfo
from ringfence.tenancy.sessions import TenantSession

_BATCH = 500


async def take_in(session: TenantSession, listing: Listing) -> Intake:
    """Store, refresh, bring back and release numbers; say what was done.

    Numbers that another company holds are reported and not stored. Those gone at Twilio are released and kept for
    their history; a released number that comes back is the same row again, so its conversations go on. If no number is
    the default, the oldest active one that can text becomes it.
    """
    listed = {info.phone_number: info for info in listing.numbers}
    intake = Intake(listed=len(listed))
    for batch in batches([listed[number] for number in sorted(listed)], _BATCH):
        await _take_in_batch(session, batch, listing, intake)
    intake.released = await _release_missing(session, listing)
    await _ensure_default(session)
    return intake


async def take_in_one(session: TenantSession, info: NumberInfo) -> PhoneNumber | None:
    """Store one number that the account has just shown to have; None when another company holds it."""
    listing = Listing(info.account_sid, [info], utc_now())
    await _take_in_batch(session, [info], listing, Intake(listed=1))
    await _ensure_default(session)
    number = (await _known(session, [info.phone_number])).get(info.phone_number)
    return number if number is not None and number.released_at is None else None


async def release_one(session: TenantSession, number: PhoneNumber) -> None:
    """Release one number of the company; another becomes the default if it was that."""
    await _release(session, PhoneNumber.id == number.id, utc_now())
    await session.refresh(number)
    await _ensure_default(session)


async def release_all(session: TenantSession) -> int:
    """Release every number of the company; how many there were."""
    return await _release(session, true(), utc_now())


async def _take_in_batch(session: TenantSession, batch: Sequence[NumberInfo], listing: Listing, intake: Intake) -> None:
    known = await _known(session, [info.phone_number for info in batch])
    to_claim: list[PhoneNumber] = []
    released_before: dict[str, datetime] = {}
    for info in batch:
        number = known.get(info.phone_number)
        if number is None:
            number = _new(info, listing)
            session.add(number)
            to_claim.append(number)
        elif number.released_at is not None or number.account_sid != info.account_sid:
            released_before[info.phone_number] = number.released_at or listing.listed_at
            to_claim.append(number)
        _refresh(number, info, listing)
    await session.flush()
    taken = await claims.claim(session, to_claim)
    for number in to_claim:
        before = released_before.get(number.phone_number)
        if number.id not in taken:
            intake.returned += before is not None
            intake.added += before is None
            continue
        intake.held_elsewhere.append(number.phone_number)
        if before is None:
            await session.delete(number)
        else:
            number.released_at, number.is_default = before, False
    await session.flush()
    await claims.remember(session, [number for number in to_claim if number.released_at is not None])


async def _known(session: TenantSession, phone_numbers: Sequence[str]) -> Mapping[str, PhoneNumber]:
    """E.164 → the company's row: the one it holds, else the one it released last."""
    rows = await session.scalars(
        select(PhoneNumber)
        .where(PhoneNumber.company_id == session.company_id, PhoneNumber.phone_number.in_(phone_numbers))
        # The last one of a number wins: oldest release first, the one that is not released at the end.
        .order_by(PhoneNumber.released_at.asc().nulls_last())
    )
    return {row.phone_number: row for row in rows}


def _new(info: NumberInfo, listing: Listing) -> PhoneNumber:
    return PhoneNumber(
        account_sid=listing.account_sid,
        phone_number=info.phone_number,
        friendly_name=info.friendly_name or info.phone_number,
        segments_per_second=first_rate(info.phone_number),
        is_default=False,
        created_at=utc_now(),
    )


def _refresh(number: PhoneNumber, info: NumberInfo, listing: Listing) -> None:
    name = info.friendly_name or info.phone_number
    if number.friendly_name == number.twilio_name:
        number.friendly_name = name
    number.twilio_name = name
    number.account_sid = listing.account_sid
    number.twilio_sid = info.sid
    number.country = region_of(info.phone_number)
    number.sms, number.mms, number.voice = info.sms, info.mms, info.voice
    number.sms_url = text_address(info)
    number.released_at = None
    number.synced_at = max(listing.listed_at, number.synced_at or listing.listed_at)
    number.updated_at = utc_now()


async def _release_missing(session: TenantSession, listing: Listing) -> int:
    """Release what the listing does not have; not what was seen only after the list was asked for."""
    unseen = func.coalesce(PhoneNumber.synced_at, PhoneNumber.created_at) < listing.listed_at
    return await _release(session, or_(PhoneNumber.account_sid != listing.account_sid, unseen), listing.listed_at)


async def _release(session: TenantSession, which: ColumnElement[bool], at: datetime) -> int:
    gone = await session.scalars(
        update(PhoneNumber)
        .where(PhoneNumber.company_id == session.company_id, PhoneNumber.released_at.is_(None), which)
        .values(released_at=at, is_default=False, updated_at=at)
        .returning(PhoneNumber.id)
        .execution_options(synchronize_session=False)
    )
    ids = gone.all()
    await claims.release(session, ids, at=at)
    return len(ids)


async def _ensure_default(session: TenantSession) -> None:
    there_is_one = await session.scalar(
        select(PhoneNumber.id).where(PhoneNumber.company_id == session.company_id, PhoneNumber.is_default)
    )
    if there_is_one is not None:
        return
    first = await session.scalar(
        select(PhoneNumber)
        .where(
            PhoneNumber.company_id == session.company_id,
            PhoneNumber.released_at.is_(None),
            PhoneNumber.status == "active",
            PhoneNumber.sms,
        )
        .order_by(PhoneNumber.created_at, PhoneNumber.id)
        .limit(1)
    )
    if first is not None:
        first.is_default = True
