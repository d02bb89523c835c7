"""Who is calling: company and rights come from the credential, re-read for every request, never from the request."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Request

from ringfence.errors import ForbiddenError
from ringfence.tenancy.sessions import PlatformSession, Tenancy, TenantSession
from ringfence.web.services import service


class Level(IntEnum):
    """What a caller may do; each level includes those below. Roles and API key scopes both map onto it."""

    READ = 0
    SEND = 1
    MANAGE = 2
    ADMIN = 3


LEVEL_OF_ROLE = {"agent": Level.SEND, "manager": Level.MANAGE, "company_admin": Level.ADMIN}
LEVEL_OF_SCOPE = {"read": Level.READ, "send": Level.SEND, "manage": Level.MANAGE, "admin": Level.ADMIN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A person or key of one company."""

    company_id: UUID
    kind: Literal["user", "api_key"]
    id: UUID
    name: str
    level: Level
    role: str | None
    session_id: UUID | None
    request_id: str
    address: str

    @property
    def user_id(self) -> UUID | None:
        """The person's id, None for an API key."""
        return self.id if self.kind == "user" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformCaller:
    """A super admin: no company, no content."""

    id: UUID
    name: str
    session_id: UUID
    request_id: str
    address: str


Authenticate = Callable[[Request], Awaitable[Caller | PlatformCaller]]


async def any_caller(request: Request) -> Caller | PlatformCaller:
    """Whoever the credential names. Raises UnauthenticatedError."""
    authenticate: Authenticate = request.app.state.authenticate
    return await authenticate(request)


def _at_least(level: Level) -> Callable[[Caller | PlatformCaller], Awaitable[Caller]]:
    async def require(caller: Annotated[Caller | PlatformCaller, Depends(any_caller)]) -> Caller:
        if isinstance(caller, PlatformCaller):
            raise ForbiddenError("platform_only", "A super admin belongs to no company and sees no company's data.")
        if caller.level < level:
            raise ForbiddenError
        return caller

    return require


async def _platform_caller(caller: Annotated[Caller | PlatformCaller, Depends(any_caller)]) -> PlatformCaller:
    if not isinstance(caller, PlatformCaller):
        raise ForbiddenError
    return caller


AnyCaller = Annotated[Caller | PlatformCaller, Depends(any_caller)]
Reader = Annotated[Caller, Depends(_at_least(Level.READ))]
Sender = Annotated[Caller, Depends(_at_least(Level.SEND))]
Manager = Annotated[Caller, Depends(_at_least(Level.MANAGE))]
Admin = Annotated[Caller, Depends(_at_least(Level.ADMIN))]
SuperAdmin = Annotated[PlatformCaller, Depends(_platform_caller)]


async def _tenant_session(request: Request, caller: Reader) -> AsyncIterator[TenantSession]:
    async with service(request, Tenancy).tenant(caller.company_id) as session:
        yield session


async def _platform_session(request: Request, _caller: SuperAdmin) -> AsyncIterator[PlatformSession]:
    async with service(request, Tenancy).platform() as session:
        yield session


# scope="function": the commit comes before the response, so that a failing commit is an error answer.
TenantDB = Annotated[TenantSession, Depends(_tenant_session, scope="function")]
PlatformDB = Annotated[PlatformSession, Depends(_platform_session, scope="function")]
