"""Changing a company's connection to Twilio.

Twilio is asked outside any transaction (`check_account`); what it said is stored afterwards, in one.
"""

from datetime import datetime

from sqlalchemy.exc import IntegrityError

from ringfence.features.audit_log import actions as audit_log
from ringfence.features.audit_log.values import SYSTEM, Actor
from ringfence.features.companies.values import RefreshHealth
from ringfence.features.events.values import TellStaff
from ringfence.features.twilio_settings import queries
from ringfence.features.twilio_settings.errors import (
    AccountUnusableError,
    AlreadyConnectedError,
    CredentialsRefusedError,
    TokenUnreadableError,
    in_plain_words,
)
from ringfence.features.twilio_settings.model import DirectoryConnection, TwilioSettings
from ringfence.features.twilio_settings.values import (
    NewConnection,
    SettingsStatus,
    StatusReason,
    StoredCredentials,
    token_context,
)
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring, SealBrokenError
from ringfence.kit.secret import new_token, token_hash
from ringfence.providers.twilio.control import TwilioAccount
from ringfence.providers.twilio.errors import NotFoundAtTwilioError
from ringfence.providers.twilio.records import AccountInfo
from ringfence.tenancy.sessions import TenantSession

_TARGET = "twilio_settings"
_SHOWN_OF_TOKEN = 4


async def check_account(account: TwilioAccount) -> AccountInfo:
    """Ask Twilio whether the credentials are right and the account is usable. Needs no session: ask outside of one.

    Raises CredentialsRefusedError, AccountUnusableError, and UpstreamError when Twilio does not say.
    """
    with in_plain_words():
        try:
            info = await account.fetch_account()
        except NotFoundAtTwilioError:
            raise CredentialsRefusedError from None
    # A suspended or closed account may still be read: that is how its owner learns of it.
    if info.status != "active":
        raise AccountUnusableError("account_closed" if info.status == "closed" else "account_suspended")
    return info


async def create(session: TenantSession, *, keyring: Keyring, actor: Actor, new: NewConnection) -> TwilioSettings:
    """Store the first connection with a new webhook path. Raises AlreadyConnectedError, also for a tie of two."""
    webhook_path = new_token()
    settings = TwilioSettings(
        account_sid=new.account_sid,
        friendly_name=new.friendly_name or new.account.friendly_name or new.account_sid,
        webhook_path=webhook_path,
        created_at=new.checked_at,
    )
    _accept(session, settings, keyring, new)
    session.add(settings)
    try:
        await session.flush()
    except IntegrityError as error:
        raise AlreadyConnectedError from error
    session.add(DirectoryConnection(path_hash=token_hash(webhook_path), twilio_settings_id=settings.id))
    audit_log.record(
        session,
        actor=actor,
        action="twilio_settings.connected",
        target_kind=_TARGET,
        target_id=settings.id,
        after=_shown(settings),
    )
    return settings


def replace(
    session: TenantSession, settings: TwilioSettings, *, keyring: Keyring, actor: Actor, new: NewConnection
) -> None:
    """Put new credentials (and name) into locked settings. The webhook path stays: addresses at Twilio go on working.

    Another account's name replaces the old one unless a name is given; the same account keeps its name.
    """
    before = _shown(settings)
    if settings.account_sid != new.account_sid:
        settings.friendly_name = new.account.friendly_name or new.account_sid
        settings.webhooks_set_at = None
    settings.account_sid = new.account_sid
    settings.friendly_name = new.friendly_name or settings.friendly_name
    _accept(session, settings, keyring, new)
    audit_log.record(
        session,
        actor=actor,
        action="twilio_settings.replaced",
        target_kind=_TARGET,
        target_id=settings.id,
        before=before,
        after=_shown(settings),
    )


async def remove(session: TenantSession, settings: TwilioSettings, *, actor: Actor) -> None:
    """Forget locked settings, token and webhook path included. Numbers and history are the caller's business."""
    audit_log.record(
        session,
        actor=actor,
        action="twilio_settings.disconnected",
        target_kind=_TARGET,
        target_id=settings.id,
        before=_shown(settings),
    )
    await session.delete(settings)


async def mark_status(
    session: TenantSession,
    credentials: StoredCredentials,
    *,
    status: SettingsStatus,
    reason: StatusReason | None,
    actor: Actor = SYSTEM,
) -> None:
    """Note what Twilio said about stored credentials; verified ones get the time of it.

    Changes nothing if they have been replaced or removed meanwhile. The audit log gets an entry for a person's check,
    and for a rule's only when the state changes. When settings begin to fail, the company's admins are told.
    """
    settings = await queries.locked(session)
    if settings is None or settings.sealed_auth_token != credentials.sealed_auth_token:
        return
    before = {"status": settings.status, "status_reason": settings.status_reason}
    after = {"status": status, "status_reason": reason}
    now = utc_now()
    if status == "verified":
        settings.verified_at = now
    if before == after and actor.kind == "system":
        return
    settings.status, settings.status_reason, settings.updated_at = status, reason, now
    await enqueue(session, RefreshHealth(), once_key=RefreshHealth.kind)
    if status != "verified" and before != after:
        await enqueue(session, TellStaff(news="twilio.failing", subject_id=settings.id))
    audit_log.record(
        session,
        actor=actor,
        action="twilio_settings.checked",
        target_kind=_TARGET,
        target_id=settings.id,
        before=before,
        after=after,
    )


async def mark_refused(
    session: TenantSession,
    credentials: StoredCredentials,
    error: CredentialsRefusedError | AccountUnusableError,
    *,
    actor: Actor = SYSTEM,
) -> None:
    """Note that Twilio refused stored credentials or their account: `mark_status` with the words of the error."""
    if isinstance(error, AccountUnusableError):
        await mark_status(session, credentials, status="suspended", reason=error.reason, actor=actor)
    else:
        await mark_status(session, credentials, status="unverified", reason="credentials_refused", actor=actor)


def note_webhooks_set(settings: TwilioSettings, *, at: datetime) -> None:
    """Note that all numbers' webhooks pointed here at an instant (aware, UTC)."""
    settings.webhooks_set_at = settings.updated_at = at


async def reseal(session: TenantSession, keyring: Keyring) -> int:
    """Seal the company's token with the first key if another one sealed it; how many were sealed again (0 or 1).

    Raises TokenUnreadableError when no key opens it: nothing is lost then, the old key only has to come back.
    """
    settings = await queries.locked(session)
    if settings is None or keyring.is_current(settings.sealed_auth_token):
        return 0
    context = token_context(session.company_id)
    try:
        auth_token = keyring.open(settings.sealed_auth_token, context=context)
    except SealBrokenError:
        raise TokenUnreadableError from None
    settings.sealed_auth_token = keyring.seal(auth_token, context=context)
    return 1


def _accept(session: TenantSession, settings: TwilioSettings, keyring: Keyring, new: NewConnection) -> None:
    settings.sealed_auth_token = keyring.seal(new.auth_token, context=token_context(session.company_id))
    settings.auth_token_last4 = new.auth_token[-_SHOWN_OF_TOKEN:]
    settings.status, settings.status_reason = "verified", None
    settings.verified_at = settings.updated_at = new.checked_at


def _shown(settings: TwilioSettings) -> dict[str, object]:
    return {
        "account_sid": settings.account_sid,
        "auth_token_last4": settings.auth_token_last4,
        "friendly_name": settings.friendly_name,
        "status": settings.status,
    }
