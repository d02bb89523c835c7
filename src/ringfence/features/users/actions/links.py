"""Links that wait, sealed, for the job that mails them."""

from sqlalchemy import select

from ringfence.features.users.model import Invitation, PasswordReset
from ringfence.features.users.values import reset_seal_context, seal_context
from ringfence.kit.keyring import Keyring, SealBrokenError
from ringfence.tenancy.sessions import TenantSession


async def reseal(session: TenantSession, keyring: Keyring) -> int:
    """Seal with the first key the links that older keys sealed and that are not mailed yet; how many.

    A link that no key opens any more is left: its mail job says that a new one has to be sent.
    """
    invitations = await session.scalars(
        select(Invitation)
        .where(Invitation.company_id == session.company_id, Invitation.sealed_link.is_not(None))
        .with_for_update()
    )
    resets = await session.scalars(
        select(PasswordReset)
        .where(PasswordReset.company_id == session.company_id, PasswordReset.sealed_link.is_not(None))
        .with_for_update()
    )
    waiting: list[tuple[Invitation | PasswordReset, str]] = [
        *((row, seal_context(row.id)) for row in invitations),
        *((row, reset_seal_context(row.id)) for row in resets),
    ]
    count = 0
    for row, context in waiting:
        if row.sealed_link is None or keyring.is_current(row.sealed_link):
            continue
        try:
            link = keyring.open(row.sealed_link, context=context)
        except SealBrokenError:
            continue
        row.sealed_link = keyring.seal(link, context=context)
        count += 1
    return count
