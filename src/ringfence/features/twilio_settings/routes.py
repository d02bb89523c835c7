"""`/api/twilio-settings`, for company admins: what is connected, and whether it works.

Connecting, replacing and disconnecting also take in or release phone numbers; they stand in the phone numbers room.
"""

from fastapi import APIRouter, Request

from ringfence.errors import NotFoundError
from ringfence.features.audit_log.values import actor_of
from ringfence.features.twilio_settings import actions, queries
from ringfence.features.twilio_settings.errors import AccountUnusableError, CredentialsRefusedError
from ringfence.features.twilio_settings.schemas import ConnectedAnswer, NotConnectedAnswer, SettingsAnswer
from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import Admin, TenantDB
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.services import service

router = APIRouter(prefix="/api/twilio-settings", tags=["Twilio settings"], responses=PROBLEM_RESPONSES)


@router.get("")
async def read_settings(request: Request, _caller: Admin, session: TenantDB) -> SettingsAnswer:
    """The connected account and its state; `connected: false` while there is none. The token is never shown."""
    settings = await queries.current(session)
    if settings is None:
        return NotConnectedAnswer()
    return ConnectedAnswer.about(settings, service(request, TwilioGateway))


@router.post("/verify")
async def verify(request: Request, caller: Admin) -> ConnectedAnswer:
    """Ask Twilio now whether the stored credentials still work, and keep the answer.

    200 with the new state, also when Twilio refuses them; 502 when Twilio cannot be asked, which proves nothing and
    changes nothing.
    """
    tenancy, gateway = service(request, Tenancy), service(request, TwilioGateway)
    async with tenancy.tenant(caller.company_id) as session:
        credentials = await queries.credentials_for(session, service(request, Keyring))
    if credentials is None:
        raise NotFoundError
    refusal: CredentialsRefusedError | AccountUnusableError | None = None
    async with gateway.account(credentials.account_sid, credentials.auth_token) as account:
        try:
            await actions.check_account(account)
        except (CredentialsRefusedError, AccountUnusableError) as error:
            refusal = error
    async with tenancy.tenant(caller.company_id) as session:
        if refusal is None:
            await actions.mark_status(session, credentials, status="verified", reason=None, actor=actor_of(caller))
        else:
            await actions.mark_refused(session, credentials, refusal, actor=actor_of(caller))
        settings = await queries.current(session)
        if settings is None:
            raise NotFoundError
        return ConnectedAnswer.about(settings, gateway)
