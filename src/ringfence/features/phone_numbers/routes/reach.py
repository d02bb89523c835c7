"""Asking Twilio with a company's stored credentials, outside any transaction."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import Request

from ringfence.errors import NotFoundError
from ringfence.features.audit_log.values import actor_of
from ringfence.features.twilio_settings import actions as settings_actions
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.features.twilio_settings.errors import AccountUnusableError, CredentialsRefusedError
from ringfence.features.twilio_settings.values import StoredCredentials
from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.control import TwilioAccount
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import Caller
from ringfence.web.services import service


async def stored_credentials(request: Request, caller: Caller) -> StoredCredentials:
    """The company's credentials, read in a transaction that has ended. Raises NotFoundError when not connected."""
    async with service(request, Tenancy).tenant(caller.company_id) as session:
        credentials = await settings_queries.credentials_for(session, service(request, Keyring))
    if credentials is None:
        raise NotFoundError
    return credentials


@asynccontextmanager
async def reach(request: Request, caller: Caller, credentials: StoredCredentials) -> AsyncGenerator[TwilioAccount]:
    """The account at Twilio. A refusal of the stored credentials is noted on the settings before it goes on."""
    gateway = service(request, TwilioGateway)
    try:
        async with gateway.account(credentials.account_sid, credentials.auth_token) as account:
            yield account
    except (CredentialsRefusedError, AccountUnusableError) as error:
        async with service(request, Tenancy).tenant(caller.company_id) as session:
            await settings_actions.mark_refused(session, credentials, error, actor=actor_of(caller))
        raise
