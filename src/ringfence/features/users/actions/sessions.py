"""Log-ins: counting failures, opening and closing sessions. Cookies are stored as hashes only."""

from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

from sqlalchemy import delete, func, select, update

from ringfence.errors import TooManyRequestsError
from ringfence.features.users.model import (
    DirectorySession,
    LoginFailure,
    PlatformUser,
    PlatformUserSession,
    User,
    UserSession,
)
from ringfence.features.users.values import PLATFORM_SESSION_PREFIX, SESSION_PREFIX
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.secret import new_token, token_hash
from ringfence.tenancy.sessions import PlatformSession, TenantSession

FAILURES_ALLOWED = 10
FAILURE_WINDOW = timedelta(minutes=15)
FAILURES_KEPT = timedelta(days=1)
PRUNE_BATCH = 100


async def count_login_attempt(session: PlatformSession, *, email_norm: str, address: str) -> None:
    """Count one attempt for this e-mail from this address, before its password is looked at.

    It counts as a failure until `clear_login_failures` takes it back, so attempts sent at once cannot slip past
    the limit. Raises TooManyRequestsError after 10 in 15 minutes, the same for e-mails nobody has.
    """
    now = utc_now()
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{address}\n{email_norm}", 0))))
    recent = (
        await session.scalars(
            select(LoginFailure.failed_at)
            .where(
                LoginFailure.email_norm == email_norm,
                LoginFailure.address == address,
                LoginFailure.failed_at > now - FAILURE_WINDOW,
            )
            .order_by(LoginFailure.failed_at.desc())
            .limit(FAILURES_ALLOWED)
        )
    ).all()
    if len(recent) == FAILURES_ALLOWED:
        wait = ceil((recent[-1] + FAILURE_WINDOW - now).total_seconds())
        raise TooManyRequestsError(
            "too_many_failures",
            "Too many failed log-ins for this e-mail from here; try again later.",
            {"retry_after_seconds": max(1, wait)},
        )
    session.add(LoginFailure(id=new_id(), email_norm=email_norm, address=address, failed_at=now))
    await _prune(session, before=now - FAILURES_KEPT)


async def clear_login_failures(session: PlatformSession, *, email_norm: str, address: str) -> None:
    """Forget the failures for this e-mail from this address: the right password came."""
    await session.execute(
        delete(LoginFailure).where(LoginFailure.email_norm == email_norm, LoginFailure.address == address)
    )


async def open_session(session: TenantSession, *, user: User, lifetime: timedelta) -> tuple[UserSession, str]:
    """Open a session for a person; the cookie's value is returned and stored nowhere. Clears their expired ones."""
    now = utc_now()
    await session.execute(
        delete(UserSession).where(
            UserSession.company_id == session.company_id,
            UserSession.user_id == user.id,
            UserSession.expires_at < now,
        )
    )
    token = new_token(SESSION_PREFIX)
    opened = UserSession(id=new_id(), user_id=user.id, created_at=now, expires_at=now + lifetime)
    session.add(opened)
    user.last_login_at = now
    await session.flush()
    session.add(DirectorySession(token_hash=token_hash(token), session_id=opened.id))
    await session.flush()
    return opened, token


async def open_platform_session(
    session: PlatformSession, *, user: PlatformUser, lifetime: timedelta
) -> tuple[PlatformUserSession, str]:
    """Open a session for a super admin; the cookie's value is returned and stored nowhere."""
    now = utc_now()
    await session.execute(
        delete(PlatformUserSession).where(
            PlatformUserSession.platform_user_id == user.id, PlatformUserSession.expires_at < now
        )
    )
    token = new_token(PLATFORM_SESSION_PREFIX)
    opened = PlatformUserSession(
        token_hash=token_hash(token), id=new_id(), platform_user_id=user.id, created_at=now, expires_at=now + lifetime
    )
    session.add(opened)
    await session.flush()
    return opened, token


async def close_session(session: TenantSession, *, session_id: UUID) -> None:
    """End one session; its cookie leads nowhere from now on."""
    await session.execute(
        delete(DirectorySession).where(
            DirectorySession.company_id == session.company_id, DirectorySession.session_id == session_id
        )
    )
    await session.execute(
        update(UserSession)
        .where(UserSession.company_id == session.company_id, UserSession.id == session_id)
        .values(revoked_at=utc_now())
    )


async def close_platform_session(session: PlatformSession, *, session_id: UUID) -> None:
    """End one super admin's session."""
    await session.execute(delete(PlatformUserSession).where(PlatformUserSession.id == session_id))


async def _prune(session: PlatformSession, *, before: datetime) -> None:
    # Each attempt adds one row and takes up to a hundred old ones away, so the table cannot grow for ever.
    old = select(LoginFailure.id).where(LoginFailure.failed_at < before).limit(PRUNE_BATCH)
    await session.execute(delete(LoginFailure).where(LoginFailure.id.in_(old)))
