"""What log-in, acceptance and `me` answer, and the cookies that go with it."""

from uuid import UUID

from fastapi import Response

from ringfence.features.companies.queries import own_company
from ringfence.features.users.model import APIKey, PlatformUser, User
from ringfence.features.users.routes.authenticator import CSRF_COOKIE, SESSION_COOKIE, csrf_token
from ringfence.features.users.schemas import CompanyName, Me, VisitAnswer
from ringfence.features.users.values import AccountPolicy
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.caller import LEVEL_OF_ROLE, LEVEL_OF_SCOPE, Level, Visit


async def answer_user(session: TenantSession, user: User, keyring: Keyring, session_id: UUID) -> Me:
    """A person with their company."""
    return Me.model_validate(
        {
            "kind": "user",
            "id": user.id,
            "name": user.name,
            "email": user.email,
            "role": user.role,
            "level": _level(LEVEL_OF_ROLE[user.role]),
            "company": CompanyName.of(await own_company(session)),
            "csrf_token": csrf_token(keyring, session_id),
        }
    )


async def answer_api_key(session: TenantSession, key: APIKey) -> Me:
    """A key with its company."""
    return Me.model_validate(
        {
            "kind": "api_key",
            "id": key.id,
            "name": key.name,
            "email": None,
            "role": None,
            "level": _level(LEVEL_OF_SCOPE[key.scope]),
            "company": CompanyName.of(await own_company(session)),
            "csrf_token": None,
        }
    )


def answer_platform_user(user: PlatformUser, keyring: Keyring, session_id: UUID, visit: Visit | None = None) -> Me:
    """A super admin, who belongs to no company, but may be inside one."""
    inside = answer_visit(visit) if visit else None
    return Me(
        kind="platform_user",
        id=user.id,
        name=user.name,
        email=user.email,
        role="super_admin",
        level="admin" if inside else None,
        company=inside.company if inside else None,
        csrf_token=csrf_token(keyring, session_id),
        visit=inside,
    )


def answer_visit(visit: Visit) -> VisitAnswer:
    """The company a super admin is inside, why, and until when."""
    return VisitAnswer(
        company=CompanyName(id=visit.company_id, name=visit.company_name),
        reason=visit.reason,
        started_at=visit.started_at,
        expires_at=visit.expires_at,
    )


def set_cookies(response: Response, policy: AccountPolicy, *, token: str, csrf: str | None) -> None:
    """Set the session cookie, which scripts cannot read, and the CSRF cookie, which they must."""
    seconds = int(policy.session_lifetime.total_seconds())
    for name, value, hidden in ((SESSION_COOKIE, token, True), (CSRF_COOKIE, csrf or "", False)):
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=policy.cookie_secure, httponly=hidden, samesite="lax"
        )


def clear_cookies(response: Response, policy: AccountPolicy) -> None:
    """Take both cookies back."""
    for name, hidden in ((SESSION_COOKIE, True), (CSRF_COOKIE, False)):
        response.delete_cookie(name, path="/", secure=policy.cookie_secure, httponly=hidden, samesite="lax")


def _level(level: Level) -> str:
    return level.name.lower()
