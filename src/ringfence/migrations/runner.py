"""Runs migrations from code: `ringfence db upgrade`, the demo and the tests all come here."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

HERE = Path(__file__).parent


def _config(url: str | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("version_locations", str(HERE / "versions"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


def upgrade(owner_url: str) -> None:
    """Bring the database at a libpq URL (the owner's login) to the newest migration."""
    command.upgrade(_config(owner_url), "head")


def downgrade(owner_url: str, revision: str) -> None:
    """Take the database back to a revision; `base` empties it."""
    command.downgrade(_config(owner_url), revision)


def head() -> str:
    """The newest migration's name."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:  # pragma: no cover - a wheel without its migrations cannot be built
        raise RuntimeError("no migrations found")
    return revision
