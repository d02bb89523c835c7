"""From a request's credential to its caller, read anew for every request."""

from uuid import UUID

from starlette.requests import Request

from ringfence.errors import ForbiddenError, UnauthenticatedError
from ringfence.features.audit_log.values import actor_of
from ringfence.features.companies.model import Company
from ringfence.features.users import actions, queries
from ringfence.features.users.actions import visits
from ringfence.features.users.model import CompanyVisit
from ringfence.features.users.values import KEY_PREFIX, PLATFORM_SESSION_PREFIX, SESSION_PREFIX
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.kit.secret import token_hash
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import LEVEL_OF_ROLE, LEVEL_OF_SCOPE, Authenticate, Caller, PlatformCaller, Visit

SESSION_COOKIE = "ringfence_session"
CSRF_COOKIE = "ringfence_csrf"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def make_authenticator(tenancy: Tenancy, keyring: Keyring) -> Authenticate:
    """What the API door puts at `app.state.authenticate`."""
    return Authenticator(tenancy, keyring)


class Authenticator:
    """Knows a caller by API key or session cookie; a request with both is the key's.

    The directory leads to the company; there person, key, session and company are read again in one transaction,
    so suspension, a new role, revocation and expiry hold from the next request on. Every failure looks the same.
    """

    def __init__(self, tenancy: Tenancy, keyring: Keyring) -> None:
        self._tenancy = tenancy
        self._keyring = keyring

    async def __call__(self, request: Request) -> Caller | PlatformCaller:
        """Who is calling. Raises UnauthenticatedError, and ForbiddenError for a cookie without its CSRF header."""
        authorization = request.headers.get("authorization")
        if authorization is not None:
            return await self._by_key(request, authorization)
        cookie = request.cookies.get(SESSION_COOKIE, "")
        caller: Caller | PlatformCaller
        if cookie.startswith(SESSION_PREFIX):
            caller = await self._by_session(request, cookie)
        elif cookie.startswith(PLATFORM_SESSION_PREFIX):
            caller = await self._by_platform_session(request, cookie)
        else:
            raise UnauthenticatedError
        if request.method not in SAFE_METHODS:
            self._require_csrf(request, caller.session_id)
        return caller

    async def _by_key(self, request: Request, authorization: str) -> Caller:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.startswith(KEY_PREFIX):
            raise UnauthenticatedError
        async with self._tenancy.platform() as directory:
            found = await queries.find_api_key(directory, token_hash(key))
        if found is None:
            raise UnauthenticatedError
        async with self._tenancy.tenant(found.company_id) as session:
            row = await queries.live_api_key(session, found.id)
        if row is None:
            raise UnauthenticatedError
        if actions.is_use_worth_noting(row):
            # A transaction of its own, so that the request's locks and failures do not touch it.
            async with self._tenancy.tenant(found.company_id) as session:
                await actions.note_api_key_use(session, key_id=row.id)
        return Caller(
            company_id=found.company_id,
            kind="api_key",
            id=row.id,
            name=row.name,
            level=LEVEL_OF_SCOPE[row.scope],
            role=None,
            session_id=None,
            request_id=request_id(request),
            address=client_address(request),
        )

    async def _by_session(self, request: Request, cookie: str) -> Caller:
        async with self._tenancy.platform() as directory:
            found = await queries.find_session(directory, token_hash(cookie))
        if found is None:
            raise UnauthenticatedError
        async with self._tenancy.tenant(found.company_id) as session:
            user = await queries.live_session(session, found.id, now=utc_now())
        if user is None:
            raise UnauthenticatedError
        return Caller(
            company_id=found.company_id,
            kind="user",
            id=user.id,
            name=user.name,
            level=LEVEL_OF_ROLE[user.role],
            role=user.role,
            session_id=found.id,
            request_id=request_id(request),
            address=client_address(request),
        )

    async def _by_platform_session(self, request: Request, cookie: str) -> PlatformCaller:
        async with self._tenancy.platform() as directory:
            row = await queries.live_platform_session(directory, token_hash(cookie), now=utc_now())
        if row is None:
            raise UnauthenticatedError
        opened, user, visit, company = row
        return PlatformCaller(
            id=user.id,
            name=user.name,
            session_id=opened.id,
            request_id=request_id(request),
            address=client_address(request),
            visit=_visit(visit, company),
        )

    async def note_visit(self, request: Request, visit: Visit, caller: Caller) -> None:
        """Write down in the company's log what a visiting super admin is about to see or do."""
        async with self._tenancy.tenant(visit.company_id) as session:
            await visits.note_request(
                session,
                actor=actor_of(caller),
                method=request.method,
                path=request.url.path,
                reads=request.method in SAFE_METHODS,
                since=visit.started_at,
            )

    def _require_csrf(self, request: Request, session_id: UUID | None) -> None:
        given = request.headers.get(CSRF_HEADER, "")
        if not self._keyring.verify(given, "csrf", str(session_id)):
            raise ForbiddenError("csrf", f"Send the header {CSRF_HEADER}; its value is csrf_token of GET /api/auth/me.")


def _visit(visit: CompanyVisit | None, company: Company | None) -> Visit | None:
    if visit is None or company is None:
        return None
    return Visit(
        company_id=company.id,
        company_name=company.name,
        reason=visit.reason,
        started_at=visit.started_at,
        expires_at=visit.expires_at,
    )


def csrf_token(keyring: Keyring, session_id: UUID) -> str:
    """What a page must send with every unsafe request of a session."""
    return keyring.sign("csrf", str(session_id))


def client_address(request: Request) -> str:
    """The address the connection came from, or the one that a proxy of TRUSTED_PROXIES forwards for.

    Nobody else's forwarding headers are believed: anybody can send them.
    """
    return request.client.host if request.client else "unknown"


def request_id(request: Request) -> str:
    """The id the middleware gave the request."""
    return str(request.scope.get("request_id", ""))
