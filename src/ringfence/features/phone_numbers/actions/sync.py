"""A sync: ask Twilio for all numbers, outside any transaction, then take the answer in."""

from sqlalchemy import func, select

from ringfence.features.audit_log import actions as audit_log
from ringfence.features.audit_log.values import Actor
from ringfence.features.phone_numbers.actions.intake import take_in
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.phone_numbers.values import Intake, Listing
from ringfence.features.twilio_settings import actions as settings_actions
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.features.twilio_settings.errors import in_plain_words
from ringfence.features.twilio_settings.values import StoredCredentials
from ringfence.kit.clock import utc_now
from ringfence.providers.twilio.control import TwilioAccount
from ringfence.tenancy.sessions import TenantSession


async def list_numbers(account: TwilioAccount, account_sid: str) -> Listing:
    """All numbers of an account, through all pages. Needs no session: ask outside of one.

    Raises CredentialsRefusedError, AccountUnusableError, and UpstreamError when Twilio does not say.
    """
    listed_at = utc_now()
    with in_plain_words():
        return Listing(account_sid, await account.list_numbers(), listed_at)


async def store_sync(
    session: TenantSession, credentials: StoredCredentials, listing: Listing, *, actor: Actor
) -> Intake | None:
    """Take in what `credentials` listed, and note that they work; None when the listing is out of date.

    It is out of date when the account has been replaced or disconnected meanwhile, or when Twilio has shown us numbers
    after this list was asked for: whoever saw them has taken in, or will take in, a newer list.
    """
    settings = await settings_queries.locked(session)
    if settings is None or settings.account_sid != listing.account_sid:
        return None
    newest = await session.scalar(
        select(func.max(PhoneNumber.synced_at)).where(PhoneNumber.company_id == session.company_id)
    )
    if newest is not None and newest > listing.listed_at:
        return None
    await settings_actions.mark_status(session, credentials, status="verified", reason=None)
    intake = await take_in(session, listing)
    audit_log.record(
        session,
        actor=actor,
        action="phone_numbers.synced",
        target_kind="twilio_settings",
        target_id=settings.id,
        after=intake.for_audit(),
    )
    return intake
