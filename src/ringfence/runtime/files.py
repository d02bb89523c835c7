"""Small private files in the data folder: made once, whole or not at all, for the owner's eyes only."""

import fcntl
import os
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from ringfence.errors import ConfigurationError


def make_folder(path: Path) -> Path:
    """Make a folder (0700) unless it is there, and return its absolute path. Raises ConfigurationError."""
    absolute = path.expanduser().resolve()
    try:
        absolute.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"RINGFENCE_DATA_DIR: {absolute} cannot be made ({error.strerror}); name a folder this user may write to."
        ) from None
    if not os.access(absolute, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"RINGFENCE_DATA_DIR: {absolute} is not writable for this user; change its owner or name another folder."
        )
    return absolute


def read_or_make(path: Path, make: Callable[[], str]) -> str:
    """The content of a private file; made (0600) with what `make` returns if it is not there yet.

    Of two processes that make it at once one wins, and both return the winner's content.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}); change its owner.") from None
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(make())
            file.flush()
            os.fsync(descriptor)
        # A link, not a rename: it fails where a rename would replace the file of whoever came first.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
    return path.read_text(encoding="utf-8")


@contextmanager
def alone(folder: Path) -> Generator[None]:
    """Let one process at a time set up a data folder; the kernel frees the lock when its holder dies."""
    descriptor = os.open(folder / ".setup-lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
