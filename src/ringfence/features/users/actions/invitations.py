"""Invitations: one person, one company, one role, one use."""

from uuid import UUID

from sqlalchemy import delete, select, update

from ringfence.errors import InvalidInputError, NotFoundError
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.users import queries
from ringfence.features.users.actions.people import add_user
from ringfence.features.users.model import DirectoryInvitation, Invitation, User
from ringfence.features.users.values import AccountPolicy, Email, MailInvitation, Role, seal_context
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.keyring import Keyring
from ringfence.kit.secret import new_token, token_hash
from ringfence.tenancy.sessions import TenantSession


def invitation_invalid() -> InvalidInputError:
    """One error for every link that cannot be used, so that none tells more than another."""
    return InvalidInputError(
        "invitation_invalid", "This invitation is unknown, used, revoked or expired; ask for a new one."
    )


async def invite(
    session: TenantSession, *, actor: Actor, email: Email, role: Role, policy: AccountPolicy, keyring: Keyring
) -> tuple[Invitation, str]:
    """Invite an address to a role; the second value is the link, which is shown once.

    The link is stored only where mail is sent: sealed, until the job has mailed it. Earlier invitations of the
    address that are still open are revoked.
    """
    now = utc_now()
    earlier = await session.scalars(
        select(Invitation).where(
            Invitation.company_id == session.company_id,
            Invitation.email_norm == email.norm,
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
        )
    )
    for invitation in earlier:
        await _end(session, invitation)
    token = new_token()
    invitation = Invitation(
        id=new_id(),
        email=email.shown,
        email_norm=email.norm,
        role=role,
        invited_by=actor.user_id,
        created_at=now,
        expires_at=now + policy.invitation_lifetime,
    )
    link = f"{policy.public_url}/invite#{token}"
    if policy.mails_invitations:
        invitation.sealed_link = keyring.seal(link, context=seal_context(invitation.id))
        await enqueue(session, MailInvitation(invitation_id=invitation.id))
    session.add(invitation)
    await session.flush()
    session.add(DirectoryInvitation(token_hash=token_hash(token), invitation_id=invitation.id))
    record(
        session,
        actor=actor,
        action="invitation.created",
        target_kind="invitation",
        target_id=invitation.id,
        after={"email": invitation.email, "role": role, "expires_at": invitation.expires_at},
    )
    await session.flush()
    return invitation, link


async def revoke_invitation(session: TenantSession, *, actor: Actor, invitation_id: UUID) -> None:
    """Make a link useless; one that was used or revoked stays as it is. Raises NotFoundError."""
    invitation = await _locked(session, invitation_id)
    if invitation is None:
        raise NotFoundError
    if invitation.accepted_at is not None or invitation.revoked_at is not None:
        return
    await _end(session, invitation)
    record(
        session,
        actor=actor,
        action="invitation.revoked",
        target_kind="invitation",
        target_id=invitation.id,
        before={"email": invitation.email, "role": invitation.role},
    )
    await session.flush()


async def accept_invitation(
    session: TenantSession, *, invitation_id: UUID, name: str, password_hash: str, request_id: str, address: str
) -> User:
    """Make the person an invitation was for. Two at once take turns, and the second finds it used.

    Raises InvalidInputError (`invitation_invalid`) and ConflictError (`email_taken`).
    """
    now = utc_now()
    await _locked(session, invitation_id)
    invitation = await queries.open_invitation(session, invitation_id, now=now)
    if invitation is None:
        raise invitation_invalid()
    user = await add_user(
        session,
        email=Email(invitation.email, invitation.email_norm),
        name=name,
        role=invitation.role,
        password_hash=password_hash,
    )
    invitation.accepted_at = now
    invitation.sealed_link = None
    await _forget_token(session, invitation_id)
    record(
        session,
        actor=Actor(kind="user", id=user.id, name=name, request_id=request_id, address=address),
        action="invitation.accepted",
        target_kind="invitation",
        target_id=invitation.id,
        after={"user_id": user.id, "email": user.email, "name": name, "role": user.role},
    )
    await session.flush()
    return user


async def _locked(session: TenantSession, invitation_id: UUID) -> Invitation | None:
    return await session.scalar(
        select(Invitation)
        .where(Invitation.company_id == session.company_id, Invitation.id == invitation_id)
        .with_for_update()
    )


async def _end(session: TenantSession, invitation: Invitation) -> None:
    invitation.revoked_at = utc_now()
    invitation.sealed_link = None
    await _forget_token(session, invitation.id)


async def _forget_token(session: TenantSession, invitation_id: UUID) -> None:
    await session.execute(
        delete(DirectoryInvitation).where(
            DirectoryInvitation.company_id == session.company_id,
            DirectoryInvitation.invitation_id == invitation_id,
        )
    )


async def note_mailed(session: TenantSession, *, invitation_id: UUID) -> None:
    """The mail is out: the sealed link is not needed any more."""
    await session.execute(
        update(Invitation)
        .where(Invitation.company_id == session.company_id, Invitation.id == invitation_id)
        .values(mailed_at=utc_now(), sealed_link=None)
    )
