"""Links to a new password: asked for by whoever forgot theirs, or sent by an admin; each works once, for an hour."""

from datetime import timedelta
from math import ceil
from uuid import UUID

from sqlalchemy import delete, func, select, update

from ringfence.errors import InvalidInputError, TooManyRequestsError
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.users import queries
from ringfence.features.users.actions.people import set_password
from ringfence.features.users.model import DirectoryPasswordReset, PasswordReset, ResetRequest, User
from ringfence.features.users.values import RESET_LIFETIME, AccountPolicy, MailPasswordReset, reset_seal_context
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.keyring import Keyring
from ringfence.kit.secret import new_token, token_hash
from ringfence.tenancy.sessions import PlatformSession, TenantSession

WINDOW = timedelta(minutes=15)
REQUESTS_PER_ADDRESS = 10
MAILS_PER_EMAIL = 3
REQUESTS_KEPT = timedelta(days=1)
PRUNE_BATCH = 100


def reset_invalid() -> InvalidInputError:
    """One error for every link that cannot be used, so that none tells more than another."""
    return InvalidInputError("reset_invalid", "This link is unknown, used or expired; ask for a new one.")


async def count_reset_request(session: PlatformSession, *, email_norm: str, address: str) -> bool:
    """Count a request for a new password; whether a mail may go to this e-mail (3 in 15 minutes, from anywhere).

    Raises TooManyRequestsError after 10 requests from one address in 15 minutes, whatever e-mails they name.
    """
    now = utc_now()
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"reset\n{address}", 0))))
    recent = select(ResetRequest.requested_at).where(ResetRequest.requested_at > now - WINDOW)
    from_here = (
        await session.scalars(
            recent.where(ResetRequest.address == address)
            .order_by(ResetRequest.requested_at.desc())
            .limit(REQUESTS_PER_ADDRESS)
        )
    ).all()
    if len(from_here) == REQUESTS_PER_ADDRESS:
        wait = ceil((from_here[-1] + WINDOW - now).total_seconds())
        raise TooManyRequestsError(
            "too_many_requests",
            "Too many new passwords were asked for from here; try again later.",
            {"retry_after_seconds": max(1, wait)},
        )
    for_it = await session.scalars(recent.where(ResetRequest.email_norm == email_norm).limit(MAILS_PER_EMAIL))
    may_mail = len(for_it.all()) < MAILS_PER_EMAIL
    session.add(ResetRequest(id=new_id(), email_norm=email_norm, address=address, requested_at=now))
    # Each request adds one row and takes up to a hundred old ones away, so the table cannot grow for ever.
    old = select(ResetRequest.id).where(ResetRequest.requested_at < now - REQUESTS_KEPT).limit(PRUNE_BATCH)
    await session.execute(delete(ResetRequest).where(ResetRequest.id.in_(old)))
    return may_mail


async def send_reset(
    session: TenantSession, *, actor: Actor, user: User, policy: AccountPolicy, keyring: Keyring
) -> tuple[PasswordReset, str]:
    """Make a link for a person and, where the server mails, the job that mails it; the second value is the link.

    Earlier links stay good until they expire: otherwise whoever knows an e-mail could take a link from its owner by
    asking for another one. Using one ends them all.
    """
    now = utc_now()
    await session.execute(
        delete(PasswordReset).where(
            PasswordReset.company_id == session.company_id,
            PasswordReset.user_id == user.id,
            PasswordReset.expires_at < now,
        ),
        execution_options={"synchronize_session": False},
    )
    token = new_token()
    link = f"{policy.public_url}/reset#{token}"
    reset = PasswordReset(
        id=new_id(), user_id=user.id, requested_by=actor.user_id, created_at=now, expires_at=now + RESET_LIFETIME
    )
    if policy.mails_invitations:
        reset.sealed_link = keyring.seal(link, context=reset_seal_context(reset.id))
        await enqueue(session, MailPasswordReset(reset_id=reset.id))
    session.add(reset)
    await session.flush()
    session.add(DirectoryPasswordReset(token_hash=token_hash(token), reset_id=reset.id))
    record(
        session,
        actor=actor,
        action="user.password_reset_sent",
        target_kind="user",
        target_id=user.id,
        after={"expires_at": reset.expires_at},
    )
    await session.flush()
    return reset, link


async def use_reset(
    session: TenantSession, *, reset_id: UUID, password_hash: str, request_id: str, address: str
) -> User:
    """Give the person a reset is for their new password, end all their sessions and every other link of theirs.

    Two uses at once take turns, and the second finds the link used. Raises InvalidInputError (`reset_invalid`).
    """
    await session.execute(
        select(PasswordReset.id)
        .where(PasswordReset.company_id == session.company_id, PasswordReset.id == reset_id)
        .with_for_update()
    )
    now = utc_now()
    found = await queries.open_password_reset(session, reset_id, now=now)
    if found is None:
        raise reset_invalid()
    _, user = found
    own = (PasswordReset.company_id == session.company_id, PasswordReset.user_id == user.id)
    await session.execute(
        delete(DirectoryPasswordReset).where(
            DirectoryPasswordReset.company_id == session.company_id,
            DirectoryPasswordReset.reset_id.in_(select(PasswordReset.id).where(*own)),
        ),
        # Otherwise SQLAlchemy asks for the deleted keys, and the app role may not see these hashes.
        execution_options={"synchronize_session": False},
    )
    await session.execute(
        update(PasswordReset).where(*own, PasswordReset.used_at.is_(None)).values(used_at=now, sealed_link=None)
    )
    actor = Actor(kind="user", id=user.id, name=user.name, request_id=request_id, address=address)
    await set_password(session, actor=actor, user=user, password_hash=password_hash)
    return user


async def note_reset_mailed(session: TenantSession, *, reset_id: UUID) -> None:
    """The mail is out: the sealed link is not needed any more."""
    await session.execute(
        update(PasswordReset)
        .where(PasswordReset.company_id == session.company_id, PasswordReset.id == reset_id)
        .values(mailed_at=utc_now(), sealed_link=None)
    )
