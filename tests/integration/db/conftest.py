"""A place for data folders, and the PostgreSQL versions to try."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.db.embedded_support import end_servers_below


def _debian_binaries() -> Path:
    """PostgreSQL 15 of Debian, or whatever pg_config on the PATH belongs to."""
    folder = Path("/usr/lib/postgresql/15/bin")
    if not folder.exists() and (pg_config := shutil.which("pg_config")):
        folder = Path(subprocess.check_output([pg_config, "--bindir"], text=True).strip())
    if not (folder / "initdb").exists():
        message = "PostgreSQL 15 is not installed (apt-get install postgresql-15)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return folder


@pytest.fixture(params=["bundled", "debian"])
def bin_dir(request: pytest.FixtureRequest) -> Path | None:
    return None if request.param == "bundled" else _debian_binaries()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="ringfence-test-"))
    folder.chmod(0o711)
    yield folder
    end_servers_below(folder)
    shutil.rmtree(folder)
