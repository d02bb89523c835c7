"""Runs migrations from code: `ringfence db upgrade`, the demo and the tests all come here."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import OperationalError

from ringfence.errors import ConfigurationError

HERE = Path(__file__).parent


def _config(url: str | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("version_locations", str(HERE / "versions"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


def upgrade(owner_url: str) -> None:
    """Bring the database at a libpq URL (the owner's login) to the newest migration.

    Waits for another upgrade that is running. Raises ConfigurationError when the login does not work, when a lock
    was not to be had in time, or when the database is ahead of this program.
    """
    try:
        command.upgrade(_config(owner_url), "head")
    except OperationalError as error:
        line = (str(error.orig).strip().splitlines() or ["no reason given"])[0]
        raise ConfigurationError(f"The database cannot be upgraded with the owner's login: {line}") from None
    except CommandError as error:
        raise ConfigurationError(
            f"The database stands at a migration that this program does not know ({error}): use a newer release."
        ) from None


def downgrade(owner_url: str, revision: str) -> None:
    """Take the database back to a revision; `base` empties it."""
    command.downgrade(_config(owner_url), revision)


def head() -> str:
    """The newest migration's name."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:  # pragma: no cover - a wheel without its migrations cannot be built
        raise RuntimeError("no migrations found")
    return revision
