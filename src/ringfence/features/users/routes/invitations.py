"""`/api/invitations` for company admins, and the one route that a link leads to."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response

from ringfence.features.audit_log.values import actor_of
from ringfence.features.users import actions, queries
from ringfence.features.users.model import Invitation
from ringfence.features.users.routes.answers import answer_user, set_cookies
from ringfence.features.users.routes.authenticator import client_address, request_id
from ringfence.features.users.schemas import AcceptInvitation, InvitationAnswer, Invite, Me, NewInvitationAnswer
from ringfence.features.users.values import AccountPolicy, PasswordHasher, check_password, parse_email
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.kit.secret import token_hash
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import Admin, OwnAdmin, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/invitations", tags=["invitations"])
acceptance = APIRouter(prefix="/api/auth/invitations", tags=["log-in"])


@router.get("")
async def list_invitations(
    request: Request, caller: Admin, session: TenantDB, limit: PageLimit = DEFAULT_PAGE, cursor: PageCursor = None
) -> Page[InvitationAnswer]:
    """The company's invitations in any state, newest first."""
    cursors = Cursors(service(request, Keyring), caller.company_id, "invitations")
    found = await queries.list_invitations(session, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(found, limit, lambda item: Position(item.created_at, item.id))
    now = utc_now()
    return Page(items=[_answer(invitation, now) for invitation in page], next_cursor=next_cursor)


@router.post("", status_code=201)
async def invite(request: Request, caller: OwnAdmin, session: TenantDB, body: Invite) -> NewInvitationAnswer:
    """Invite an address to a role. This answer is the only one that shows the link.

    The link is also mailed if the server has a mail server. Earlier open invitations of the address end.
    """
    email = parse_email(body.email)
    async with service(request, Tenancy).platform() as directory:
        if await queries.is_email_taken(directory, email.norm):
            raise actions.email_taken()
    invitation, link = await actions.invite(
        session,
        actor=actor_of(caller),
        email=email,
        role=body.role,
        policy=service(request, AccountPolicy),
        keyring=service(request, Keyring),
    )
    return NewInvitationAnswer(**_answer(invitation, utc_now()).model_dump(), link=link)


@router.delete("/{invitation_id}", status_code=204)
async def revoke_invitation(caller: OwnAdmin, session: TenantDB, invitation_id: UUID) -> None:
    """Make a link useless; one that was used stays as it is."""
    await actions.revoke_invitation(session, actor=actor_of(caller), invitation_id=invitation_id)


@acceptance.post("/accept", status_code=201)
async def accept_invitation(request: Request, response: Response, body: AcceptInvitation) -> Me:
    """Become a person of the company that the link is of, and log in. The link works once."""
    tenancy, policy = service(request, Tenancy), service(request, AccountPolicy)
    async with tenancy.platform() as directory:
        found = await queries.find_invitation(directory, token_hash(body.token))
    if found is None:
        raise actions.invitation_invalid()
    async with tenancy.tenant(found.company_id) as session:
        invitation = await queries.open_invitation(session, found.id, now=utc_now())
    if invitation is None:
        raise actions.invitation_invalid()
    async with tenancy.platform() as directory:
        if await queries.is_email_taken(directory, invitation.email_norm):
            raise actions.email_taken()
    password = check_password(body.password.get_secret_value(), email=invitation.email)
    password_hash = await service(request, PasswordHasher).hash(password)
    async with tenancy.tenant(found.company_id) as session:
        user = await actions.accept_invitation(
            session,
            invitation_id=found.id,
            name=body.name,
            password_hash=password_hash,
            request_id=request_id(request),
            address=client_address(request),
        )
        opened, token = await actions.open_session(session, user=user, lifetime=policy.session_lifetime)
        me = await answer_user(session, user, service(request, Keyring), opened.id)
    set_cookies(response, policy, token=token, csrf=me.csrf_token)
    return me


def _answer(invitation: Invitation, now: datetime) -> InvitationAnswer:
    return InvitationAnswer.model_validate(
        {
            "status": _status(invitation, now),
            **{name: getattr(invitation, name) for name in InvitationAnswer.model_fields if name != "status"},
        }
    )


def _status(invitation: Invitation, now: datetime) -> Literal["open", "accepted", "revoked", "expired"]:
    if invitation.accepted_at is not None:
        return "accepted"
    if invitation.revoked_at is not None:
        return "revoked"
    return "open" if invitation.expires_at > now else "expired"
