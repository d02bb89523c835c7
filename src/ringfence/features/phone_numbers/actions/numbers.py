"""What people set on a number, and what traffic tells about it."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select, update

from ringfence.features.audit_log import actions as audit_log
from ringfence.features.audit_log.values import Actor
from ringfence.features.phone_numbers import queries
from ringfence.features.phone_numbers.actions import claims
from ringfence.features.phone_numbers.errors import NotASenderError, NumberHeldElsewhereError, NumberReleasedError
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.phone_numbers.values import SYNC_KEY, SyncPhoneNumbers, first_rate
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.features.twilio_settings.errors import NotConnectedError
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.phone import region_of
from ringfence.tenancy.sessions import TenantSession


async def change(
    session: TenantSession, number_id: UUID, *, changes: Mapping[str, object], actor: Actor
) -> PhoneNumber:
    """Set columns of a number: status, rotation_enabled, rotation_priority, segments_per_second, friendly_name, and
    is_default (only to true: it moves the flag here from the number that had it).

    Raises NotFoundError, NumberReleasedError, NotASenderError.
    """
    # The connection's lock keeps two moves of the default, or a move and a sync, apart.
    await settings_queries.locked(session)
    number = await queries.get(session, number_id)
    if number.released_at is not None:
        raise NumberReleasedError
    before = {name: getattr(number, name) for name in changes}
    if changes.get("is_default"):
        if changes.get("status", number.status) != "active" or not number.sms:
            raise NotASenderError
        await _clear_default(session)
    for name, value in changes.items():
        setattr(number, name, value)
    after = {name: getattr(number, name) for name in changes}
    if before != after:
        number.updated_at = utc_now()
        audit_log.record(
            session,
            actor=actor,
            action="phone_number.changed",
            target_kind="phone_number",
            target_id=number.id,
            before=before,
            after=after,
        )
    return number


async def touch_used(session: TenantSession, number_id: UUID, *, at: datetime | None = None) -> None:
    """Note that a number was chosen to send at an instant (default: now): rotation takes it last from then on."""
    at = at or utc_now()
    await session.execute(
        update(PhoneNumber)
        .where(
            PhoneNumber.company_id == session.company_id,
            PhoneNumber.id == number_id,
            or_(PhoneNumber.last_used_at.is_(None), PhoneNumber.last_used_at < at),
        )
        .values(last_used_at=at)
    )


async def discover(session: TenantSession, *, account_sid: str, phone_number: str) -> PhoneNumber:
    """The company's row for a number (E.164) that a genuine webhook of its account named.

    A number not stored yet is stored, marked as discovered, and a sync is enqueued to learn the rest; a released one is
    brought back the same way. Raises NumberHeldElsewhereError when another company holds it, with nothing stored, and
    NotConnectedError when the company is no longer connected to this account.
    """
    settings = await settings_queries.locked(session)
    if settings is None or settings.account_sid != account_sid:
        raise NotConnectedError
    number = await queries.held(session, phone_number)
    if number is not None:
        return number
    number, is_new = await _released(session, phone_number), False
    if number is None:
        number, is_new = _discovered(account_sid, phone_number), True
        session.add(number)
    released_at, number.released_at = number.released_at, None
    now = utc_now()
    number.account_sid, number.synced_at, number.updated_at = account_sid, now, now
    await session.flush()
    if await claims.claim(session, [number]):
        if is_new:
            await session.delete(number)
        number.released_at = released_at
        await session.flush()
        raise NumberHeldElsewhereError([phone_number])
    await enqueue(session, SyncPhoneNumbers(), once_key=SYNC_KEY)
    return number


async def _clear_default(session: TenantSession) -> None:
    await session.execute(
        update(PhoneNumber)
        .where(PhoneNumber.company_id == session.company_id, PhoneNumber.is_default)
        .values(is_default=False)
        .execution_options(synchronize_session="fetch")
    )


async def _released(session: TenantSession, phone_number: str) -> PhoneNumber | None:
    """The row of this number that the company released last."""
    return await session.scalar(
        select(PhoneNumber)
        .where(PhoneNumber.company_id == session.company_id, PhoneNumber.phone_number == phone_number)
        .order_by(PhoneNumber.released_at.desc())
        .limit(1)
    )


def _discovered(account_sid: str, phone_number: str) -> PhoneNumber:
    now = utc_now()
    return PhoneNumber(
        account_sid=account_sid,
        phone_number=phone_number,
        friendly_name=phone_number,
        twilio_name=phone_number,
        country=region_of(phone_number),
        # A text came in, so it can text; the rest is what the sync will say.
        sms=True,
        mms=False,
        voice=False,
        discovered=True,
        segments_per_second=first_rate(phone_number),
        created_at=now,
        updated_at=now,
    )
