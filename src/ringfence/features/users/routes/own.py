"""`PATCH /api/auth/me`: what people change about themselves."""

from uuid import UUID

from fastapi import APIRouter, Request

from ringfence.errors import ForbiddenError
from ringfence.features.audit_log.values import actor_of
from ringfence.features.users import actions, queries
from ringfence.features.users.model import PlatformUser, User
from ringfence.features.users.routes.answers import answer_platform_user, answer_user
from ringfence.features.users.routes.authenticator import client_address
from ringfence.features.users.schemas import ChangeMe, Me
from ringfence.features.users.values import PasswordHasher, check_password
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import AnyCaller, Caller, PlatformCaller
from ringfence.web.services import service

router = APIRouter(prefix="/api/auth", tags=["log-in"])


@router.patch("/me")
async def change_me(request: Request, caller: AnyCaller, body: ChangeMe) -> Me:
    """Change one's own name, or one's password given the current one; all other sessions then end.

    A wrong current password counts like a failed log-in.
    """
    if isinstance(caller, PlatformCaller):
        return await _change_platform_user(request, caller, body)
    if caller.user_id is None or caller.session_id is None:
        raise ForbiddenError("no_person", "An API key is nobody's own; log in as the person instead.")
    return await _change_user(request, caller, caller.session_id, body)


async def _change_user(request: Request, caller: Caller, session_id: UUID, body: ChangeMe) -> Me:
    tenancy, keyring = service(request, Tenancy), service(request, Keyring)
    async with tenancy.tenant(caller.company_id) as session:
        person = await queries.user(session, caller.id)
    password_hash = await _new_hash(request, person, body)
    async with tenancy.tenant(caller.company_id) as session:
        user = await queries.user(session, caller.id)
        await actions.change_user(session, actor=actor_of(caller), user=user, name=body.name)
        if password_hash is not None:
            await actions.set_password(
                session,
                actor=actor_of(caller),
                user=user,
                password_hash=password_hash,
                keep_session=session_id,
            )
        return await answer_user(session, user, keyring, session_id)


async def _change_platform_user(request: Request, caller: PlatformCaller, body: ChangeMe) -> Me:
    tenancy = service(request, Tenancy)
    async with tenancy.platform() as directory:
        person = await queries.platform_user(directory, caller.id)
    password_hash = await _new_hash(request, person, body)
    async with tenancy.platform() as directory:
        user = await queries.platform_user(directory, caller.id)
        await actions.change_platform_user(
            directory, user=user, name=body.name, password_hash=password_hash, keep_session=caller.session_id
        )
        return answer_platform_user(user, service(request, Keyring), caller.session_id, caller.visit)


async def _new_hash(request: Request, person: User | PlatformUser, body: ChangeMe) -> str | None:
    """The hash of the new password, if one is given and the current one is right."""
    if body.new_password is None or body.current_password is None:
        return None
    new = check_password(body.new_password.get_secret_value(), email=person.email)
    tenancy, hasher = service(request, Tenancy), service(request, PasswordHasher)
    attempt = {"email_norm": person.email_norm, "address": client_address(request)}
    async with tenancy.platform() as directory:
        await actions.count_login_attempt(directory, **attempt)
    if not await hasher.verify(person.password_hash, body.current_password.get_secret_value()):
        raise ForbiddenError("wrong_password", "The current password is wrong.")
    async with tenancy.platform() as directory:
        await actions.clear_login_failures(directory, **attempt)
    return await hasher.hash(new)
