"""`/api/auth/password-reset`: a new password by a mailed link; and the admin's way to send one."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from fastapi import APIRouter, Request

from ringfence.errors import ConflictError
from ringfence.features.audit_log.values import SYSTEM, Actor, actor_of
from ringfence.features.companies.queries import own_company
from ringfence.features.users import actions, queries
from ringfence.features.users.queries import Found
from ringfence.features.users.routes.authenticator import client_address, request_id
from ringfence.features.users.schemas import AskForReset, ResetAnswer, ResetAsked, UseReset
from ringfence.features.users.values import AccountPolicy, PasswordHasher, check_password, login_name
from ringfence.kit.clock import monotonic_seconds, utc_now
from ringfence.kit.keyring import Keyring
from ringfence.kit.secret import token_hash
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import OwnAdmin, TenantDB
from ringfence.web.services import service

router = APIRouter(prefix="/api/auth/password-reset", tags=["log-in"])
people = APIRouter(prefix="/api/users", tags=["users"])

# Well above what making a link takes, so that the time of the answer does not tell whether there was one to make.
ANSWER_SECONDS = 0.3


@router.post("", status_code=202)
async def ask_for_reset(request: Request, body: AskForReset) -> ResetAsked:
    """Mail a link to a new password to whoever logs in with this e-mail. The answer is the same for any e-mail.

    At most 3 mails to one e-mail in 15 minutes. A super admin gets none: `ringfence user reset-password` is for them.
    """
    tenancy, policy = service(request, Tenancy), service(request, AccountPolicy)
    if not policy.mails_invitations:
        raise ConflictError("no_mail", "This server sends no mail; ask a company admin for a link.")
    email_norm, address = login_name(body.email), client_address(request)
    async with _constant_time():
        async with tenancy.platform() as directory:
            may_mail = await actions.count_reset_request(directory, email_norm=email_norm, address=address)
            found = await queries.find_login(directory, email_norm)
        if found is not None and may_mail:
            await _send(request, found)
    return ResetAsked()


@router.post("/confirm", status_code=204)
async def use_reset(request: Request, body: UseReset) -> None:
    """Set a new password with the part of the link after `#`. Works once; all the person's sessions end."""
    tenancy = service(request, Tenancy)
    async with tenancy.platform() as directory:
        found = await queries.find_password_reset(directory, token_hash(body.token))
    if found is None:
        raise actions.reset_invalid()
    async with tenancy.tenant(found.company_id) as session:
        row = await queries.open_password_reset(session, found.id, now=utc_now())
    if row is None:
        raise actions.reset_invalid()
    password = check_password(body.password.get_secret_value(), email=row[1].email)
    password_hash = await service(request, PasswordHasher).hash(password)
    address = client_address(request)
    async with tenancy.tenant(found.company_id) as session:
        user = await actions.use_reset(
            session, reset_id=found.id, password_hash=password_hash, request_id=request_id(request), address=address
        )
    async with tenancy.platform() as directory:
        await actions.clear_login_failures(directory, email_norm=user.email_norm, address=address)


@people.post("/{user_id}/password-reset", status_code=201)
async def send_reset(request: Request, caller: OwnAdmin, session: TenantDB, user_id: UUID) -> ResetAnswer:
    """Send a person a link to a new password. Where the server sends no mail the answer shows the link, once."""
    user = await queries.user(session, user_id)
    if user.status != "active":
        raise ConflictError("suspended", "Access is suspended for this person; make them active first.")
    policy = service(request, AccountPolicy)
    reset, link = await actions.send_reset(
        session, actor=actor_of(caller), user=user, policy=policy, keyring=service(request, Keyring)
    )
    mailed = policy.mails_invitations
    return ResetAnswer(expires_at=reset.expires_at, mailed=mailed, link=None if mailed else link)


async def _send(request: Request, found: Found) -> None:
    actor = Actor(
        kind="system", id=None, name=SYSTEM.name, request_id=request_id(request), address=client_address(request)
    )
    async with service(request, Tenancy).tenant(found.company_id) as session:
        user = await queries.user_or_none(session, found.id)
        if user is not None and user.status == "active" and (await own_company(session)).status == "active":
            await actions.send_reset(
                session,
                actor=actor,
                user=user,
                policy=service(request, AccountPolicy),
                keyring=service(request, Keyring),
            )


@asynccontextmanager
async def _constant_time() -> AsyncGenerator[None]:
    started = monotonic_seconds()
    yield
    await asyncio.sleep(max(0.0, started + ANSWER_SECONDS - monotonic_seconds()))
