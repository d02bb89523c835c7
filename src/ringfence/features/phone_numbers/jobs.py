"""Background work of the phone numbers room."""

from uuid import UUID

from ringfence.features.audit_log.values import SYSTEM
from ringfence.features.phone_numbers import actions
from ringfence.features.phone_numbers.actions import buying
from ringfence.features.phone_numbers.queries import get_purchase
from ringfence.features.phone_numbers.values import (
    NOT_BOUGHT_AFTER,
    OPEN_PURCHASES,
    UNCONFIRMED_AFTER,
    SettlePurchase,
    SyncPhoneNumbers,
)
from ringfence.features.twilio_settings import actions as settings_actions
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.features.twilio_settings.errors import AccountUnusableError, CredentialsRefusedError
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.errors import TwilioError
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


class SettlePurchaseHandler:
    """Does `SettlePurchase`: looks whether the account has the number by now. It never buys anything."""

    def __init__(self, gateway: TwilioGateway, keyring: Keyring) -> None:
        self._gateway = gateway
        self._keyring = keyring

    async def __call__(self, context: JobContext, job: SettlePurchase) -> None:
        """Settle the purchase, or enqueue the next look. A purchase that is settled already stays as it is."""
        async with context.tenancy.tenant(context.company_id) as session:
            purchase = await get_purchase(session, job.purchase_id)
            credentials = await settings_queries.credentials_for(session, self._keyring)
        if purchase.status not in OPEN_PURCHASES:
            return
        if credentials is None or credentials.account_sid != purchase.account_sid:
            await self._give_up(context, purchase.id)
            return
        age = utc_now() - purchase.created_at
        try:
            async with self._gateway.account(credentials.account_sid, credentials.auth_token) as account:
                info = await account.find_number(purchase.phone_number)
        except TwilioError:
            if age > UNCONFIRMED_AFTER:
                await self._give_up(context, purchase.id)
                return
            async with context.tenancy.tenant(context.company_id) as session:
                await buying.keep_open(session, purchase.id, look_again=True)
            return
        async with context.tenancy.tenant(context.company_id) as session:
            if info is not None:
                await buying.settle_bought(session, purchase.id, info, actor=SYSTEM)
            elif age > NOT_BOUGHT_AFTER:
                await buying.settle_not_bought(session, purchase.id, actor=SYSTEM)
            else:
                await buying.keep_open(session, purchase.id, look_again=True)

    @staticmethod
    async def _give_up(context: JobContext, purchase_id: UUID) -> None:
        async with context.tenancy.tenant(context.company_id) as session:
            await buying.settle_unconfirmed(session, purchase_id, actor=SYSTEM)
