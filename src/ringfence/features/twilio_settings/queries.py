"""Reading a company's connection to Twilio, and finding whose connection a webhook path is."""

from typing import cast

from sqlalchemy import select

from ringfence.features.twilio_settings.errors import TokenUnreadableError
from ringfence.features.twilio_settings.model import DirectoryConnection, TwilioSettings
from ringfence.features.twilio_settings.values import Connection, SettingsStatus, StoredCredentials, token_context
from ringfence.kit.keyring import Keyring, SealBrokenError
from ringfence.kit.secret import token_hash
from ringfence.tenancy.sessions import PlatformSession, TenantSession


async def current(session: TenantSession) -> TwilioSettings | None:
    """The company's settings, None when no account is connected."""
    return await session.scalar(select(TwilioSettings).where(TwilioSettings.company_id == session.company_id))


async def locked(session: TenantSession) -> TwilioSettings | None:
    """The company's settings as they are now, locked until the transaction ends.

    Whoever changes the connection or the set of numbers takes this lock first: that is what makes two such changes
    happen one after the other.
    """
    return await session.scalar(
        select(TwilioSettings)
        .where(TwilioSettings.company_id == session.company_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def credentials_for(session: TenantSession, keyring: Keyring) -> StoredCredentials | None:
    """The company's way to Twilio, None when no account is connected. Raises TokenUnreadableError."""
    settings = await current(session)
    if settings is None:
        return None
    try:
        auth_token = keyring.open(settings.sealed_auth_token, context=token_context(session.company_id))
    except SealBrokenError:
        raise TokenUnreadableError from None
    return StoredCredentials(
        account_sid=settings.account_sid,
        auth_token=auth_token,
        sealed_auth_token=settings.sealed_auth_token,
        status=cast("SettingsStatus", settings.status),
        status_reason=settings.status_reason,
        webhook_path=settings.webhook_path,
    )


async def find_connection(session: PlatformSession, webhook_path: str) -> Connection | None:
    """Whose connection a webhook path is; None for a path that nobody has. The database knows its hash only."""
    row = (
        await session.execute(
            select(DirectoryConnection.company_id, DirectoryConnection.twilio_settings_id).where(
                DirectoryConnection.path_hash == token_hash(webhook_path)
            )
        )
    ).first()
    return None if row is None else Connection(company_id=row.company_id, settings_id=row.twilio_settings_id)
