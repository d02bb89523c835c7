"""Background work of the phone numbers room."""

from ringfence.features.audit_log.values import SYSTEM
from ringfence.features.phone_numbers import actions
from ringfence.features.phone_numbers.values import SyncPhoneNumbers
from ringfence.features.twilio_settings import actions as settings_actions
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.features.twilio_settings.errors import AccountUnusableError, CredentialsRefusedError
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.gateway import TwilioGateway


class SyncHandler:
    """Does `SyncPhoneNumbers`. Running it twice is harmless: the second run finds nothing to change."""

    def __init__(self, gateway: TwilioGateway, keyring: Keyring) -> None:
        self._gateway = gateway
        self._keyring = keyring

    async def __call__(self, context: JobContext, _job: SyncPhoneNumbers) -> None:
        """List, then store. Refused credentials are noted on the settings; UpstreamError is for the queue to retry."""
        async with context.tenancy.tenant(context.company_id) as session:
            credentials = await settings_queries.credentials_for(session, self._keyring)
        if credentials is None:
            return
        try:
            async with self._gateway.account(credentials.account_sid, credentials.auth_token) as account:
                listing = await actions.list_numbers(account, credentials.account_sid)
        except (CredentialsRefusedError, AccountUnusableError) as error:
            async with context.tenancy.tenant(context.company_id) as session:
                await settings_actions.mark_refused(session, credentials, error)
            return
        async with context.tenancy.tenant(context.company_id) as session:
            await actions.store_sync(session, credentials, listing, actor=SYSTEM)
