"""Where the database is: three logins from the settings, or the embedded server, which supplies all three."""

import json
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ringfence.db.embedded import EmbeddedPostgres
from ringfence.errors import ConfigurationError
from ringfence.runtime.files import alone, make_folder, read_or_make
from ringfence.settings import Settings
from ringfence.tenancy.policies import APP, OWNER, PLATFORM
from ringfence.tenancy.provision import Passwords, provision

DATABASE = "ringfence"


@dataclass(frozen=True, slots=True)
class Logins:
    """The database's logins as libpq URLs. `owner` is only there where migrations are run; `admin` if embedded."""

    app: str = field(repr=False)
    platform: str = field(repr=False)
    owner: str | None = field(default=None, repr=False)
    admin: str | None = field(default=None, repr=False)

    @property
    def embedded(self) -> bool:
        """Whether the server is our own."""
        return self.admin is not None


@contextmanager
def database(settings: Settings) -> Generator[Logins]:
    """The logins of the database that the settings name; the embedded server runs meanwhile if they name none.

    Raises ConfigurationError when only some of the addresses are set, and EmbeddedPostgresError.
    """
    given = {
        "RINGFENCE_APP_DATABASE_URL": settings.app_database_url,
        "RINGFENCE_PLATFORM_DATABASE_URL": settings.platform_database_url,
    }
    missing = [name for name, url in given.items() if url is None]
    if missing and (len(missing) < len(given) or settings.database_url is not None):
        raise ConfigurationError(
            f"{missing[0]} is not set: set it to the login that `ringfence db init` printed, or set no database"
            " address at all for the embedded database."
        )
    if settings.app_database_url is None or settings.platform_database_url is None:
        with embedded_database(settings.data_dir) as logins:
            yield logins
        return
    owner = settings.database_url.get_secret_value() if settings.database_url else None
    yield Logins(
        settings.app_database_url.get_secret_value(), settings.platform_database_url.get_secret_value(), owner=owner
    )


@contextmanager
def embedded_database(data_dir: Path) -> Generator[Logins]:
    """The embedded server of a data folder, with its database and roles in place, for as long as the context lasts.

    Any number of processes may use one folder at a time; the last to leave stops the server.
    """
    folder = make_folder(data_dir)
    with EmbeddedPostgres(folder / "postgres") as server:
        with alone(folder):
            passwords = _passwords(folder)
            provision(server.admin_url, database=DATABASE, passwords=passwords)

        def url(role: str, password: str) -> str:
            return server.url(user=role, password=password, database=DATABASE)

        yield Logins(
            url(APP, passwords.app),
            url(PLATFORM, passwords.platform),
            owner=url(OWNER, passwords.owner),
            admin=server.admin_url,
        )


def new_passwords() -> Passwords:
    """Three fresh random passwords, without characters that an address would have to escape."""
    return Passwords(*(secrets.token_urlsafe(24) for _ in range(3)))


def _passwords(folder: Path) -> Passwords:
    path = folder / "logins.json"

    def make() -> str:
        fresh = new_passwords()
        return json.dumps({"owner": fresh.owner, "app": fresh.app, "platform": fresh.platform})

    try:
        stored = json.loads(read_or_make(path, make))
        return Passwords(owner=stored["owner"], app=stored["app"], platform=stored["platform"])
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(
            f"{path} is damaged; remove it, and new passwords are made at the next start."
        ) from None
