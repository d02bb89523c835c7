"""Adding people and changing what they may do."""

from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from ringfence.errors import ConflictError
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.users import queries
from ringfence.features.users.model import (
    DirectoryLogin,
    DirectorySession,
    PlatformUser,
    PlatformUserSession,
    User,
    UserSession,
)
from ringfence.features.users.values import Email, ReleaseConversations, Role, UserStatus, parse_email
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import PlatformSession, TenantSession

UNIQUE_VIOLATION = "23505"


def email_taken() -> ConflictError:
    """The error for an e-mail somebody on this server already logs in with (an accepted, listed oracle)."""
    return ConflictError("email_taken", "Somebody already logs in with this e-mail address.")


async def create_user(
    session: TenantSession, *, actor: Actor, email: str, name: str, role: Role, password_hash: str
) -> User:
    """Add a person who can log in at once.

    `password_hash` comes from `PasswordHasher`, made before the transaction. Raises InvalidInputError for a bad
    address and ConflictError (`email_taken`); the session is unusable after that.
    """
    user = await add_user(session, email=parse_email(email), name=name, role=role, password_hash=password_hash)
    record(
        session,
        actor=actor,
        action="user.created",
        target_kind="user",
        target_id=user.id,
        after={"email": user.email, "name": name, "role": role},
    )
    await session.flush()
    return user


async def add_user(session: TenantSession, *, email: Email, name: str, role: str, password_hash: str) -> User:
    """Store a person and their log-in; who added them is the caller's to record. Raises ConflictError."""
    now = utc_now()
    user = User(
        id=new_id(),
        email=email.shown,
        email_norm=email.norm,
        name=name,
        role=role,
        status="active",
        password_hash=password_hash,
        created_at=now,
        updated_at=now,
    )
    session.add(user)
    try:
        await session.flush()
        session.add(DirectoryLogin(email_norm=email.norm, user_id=user.id))
        await session.flush()
    except IntegrityError as error:
        raise _as_taken(error) from None
    return user


async def create_platform_user(session: PlatformSession, *, email: str, name: str, password_hash: str) -> PlatformUser:
    """Add a super admin. Raises InvalidInputError for a bad address and ConflictError (`email_taken`)."""
    address = parse_email(email)
    if await queries.is_email_taken(session, address.norm):
        raise email_taken()
    user = PlatformUser(
        id=new_id(),
        email=address.shown,
        email_norm=address.norm,
        name=name,
        status="active",
        password_hash=password_hash,
        created_at=utc_now(),
    )
    session.add(user)
    try:
        await session.flush()
    except IntegrityError as error:
        raise _as_taken(error) from None
    return user


async def change_platform_user(
    session: PlatformSession,
    *,
    user: PlatformUser,
    name: str | None = None,
    status: UserStatus | None = None,
    password_hash: str | None = None,
    keep_session: UUID | None = None,
) -> None:
    """Change the given fields of a super admin. Suspension and a new password end sessions, but for `keep_session`."""
    if name is not None:
        user.name = name
    if status is not None:
        user.status = status
    if password_hash is not None:
        user.password_hash = password_hash
    if status == "suspended" or password_hash is not None:
        ended = delete(PlatformUserSession).where(PlatformUserSession.platform_user_id == user.id)
        if keep_session is not None:
            ended = ended.where(PlatformUserSession.id != keep_session)
        await session.execute(ended)
    await session.flush()


async def change_user(
    session: TenantSession,
    *,
    actor: Actor,
    user: User,
    name: str | None = None,
    role: Role | None = None,
    status: UserStatus | None = None,
) -> None:
    """Change the given fields (None leaves one as it is), with one audit entry of what really changed.

    A suspended person's sessions end, and their conversations become nobody's. Raises ConflictError (`last_admin`)
    when no active admin would be left.
    """
    now = {"name": user.name, "role": user.role, "status": user.status}
    given = {"name": name, "role": role, "status": status}
    changes = {field: value for field, value in given.items() if value is not None and value != now[field]}
    if not changes:
        return
    if now["role"] == "company_admin" and now["status"] == "active" and ("role" in changes or "status" in changes):
        await _require_another_admin(session, user)
    for field, value in changes.items():
        setattr(user, field, value)
    user.updated_at = utc_now()
    if changes.get("status") == "suspended":
        await end_sessions(session, user)
        await enqueue(session, ReleaseConversations(user_id=user.id))
    actions = {"suspended": "user.suspended", "active": "user.activated"}
    record(
        session,
        actor=actor,
        action=actions.get(changes.get("status", ""), "user.changed"),
        target_kind="user",
        target_id=user.id,
        before={field: now[field] for field in changes},
        after=changes,
    )
    await session.flush()


async def set_phone(session: TenantSession, *, actor: Actor, user: User, phone: str | None) -> None:
    """Set the telephone (E.164) that rings for a person's calls, or none; the audit log has its last four digits."""
    if user.phone == phone:
        return
    before, user.phone, user.updated_at = user.phone, phone, utc_now()
    record(
        session,
        actor=actor,
        action="user.phone_changed",
        target_kind="user",
        target_id=user.id,
        before={"phone": before and f"…{before[-4:]}"},
        after={"phone": phone and f"…{phone[-4:]}"},
    )
    await session.flush()


async def set_password(
    session: TenantSession, *, actor: Actor, user: User, password_hash: str, keep_session: UUID | None = None
) -> None:
    """Give a person a new password and end all their sessions, but for the one they changed it in (`keep_session`)."""
    user.password_hash = password_hash
    user.updated_at = utc_now()
    await end_sessions(session, user, but=keep_session)
    action = "user.password_reset" if keep_session is None else "user.password_changed"
    record(session, actor=actor, action=action, target_kind="user", target_id=user.id)
    await session.flush()


async def end_sessions(session: TenantSession, user: User, *, but: UUID | None = None) -> None:
    """End every log-in of a person, but for one."""
    mine = [UserSession.company_id == session.company_id, UserSession.user_id == user.id]
    if but is not None:
        mine.append(UserSession.id != but)
    of_mine = select(UserSession.id).where(*mine)
    await session.execute(
        delete(DirectorySession).where(
            DirectorySession.company_id == session.company_id, DirectorySession.session_id.in_(of_mine)
        ),
        # Otherwise SQLAlchemy asks for the deleted keys, and the app role may not see these hashes.
        execution_options={"synchronize_session": False},
    )
    await session.execute(
        update(UserSession).where(*mine, UserSession.revoked_at.is_(None)).values(revoked_at=utc_now())
    )


def _as_taken(error: IntegrityError) -> Exception:
    """`email_taken` for a unique key, which only the e-mail can break here; anything else is as it was."""
    return email_taken() if getattr(error.orig, "sqlstate", None) == UNIQUE_VIOLATION else error


async def _require_another_admin(session: TenantSession, leaving: User) -> None:
    # The lock makes two admins who demote each other at once take turns; the second then finds nobody else.
    admins = await session.scalars(
        select(User.id)
        .where(User.company_id == session.company_id, User.role == "company_admin", User.status == "active")
        .order_by(User.id)
        .with_for_update()
    )
    if not any(admin != leaving.id for admin in admins):
        raise ConflictError("last_admin", "A company needs one active admin; name another one first.")
