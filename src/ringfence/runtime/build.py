"""Builds the services that the API and the worker share, from the settings and the database's logins."""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from ringfence.db.engine import create_engine
from ringfence.errors import ConfigurationError
from ringfence.features.bulk.actions.list_files import ListFiles
from ringfence.features.contacts.actions.upload_store import UploadStore
from ringfence.features.live.actions.hub import Hub
from ringfence.features.messages.actions.media_store import MediaStore
from ringfence.features.users.values import AccountPolicy, PasswordHasher
from ringfence.kit.keyring import Keyring
from ringfence.providers.outgoing.client import OutgoingClient
from ringfence.providers.outgoing.networks import Reach, read_networks
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.runtime.database import Logins
from ringfence.runtime.files import make_folder, read_or_make
from ringfence.settings import Settings
from ringfence.tenancy.sessions import Tenancy
from ringfence.wakeup.announcer import Announcer


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What the doors hand down. Made inside the event loop that will use it; close it there."""

    settings: Settings
    logins: Logins
    announcer: Announcer
    tenancy: Tenancy
    keyring: Keyring
    gateway: TwilioGateway
    policy: AccountPolicy
    hasher: PasswordHasher
    media: MediaStore
    uploads: UploadStore
    list_files: ListFiles
    hub: Hub
    outgoing: OutgoingClient

    @property
    def services(self) -> tuple[object, ...]:
        """What routes ask for by type."""
        return (
            self.tenancy,
            self.keyring,
            self.gateway,
            self.policy,
            self.hasher,
            self.media,
            self.uploads,
            self.list_files,
            self.outgoing,
            self.hub,
        )

    async def close(self) -> None:
        """Say what is still to be said, and close what is open: connections to receivers, database pools."""
        await self.announcer.close()
        await self.outgoing.close()
        await self.tenancy.close()


def build(settings: Settings, logins: Logins, *, hasher: PasswordHasher | None = None) -> Runtime:
    """The services for these settings. Raises ConfigurationError when no key is set and none may be made."""
    platform = create_engine(
        logins.platform, pool_size=settings.database_pool_size, application_name="ringfence-platform"
    )
    announcer = Announcer(platform)
    tenancy = Tenancy(
        create_engine(logins.app, pool_size=settings.database_pool_size, application_name="ringfence-app"),
        platform,
        on_news=announcer.tell,
    )
    return Runtime(
        settings=settings,
        logins=logins,
        announcer=announcer,
        tenancy=tenancy,
        keyring=keyring(settings, logins),
        gateway=TwilioGateway(
            settings.twilio_api_url, settings.public_url, timeout_seconds=settings.post_timeout_seconds
        ),
        policy=AccountPolicy(
            public_url=settings.public_url,
            cookie_secure=settings.cookie_secure,
            session_lifetime=timedelta(hours=settings.session_hours),
            invitation_lifetime=timedelta(hours=settings.invitation_hours),
            mails_invitations=settings.smtp_url is not None,
        ),
        hasher=hasher or PasswordHasher(),
        media=MediaStore(settings.media_folder),
        uploads=UploadStore(settings.uploads_folder),
        list_files=ListFiles(settings.uploads_folder / "lists"),
        hub=Hub(tenancy, logins.platform),
        outgoing=outgoing_client(settings),
    )


def outgoing_client(settings: Settings) -> OutgoingClient:
    """The client for addresses that companies choose. Raises ConfigurationError for a network that is none."""
    networks = read_networks(settings.webhook_allowed_networks, setting="RINGFENCE_WEBHOOK_ALLOWED_NETWORKS")
    return OutgoingClient(Reach(networks), timeout_seconds=settings.webhook_timeout_seconds)


def open_tenancy(settings: Settings, logins: Logins) -> Tenancy:
    """Pools of both roles; connections are made as they are needed."""
    size = settings.database_pool_size
    return Tenancy(
        create_engine(logins.app, pool_size=size, application_name="ringfence-app"),
        create_engine(logins.platform, pool_size=size, application_name="ringfence-platform"),
    )


def keyring(settings: Settings, logins: Logins) -> Keyring:
    """The server's keys. Beside an embedded database one is made and kept (0600) if none is set."""
    keys = [key.get_secret_value() for key in settings.secret_keys]
    if not keys and not logins.embedded:
        raise ConfigurationError(
            "RINGFENCE_SECRET_KEYS is not set: make a key (openssl rand -hex 32), set it, and keep it safe, for what it"
            " seals cannot be read without it."
        )
    if not keys:
        path = make_folder(settings.data_dir) / "secret-key"
        keys = [read_or_make(path, lambda: secrets.token_hex(32)).strip()]
    return Keyring(keys)
