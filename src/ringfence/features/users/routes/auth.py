"""`/api/auth`: log in, log out, who am I."""

from fastapi import APIRouter, Request, Response

from ringfence.errors import ForbiddenError, UnauthenticatedError
from ringfence.features.audit_log.values import platform_actor_of
from ringfence.features.companies.queries import own_company
from ringfence.features.users import actions, queries
from ringfence.features.users.actions import visits
from ringfence.features.users.model import PlatformUser, User
from ringfence.features.users.queries import Found
from ringfence.features.users.routes.answers import (
    answer_api_key,
    answer_platform_user,
    answer_user,
    clear_cookies,
    set_cookies,
)
from ringfence.features.users.routes.authenticator import client_address
from ringfence.features.users.schemas import Login, Me
from ringfence.features.users.values import AccountPolicy, PasswordHasher, login_name
from ringfence.kit.ids import new_id
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import AnyCaller, PlatformCaller
from ringfence.web.services import service

router = APIRouter(prefix="/api/auth", tags=["log-in"])


@router.post("/login")
async def log_in(request: Request, response: Response, body: Login) -> Me:
    """Log in with e-mail and password; sets the session cookie.

    After 10 failures for an e-mail from one address within 15 minutes that address has to wait. An unknown e-mail
    and a wrong password give the same answer for the same work.
    """
    tenancy = service(request, Tenancy)
    email_norm, address = login_name(body.email), client_address(request)
    async with tenancy.platform() as directory:
        await actions.count_login_attempt(directory, email_norm=email_norm, address=address)
    person = await _find(tenancy, email_norm)
    password = body.password.get_secret_value()
    is_right = await service(request, PasswordHasher).verify(person.password_hash if person else None, password)
    if person is None or not is_right:
        raise UnauthenticatedError("bad_credentials", "The e-mail or the password is wrong.")
    async with tenancy.platform() as directory:
        await actions.clear_login_failures(directory, email_norm=email_norm, address=address)
    if isinstance(person, PlatformUser):
        me, token = await _open_platform_session(request, person)
    else:
        me, token = await _open_session(request, person)
    set_cookies(response, service(request, AccountPolicy), token=token, csrf=me.csrf_token)
    return me


@router.post("/logout", status_code=204)
async def log_out(request: Request, response: Response, caller: AnyCaller) -> None:
    """End the session of this cookie. API keys have none; they are revoked instead."""
    tenancy = service(request, Tenancy)
    if caller.session_id is None:
        raise ForbiddenError("no_session", "An API key has no session to end; revoke the key instead.")
    if isinstance(caller, PlatformCaller):
        async with tenancy.platform() as directory:
            # The visit it is on ends with the session.
            await actions.close_platform_session(directory, session_id=caller.session_id)
        if caller.visit is not None:
            async with tenancy.tenant(caller.visit.company_id) as session:
                visits.note_leaving(session, actor=platform_actor_of(caller))
    else:
        async with tenancy.tenant(caller.company_id) as session:
            await actions.close_session(session, session_id=caller.session_id)
    clear_cookies(response, service(request, AccountPolicy))


@router.get("/me")
async def me(request: Request, caller: AnyCaller) -> Me:
    """Who is calling, their company and level, and the CSRF token of the session."""
    tenancy, keyring = service(request, Tenancy), service(request, Keyring)
    if isinstance(caller, PlatformCaller):
        async with tenancy.platform() as directory:
            user = await queries.platform_user(directory, caller.id)
        return answer_platform_user(user, keyring, caller.session_id, caller.visit)
    async with tenancy.tenant(caller.company_id) as session:
        if caller.session_id is None:
            return await answer_api_key(session, await queries.api_key(session, caller.id))
        return await answer_user(session, await queries.user(session, caller.id), keyring, caller.session_id)


async def _find(tenancy: Tenancy, email_norm: str) -> PlatformUser | User | None:
    async with tenancy.platform() as directory:
        platform_user = await queries.find_platform_user(directory, email_norm)
        found = await queries.find_login(directory, email_norm)
    # An e-mail nobody has asks a company nobody has, so that both ways cost the same.
    asked = found or Found(new_id(), new_id())
    async with tenancy.tenant(asked.company_id) as session:
        user = await queries.user_or_none(session, asked.id)
    return platform_user or user


async def _open_platform_session(request: Request, user: PlatformUser) -> tuple[Me, str]:
    _require_active(user.status, "your log-in")
    async with service(request, Tenancy).platform() as directory:
        opened, token = await actions.open_platform_session(
            directory, user=user, lifetime=service(request, AccountPolicy).session_lifetime
        )
    return answer_platform_user(user, service(request, Keyring), opened.id), token


async def _open_session(request: Request, person: User) -> tuple[Me, str]:
    async with service(request, Tenancy).tenant(person.company_id) as session:
        # Read again: hashing took a while.
        user = await queries.user(session, person.id)
        _require_active(user.status, "your log-in")
        _require_active((await own_company(session)).status, "your company")
        opened, token = await actions.open_session(
            session, user=user, lifetime=service(request, AccountPolicy).session_lifetime
        )
        return await answer_user(session, user, service(request, Keyring), opened.id), token


def _require_active(status: str, whose: str) -> None:
    """Said only to somebody who has the right password."""
    if status != "active":
        raise ForbiddenError("suspended", f"Access is suspended for {whose}; ask an administrator.")
