"""Giving a number back to Twilio."""

from uuid import UUID

from ringfence.features.audit_log import actions as audit_log
from ringfence.features.audit_log.values import Actor
from ringfence.features.phone_numbers import queries
from ringfence.features.phone_numbers.actions.intake import release_one
from ringfence.features.phone_numbers.errors import NotConfirmedError, NumberReleasedError
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.phone_numbers.values import last_four
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.tenancy.sessions import TenantSession


async def check_release(session: TenantSession, number_id: UUID, *, confirm: str) -> PhoneNumber:
    """The number, if it may be given back. Raises NotFoundError, NumberReleasedError, NotConfirmedError."""
    number = await queries.get(session, number_id)
    if number.released_at is not None:
        raise NumberReleasedError
    if confirm.strip() != number.phone_number:
        raise NotConfirmedError
    return number


async def note_released(session: TenantSession, number_id: UUID, *, actor: Actor) -> PhoneNumber:
    """Note that Twilio has taken the number back. Its history stays; texts that wait for it are refused."""
    await settings_queries.locked(session)
    number = await queries.get(session, number_id)
    if number.released_at is None:
        await release_one(session, number)
        audit_log.record(
            session,
            actor=actor,
            action="phone_number.released",
            target_kind="phone_number",
            target_id=number.id,
            before={"phone_number": last_four(number.phone_number)},
        )
    return number
