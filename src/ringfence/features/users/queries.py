"""Reading people, keys and sessions, and finding the company behind a credential."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, select, tuple_

from ringfence.errors import NotFoundError
from ringfence.features.companies.model import Company
from ringfence.features.users.model import (
    APIKey,
    CompanyVisit,
    DirectoryAPIKey,
    DirectoryInvitation,
    DirectoryLogin,
    DirectoryPasswordReset,
    DirectorySession,
    Invitation,
    PasswordReset,
    PlatformUser,
    PlatformUserSession,
    User,
    UserSession,
)
from ringfence.tenancy.sessions import PlatformSession, TenantSession
from ringfence.web.paging import Position


@dataclass(frozen=True, slots=True)
class Found:
    """Where the directory leads: a company, and the id of a person, session, key or invitation in it."""

    company_id: UUID
    id: UUID


async def find_login(session: PlatformSession, email_norm: str) -> Found | None:
    """The company and person of a log-in e-mail."""
    row = await session.get(DirectoryLogin, email_norm)
    return Found(row.company_id, row.user_id) if row else None


async def find_session(session: PlatformSession, token_hash: bytes) -> Found | None:
    """The company and session of a cookie's hash."""
    row = await session.get(DirectorySession, token_hash)
    return Found(row.company_id, row.session_id) if row else None


async def find_api_key(session: PlatformSession, key_hash: bytes) -> Found | None:
    """The company and key of a Bearer key's hash."""
    row = await session.get(DirectoryAPIKey, key_hash)
    return Found(row.company_id, row.api_key_id) if row else None


async def find_invitation(session: PlatformSession, token_hash: bytes) -> Found | None:
    """The company and invitation of a link's hash."""
    row = await session.get(DirectoryInvitation, token_hash)
    return Found(row.company_id, row.invitation_id) if row else None


async def find_password_reset(session: PlatformSession, token_hash: bytes) -> Found | None:
    """The company and reset of a link's hash."""
    row = await session.get(DirectoryPasswordReset, token_hash)
    return Found(row.company_id, row.reset_id) if row else None


async def find_platform_user(session: PlatformSession, email_norm: str) -> PlatformUser | None:
    """The super admin with this e-mail."""
    return await session.scalar(select(PlatformUser).where(PlatformUser.email_norm == email_norm))


async def is_email_taken(session: PlatformSession, email_norm: str) -> bool:
    """Whether anybody on this server logs in with this e-mail: it can belong to one person only."""
    return (
        await find_login(session, email_norm) is not None or await find_platform_user(session, email_norm) is not None
    )


async def live_platform_session(
    session: PlatformSession, token_hash: bytes, *, now: datetime
) -> tuple[PlatformUserSession, PlatformUser, CompanyVisit | None, Company | None] | None:
    """A super admin's session that is valid now, with the super admin, and the visit that it is on.

    A visit whose time is over, or whose company is suspended, is none.
    """
    query = (
        select(PlatformUserSession, PlatformUser, CompanyVisit, Company)
        .join(PlatformUser, PlatformUser.id == PlatformUserSession.platform_user_id)
        .outerjoin(CompanyVisit, (CompanyVisit.session_id == PlatformUserSession.id) & (CompanyVisit.expires_at > now))
        .outerjoin(Company, (Company.id == CompanyVisit.company_id) & (Company.status == "active"))
        .where(
            PlatformUserSession.token_hash == token_hash,
            PlatformUserSession.expires_at > now,
            PlatformUser.status == "active",
        )
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1], row[2], row[3])


async def live_session(session: TenantSession, session_id: UUID, *, now: datetime) -> User | None:
    """Whose session this is, if session, person and company are all valid now."""
    return await session.scalar(
        select(User)
        .join(UserSession, (UserSession.company_id == User.company_id) & (UserSession.user_id == User.id))
        .join(Company, Company.id == User.company_id)
        .where(
            User.company_id == session.company_id,
            UserSession.id == session_id,
            UserSession.revoked_at.is_(None),
            UserSession.expires_at > now,
            User.status == "active",
            Company.status == "active",
        )
    )


async def live_api_key(session: TenantSession, key_id: UUID) -> APIKey | None:
    """The key, if it is not revoked and its company is active."""
    return await session.scalar(
        select(APIKey)
        .join(Company, Company.id == APIKey.company_id)
        .where(
            APIKey.company_id == session.company_id,
            APIKey.id == key_id,
            APIKey.revoked_at.is_(None),
            Company.status == "active",
        )
    )


async def platform_user(session: PlatformSession, user_id: UUID) -> PlatformUser:
    """One super admin. Raises NotFoundError."""
    found = await session.get(PlatformUser, user_id)
    if found is None:
        raise NotFoundError
    return found


async def api_key(session: TenantSession, key_id: UUID) -> APIKey:
    """One key of the company. Raises NotFoundError."""
    found = await session.scalar(select(APIKey).where(APIKey.company_id == session.company_id, APIKey.id == key_id))
    if found is None:
        raise NotFoundError
    return found


async def user(session: TenantSession, user_id: UUID) -> User:
    """One person of the company. Raises NotFoundError."""
    found = await user_or_none(session, user_id)
    if found is None:
        raise NotFoundError
    return found


async def user_or_none(session: TenantSession, user_id: UUID) -> User | None:
    """One person of the company, or None."""
    return await session.scalar(select(User).where(User.company_id == session.company_id, User.id == user_id))


async def list_users(session: TenantSession, *, after: Position | None, limit: int) -> Sequence[User]:
    """The company's people, newest first: up to limit + 1 of them after a position."""
    query = select(User).where(User.company_id == session.company_id)
    if after is not None:
        query = query.where(tuple_(User.created_at, User.id) < (after.at, after.id))
    return (await session.scalars(query.order_by(User.created_at.desc(), User.id.desc()).limit(limit + 1))).all()


async def list_api_keys(session: TenantSession, *, after: Position | None, limit: int) -> Sequence[APIKey]:
    """The company's keys, revoked ones too, newest first: up to limit + 1 of them after a position."""
    query = select(APIKey).where(APIKey.company_id == session.company_id)
    if after is not None:
        query = query.where(tuple_(APIKey.created_at, APIKey.id) < (after.at, after.id))
    return (await session.scalars(query.order_by(APIKey.created_at.desc(), APIKey.id.desc()).limit(limit + 1))).all()


async def list_invitations(session: TenantSession, *, after: Position | None, limit: int) -> Sequence[Invitation]:
    """The company's invitations in any state, newest first: up to limit + 1 of them after a position."""
    query = select(Invitation).where(Invitation.company_id == session.company_id)
    if after is not None:
        query = query.where(tuple_(Invitation.created_at, Invitation.id) < (after.at, after.id))
    newest_first = query.order_by(Invitation.created_at.desc(), Invitation.id.desc())
    return (await session.scalars(newest_first.limit(limit + 1))).all()


async def open_invitation(session: TenantSession, invitation_id: UUID, *, now: datetime) -> Invitation | None:
    """An invitation that can be accepted now, its company being active."""
    return await session.scalar(
        select(Invitation)
        .join(Company, Company.id == Invitation.company_id)
        .where(
            Invitation.company_id == session.company_id,
            Invitation.id == invitation_id,
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
            Invitation.expires_at > now,
            Company.status == "active",
        )
    )


async def open_password_reset(
    session: TenantSession, reset_id: UUID, *, now: datetime
) -> Row[PasswordReset, User] | None:
    """A reset that can be used now and the person it is for, both person and company being active."""
    query = (
        select(PasswordReset, User)
        .join(User, (User.company_id == PasswordReset.company_id) & (User.id == PasswordReset.user_id))
        .join(Company, Company.id == PasswordReset.company_id)
        .where(
            PasswordReset.company_id == session.company_id,
            PasswordReset.id == reset_id,
            PasswordReset.used_at.is_(None),
            PasswordReset.expires_at > now,
            User.status == "active",
            Company.status == "active",
        )
    )
    return (await session.execute(query)).one_or_none()
