"""Connecting a company to a Twilio account: its settings and its numbers change together, or not at all.

An account may be used by two companies only as long as none of its numbers is held by both: one held number refuses the
whole save.
"""

from ringfence.errors import NotFoundError
from ringfence.features.audit_log.values import Actor
from ringfence.features.companies.values import RefreshHealth
from ringfence.features.phone_numbers.actions.intake import release_all, take_in
from ringfence.features.phone_numbers.errors import NumberHeldElsewhereError
from ringfence.features.phone_numbers.values import Intake, Listing
from ringfence.features.twilio_settings import actions as settings_actions
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.features.twilio_settings.errors import SettingsChangedError
from ringfence.features.twilio_settings.model import TwilioSettings
from ringfence.features.twilio_settings.values import NewConnection, StoredCredentials
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import TenantSession


async def connect(
    session: TenantSession, *, keyring: Keyring, actor: Actor, new: NewConnection, listing: Listing
) -> tuple[TwilioSettings, Intake]:
    """Store a first connection and its numbers. Raises AlreadyConnectedError, NumberHeldElsewhereError."""
    settings = await settings_actions.create(session, keyring=keyring, actor=actor, new=new)
    await _show_operator(session)
    return settings, await _take_in_all(session, listing)


async def replace(
    session: TenantSession,
    *,
    keyring: Keyring,
    actor: Actor,
    new: NewConnection,
    listing: Listing,
    kept: StoredCredentials | None,
) -> tuple[TwilioSettings, Intake]:
    """Put new credentials in the place of the stored ones; numbers of another account are released.

    `kept` are the stored credentials when the caller gave no token of its own: then they must still be the stored ones.
    Raises NotFoundError when nothing is connected, SettingsChangedError, NumberHeldElsewhereError.
    """
    settings = await settings_queries.locked(session)
    if settings is None:
        raise NotFoundError
    if kept is not None and kept.sealed_auth_token != settings.sealed_auth_token:
        raise SettingsChangedError
    settings_actions.replace(session, settings, keyring=keyring, actor=actor, new=new)
    await _show_operator(session)
    return settings, await _take_in_all(session, listing)


async def disconnect(session: TenantSession, *, actor: Actor) -> None:
    """Forget the account and release its numbers; texts and conversations stay. Raises NotFoundError.

    Nothing changes at Twilio. Texts still waiting are refused when their turn comes.
    """
    settings = await settings_queries.locked(session)
    if settings is None:
        raise NotFoundError
    await release_all(session)
    await settings_actions.remove(session, settings, actor=actor)
    await _show_operator(session)


async def _show_operator(session: TenantSession) -> None:
    """What super admins see of the company is to follow within seconds."""
    await enqueue(session, RefreshHealth(), once_key=RefreshHealth.kind)


async def _take_in_all(session: TenantSession, listing: Listing) -> Intake:
    intake = await take_in(session, listing)
    if intake.held_elsewhere:
        raise NumberHeldElsewhereError(intake.held_elsewhere)
    return intake
