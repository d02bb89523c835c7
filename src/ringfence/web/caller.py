"""Who is calling: company and rights come from the credential, re-read for every request, never from the request."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Annotated, Literal, Protocol
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
    """A person or key of one company, or a super admin who has entered it (`platform`)."""

    company_id: UUID
    kind: Literal["user", "api_key", "platform"]
    id: UUID
    name: str
    level: Level
    role: str | None
    session_id: UUID | None
    request_id: str
    address: str

    @property
    def user_id(self) -> UUID | None:
        """The person's id; None for an API key and for a super admin."""
        return self.id if self.kind == "user" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A super admin's stay in a company: why, and until when (aware, UTC)."""

    company_id: UUID
    company_name: str
    reason: str
    started_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformCaller:
    """A super admin: no company and no content, unless they have entered one and their time there is not over."""

    id: UUID
    name: str
    session_id: UUID
    request_id: str
    address: str
    visit: Visit | None

    def inside(self) -> Caller:
        """The same super admin as a caller of the company they have entered. Raises ForbiddenError outside of one."""
        if self.visit is None:
            raise ForbiddenError("platform_only", "A super admin belongs to no company and sees no company's data.")
        return Caller(
            company_id=self.visit.company_id,
            kind="platform",
            id=self.id,
            name=self.name,
            level=Level.ADMIN,
            role=None,
            session_id=self.session_id,
            request_id=self.request_id,
            address=self.address,
        )


class Authenticate(Protocol):
    """What stands behind every route; the users room has it."""

    async def __call__(self, request: Request) -> Caller | PlatformCaller:
        """Whoever the credential names. Raises UnauthenticatedError."""
        ...

    async def note_visit(self, request: Request, visit: Visit, caller: Caller) -> None:
        """Write down in the company's own log what a visiting super admin is about to see or do."""
        ...


async def any_caller(request: Request) -> Caller | PlatformCaller:
    """Whoever the credential names. Raises UnauthenticatedError."""
    authenticate: Authenticate = request.app.state.authenticate
    return await authenticate(request)


def _at_least(level: Level) -> Callable[[Request, Caller | PlatformCaller], Awaitable[Caller]]:
    async def require(request: Request, caller: Annotated[Caller | PlatformCaller, Depends(any_caller)]) -> Caller:
        if isinstance(caller, PlatformCaller):
            return await _visitor(request, caller)
        if caller.level < level:
            raise ForbiddenError
        return caller

    return require


async def _visitor(request: Request, caller: PlatformCaller) -> Caller:
    """A super admin inside a company; written down once a request, in a transaction before the request's own."""
    inside = caller.inside()
    if caller.visit is not None and not getattr(request.state, "visit_noted", False):
        authenticate: Authenticate = request.app.state.authenticate
        await authenticate.note_visit(request, caller.visit, inside)
        request.state.visit_noted = True
    return inside


async def _own_admin(caller: Annotated[Caller | PlatformCaller, Depends(any_caller)]) -> Caller:
    own = caller.inside() if isinstance(caller, PlatformCaller) else caller
    refuse_visitor(own)
    if own.level < Level.ADMIN:
        raise ForbiddenError
    return own


def refuse_visitor(caller: Caller) -> None:
    """Raise ForbiddenError (`visiting`) for a super admin inside the company: its people, keys and credentials stay."""
    if caller.kind == "platform":
        raise ForbiddenError(
            "visiting", "Whoever has entered a company does not change its people, keys, webhooks or credentials."
        )


async def _platform_caller(caller: Annotated[Caller | PlatformCaller, Depends(any_caller)]) -> PlatformCaller:
    if not isinstance(caller, PlatformCaller):
        raise ForbiddenError
    return caller


AnyCaller = Annotated[Caller | PlatformCaller, Depends(any_caller)]
Reader = Annotated[Caller, Depends(_at_least(Level.READ))]
Sender = Annotated[Caller, Depends(_at_least(Level.SEND))]
Manager = Annotated[Caller, Depends(_at_least(Level.MANAGE))]
Admin = Annotated[Caller, Depends(_at_least(Level.ADMIN))]
# For what would outlast a visit: people, keys and credentials are changed by the company's own admins only.
OwnAdmin = Annotated[Caller, Depends(_own_admin)]
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
