"""`/api/twilio-settings`, the part that changes the connection and its numbers. Company admins only.

Twilio is asked between two transactions, never inside one: first what is stored is read, then Twilio is asked, then
everything is stored at once. Whatever goes wrong, what was stored before stays.
"""

from fastapi import APIRouter, Request

from ringfence.errors import NotFoundError
from ringfence.features.audit_log.values import actor_of
from ringfence.features.phone_numbers import actions, queries
from ringfence.features.phone_numbers.routes.reach import reach, stored_credentials
from ringfence.features.phone_numbers.schemas import (
    ConnectAnswer,
    ConnectBody,
    NumberAtTwilioAnswer,
    NumbersAtTwilioAnswer,
    ReplaceBody,
    WebhookOutcomeAnswer,
    WebhooksAnswer,
)
from ringfence.features.phone_numbers.values import Addresses, Intake, Listing, WebhookOutcome
from ringfence.features.twilio_settings import actions as settings_actions
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.features.twilio_settings.errors import AlreadyConnectedError, TokenNeededError
from ringfence.features.twilio_settings.schemas import ConnectedAnswer
from ringfence.features.twilio_settings.values import NewConnection
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.control import TwilioAccount
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import Admin, Caller, OwnAdmin, TenantDB
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.services import service

router = APIRouter(prefix="/api/twilio-settings", tags=["Twilio settings"], responses=PROBLEM_RESPONSES)


@router.post("", status_code=201)
async def connect(request: Request, caller: OwnAdmin, body: ConnectBody) -> ConnectAnswer:
    """Connect a Twilio account: the credentials are checked at Twilio, and all its numbers are taken in.

    409 `twilio_connected` when an account is connected already; 409 `number_held_elsewhere` when another company holds
    one of the account's numbers; 422 `twilio_credentials_refused` or `twilio_account_suspended`; 502
    `twilio_unreachable`.
    """
    tenancy, keyring = service(request, Tenancy), service(request, Keyring)
    async with tenancy.tenant(caller.company_id) as session:
        if await settings_queries.current(session) is not None:
            raise AlreadyConnectedError
    auth_token = body.auth_token.get_secret_value()
    async with service(request, TwilioGateway).account(body.account_sid, auth_token) as account:
        new, listing = await _look(account, body, auth_token)
        async with tenancy.tenant(caller.company_id) as session:
            settings, intake = await actions.connect(
                session, keyring=keyring, actor=actor_of(caller), new=new, listing=listing
            )
        shown = ConnectedAnswer.about(settings, service(request, TwilioGateway))
        return await _finish(
            request, caller, account, listing=listing, shown=shown, intake=intake, set_webhooks=body.set_webhooks
        )


@router.put("")
async def replace(request: Request, caller: OwnAdmin, body: ReplaceBody) -> ConnectAnswer:
    """Replace the credentials, the account or its name; checked at Twilio like a first connection.

    Without `auth_token` the stored one is checked and kept. Errors as for POST; 404 when nothing is connected.
    """
    tenancy, keyring = service(request, Tenancy), service(request, Keyring)
    kept = None
    if body.auth_token is not None:
        async with tenancy.tenant(caller.company_id) as session:
            if await settings_queries.current(session) is None:
                raise NotFoundError
        auth_token = body.auth_token.get_secret_value()
    else:
        kept = await stored_credentials(request, caller)
        if kept.account_sid != body.account_sid:
            raise TokenNeededError
        auth_token = kept.auth_token
    async with service(request, TwilioGateway).account(body.account_sid, auth_token) as account:
        new, listing = await _look(account, body, auth_token)
        async with tenancy.tenant(caller.company_id) as session:
            settings, intake = await actions.replace(
                session, keyring=keyring, actor=actor_of(caller), new=new, listing=listing, kept=kept
            )
        shown = ConnectedAnswer.about(settings, service(request, TwilioGateway))
        return await _finish(
            request, caller, account, listing=listing, shown=shown, intake=intake, set_webhooks=body.set_webhooks
        )


@router.delete("", status_code=204)
async def disconnect(caller: OwnAdmin, session: TenantDB) -> None:
    """Forget the account and its token. Numbers are released, history stays, waiting texts are refused.

    Nothing is changed at Twilio.
    """
    await actions.disconnect(session, actor=actor_of(caller))


@router.post("/webhooks")
async def set_webhooks(request: Request, caller: Admin) -> WebhooksAnswer:
    """Point the inbound texts and calls of all active numbers here, at Twilio; says what became of each."""
    credentials = await stored_credentials(request, caller)
    async with reach(request, caller, credentials) as account:
        listing = await actions.list_numbers(account, credentials.account_sid)
        outcomes = await _point(request, caller, account, listing)
    async with service(request, Tenancy).tenant(caller.company_id) as session:
        settings = await settings_queries.current(session)
    return WebhooksAnswer(
        webhooks_set_at=None if settings is None else settings.webhooks_set_at,
        webhook_outcomes=[WebhookOutcomeAnswer.of(outcome) for outcome in outcomes],
    )


@router.get("/phone-numbers")
async def list_at_twilio(request: Request, caller: Admin) -> NumbersAtTwilioAnswer:
    """What the account has at Twilio right now, and where each number stands: here, new, or held elsewhere."""
    credentials = await stored_credentials(request, caller)
    async with reach(request, caller, credentials) as account:
        listing = await actions.list_numbers(account, credentials.account_sid)
    tenancy = service(request, Tenancy)
    async with tenancy.tenant(caller.company_id) as session:
        here = await queries.ids_by_number(session)
    async with tenancy.platform() as platform_session:
        others = await queries.held_by_others(
            platform_session,
            company_id=caller.company_id,
            account_sid=listing.account_sid,
            phone_numbers=[info.phone_number for info in listing.numbers],
        )
    inbound_url = service(request, TwilioGateway).webhook_url(credentials.webhook_path, "inbound")
    return NumbersAtTwilioAnswer(
        items=[
            NumberAtTwilioAnswer.about(
                info,
                here.get(info.phone_number),
                held_elsewhere=info.phone_number in others,
                inbound_url=inbound_url,
            )
            for info in listing.numbers
        ]
    )


async def _look(
    account: TwilioAccount, body: ConnectBody | ReplaceBody, auth_token: str
) -> tuple[NewConnection, Listing]:
    """Ask Twilio about the account and its numbers."""
    checked_at = utc_now()
    info = await settings_actions.check_account(account)
    listing = await actions.list_numbers(account, body.account_sid)
    new = NewConnection(
        account_sid=body.account_sid,
        auth_token=auth_token,
        friendly_name=body.friendly_name,
        account=info,
        checked_at=checked_at,
    )
    return new, listing


async def _finish(
    request: Request,
    caller: Caller,
    account: TwilioAccount,
    *,
    listing: Listing,
    shown: ConnectedAnswer,
    intake: Intake,
    set_webhooks: bool,
) -> ConnectAnswer:
    """Point the webhooks here if that was asked for; the connection is stored by then, whatever comes of it."""
    if not set_webhooks:
        return ConnectAnswer.made(shown, intake, None)
    outcomes = await _point(request, caller, account, listing)
    async with service(request, Tenancy).tenant(caller.company_id) as session:
        settings = await settings_queries.current(session)
        if settings is not None:
            shown = ConnectedAnswer.about(settings, service(request, TwilioGateway))
    return ConnectAnswer.made(shown, intake, outcomes)


async def _point(request: Request, caller: Caller, account: TwilioAccount, listing: Listing) -> list[WebhookOutcome]:
    """Point the active numbers here between two transactions. Raises NotConnectedError if disconnected meanwhile."""
    tenancy = service(request, Tenancy)
    async with tenancy.tenant(caller.company_id) as session:
        settings = await settings_queries.current(session)
        numbers = await queries.active(session)
    if settings is None:
        raise NotFoundError
    gateway, path = service(request, TwilioGateway), settings.webhook_path
    addresses = Addresses(
        inbound=gateway.webhook_url(path, "inbound"),
        voice=gateway.webhook_url(path, "voice"),
        call_status=gateway.webhook_url(path, "call-status"),
    )
    outcomes = await actions.point_here(account, numbers, listing, addresses=addresses)
    async with tenancy.tenant(caller.company_id) as session:
        await actions.store_webhooks(
            session,
            account_sid=listing.account_sid,
            outcomes=outcomes,
            inbound_url=addresses.inbound,
            actor=actor_of(caller),
        )
    return outcomes
