"""The folder of an embedded PostgreSQL: who owns it, its private files, its locks, and commands run as its owner.

Everything inside belongs to one system user, the one the server runs as. When the supervisor is root it works in
a folder another user can write to, so it never follows a symbolic link there and never writes into a file it
did not create itself.
"""

import fcntl
import os
import pwd
import secrets
import stat
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ringfence.db.embedded_error import EmbeddedPostgresError
from ringfence.kit.clock import monotonic_seconds

LOCK_WAIT_SECONDS = 150.0
"""Longer than one start or stop may take, so that waiting for another supervisor ends in success."""

COMMAND_SECONDS = 120.0
_MUTEX_NAME = "start.lock"
_USERS_NAME = "users.lock"
_OUR_NAMES = frozenset({_MUTEX_NAME, "admin-password"})
_LOST_AND_FOUND = "lost+found"
_UNPRIVILEGED_USERS = ("postgres", "nobody")
_PLAIN_PATH_CHARACTERS = frozenset("/._-+@,:= ")


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The system user the server runs as; `switch` says that the supervisor is root and must become it."""

    uid: int
    gid: int
    name: str
    switch: bool

    def command(
        self, argv: Sequence[str], *, keep_open: Sequence[int] = (), seconds: float = COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this user, in its own session, with nothing of our environment.

        `argv` must hold no secret: every user of the machine can read it. Raises OSError when the command cannot
        be executed by this user, EmbeddedPostgresError when it takes longer than `seconds`.
        """
        try:
            return subprocess.run(  # noqa: S603  no shell, and every word is our own
                list(argv),
                # PGPORT, PGDATA, PGOPTIONS and the like would bend every tool of PostgreSQL.
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"},
                cwd="/",
                user=self.uid if self.switch else None,
                group=self.gid if self.switch else None,
                extra_groups=() if self.switch else None,
                umask=0o077,
                pass_fds=tuple(keep_open),
                # Ctrl-C is for the supervisor: it decides when the server stops.
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EmbeddedPostgresError(f"{argv[0]} did not finish within {seconds:.0f} s") from None

    def can_enter(self, folder: Path) -> bool:
        """Whether this user reaches `folder` by its path: every folder above lets it through."""
        return not self.switch or self.command(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]).returncode == 0


class DataFolder:
    """A prepared data folder; made by `open_data_folder`."""

    def __init__(self, path: Path, user: ServerUser) -> None:
        self.path = path
        self.user = user
        self.cluster = path / "cluster"
        self.log = path / "server.log"
        self.password_file = path / "admin-password"
        self.port_file = path / "port"
        self._by_path = _is_plain(path) and user.can_enter(path)

    @contextmanager
    def reached(self) -> Generator[tuple[str, tuple[int, ...]]]:
        """A name for the folder that works for the server, and the file descriptors the command must keep open.

        Below a folder the server's user may not enter (a clone in root's home) and for paths that would not pass
        unharmed through pg_ctl's shell, the name is that of an open descriptor: it leads straight to the
        folder, whatever lies above it.
        """
        if self._by_path:
            yield str(self.path), ()
            return
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            name = f"/proc/self/fd/{descriptor}"
            if not Path(name).exists():
                raise EmbeddedPostgresError(
                    f"{self.path}: user {self.user.name}, whom the database runs as, cannot enter this folder;"
                    " choose a data folder with a plain path outside private folders"
                )
            yield name, (descriptor,)
        finally:
            os.close(descriptor)

    def read(self, path: Path, *, start: int = 0) -> str | None:
        """The text of a file in the folder from byte `start` on, None if there is no such file."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise EmbeddedPostgresError(f"{path} is not a regular file; remove it and start again")
            file.seek(start)
            return file.read().decode(errors="replace")

    def write(self, path: Path, text: str) -> None:
        """Put a file (0600, the server's user) in place whole or not at all, on disk when this returns."""
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                self._give(descriptor)
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        self.sync()

    def make_draft(self) -> Path:
        """A new empty folder (0700, the server's user) beside the cluster."""
        draft = self.path / f"cluster.new-{secrets.token_hex(8)}"
        draft.mkdir(mode=0o700)
        if self.user.switch:
            os.chown(draft, self.user.uid, self.user.gid, follow_symlinks=False)
        return draft

    def sync(self) -> None:
        """Make renames in the folder durable."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def mutex(self) -> Generator[None]:
        """One start or stop at a time, over all processes; the kernel frees it if the holder is killed."""
        descriptor = self._open_lock(_MUTEX_NAME)
        try:
            deadline = monotonic_seconds() + LOCK_WAIT_SECONDS
            while not _try_lock(descriptor, fcntl.LOCK_EX):
                if monotonic_seconds() > deadline:
                    raise EmbeddedPostgresError(
                        f"{self.path}: another process has been starting or stopping this database for"
                        f" {LOCK_WAIT_SECONDS:.0f} s; end it and start again"
                    )
                time.sleep(0.05)
            yield
        finally:
            os.close(descriptor)

    def join(self) -> "Membership":
        """Count this supervisor among the users of the server; call it under the mutex."""
        return Membership(self._open_lock(_USERS_NAME))

    def _open_lock(self, name: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self.path / name, flags, 0o600)
        self._give(descriptor)
        return descriptor

    def _give(self, descriptor: int) -> None:
        if self.user.switch and os.fstat(descriptor).st_uid == 0:
            os.fchown(descriptor, self.user.uid, self.user.gid)


class Membership:
    """A shared lock held for as long as a supervisor uses the server; ends by itself when its process dies."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # An exclusive holder took it under the mutex, which the caller has now, and is about to leave.
        fcntl.flock(descriptor, fcntl.LOCK_SH)

    def is_last(self) -> bool:
        """Whether no other supervisor uses the server; call it under the mutex."""
        if _try_lock(self._descriptor, fcntl.LOCK_EX):
            return True
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        return False

    def leave(self) -> None:
        """Stop counting."""
        os.close(self._descriptor)


def current_user() -> ServerUser:
    """The user this process runs as."""
    uid = os.geteuid()
    return ServerUser(uid=uid, gid=os.getegid(), name=_user_name(uid), switch=False)


def open_data_folder(path: Path) -> DataFolder:
    """Make or check the data folder and decide whom it belongs to.

    An ordinary user owns what it makes. Root hands a new folder to an unprivileged user (PostgreSQL refuses to
    run as root) and serves an existing one as its owner. Raises EmbeddedPostgresError for a folder that belongs
    to somebody else or holds something else, OSError where the system refuses.
    """
    path = path.expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        info = path.stat()
        user = _server_user(path, info.st_uid)
        names = {entry.name for entry in path.iterdir()} - {_LOST_AND_FOUND}
    except PermissionError as error:
        raise EmbeddedPostgresError(
            f"{path}: permission denied at {error.filename} for user {_user_name(os.geteuid())};"
            " choose a data folder this user can write to, or change its owner"
        ) from None
    except (FileExistsError, NotADirectoryError):
        raise EmbeddedPostgresError(f"{path} is not a folder; choose another data folder") from None
    if names and not names & _OUR_NAMES:
        raise EmbeddedPostgresError(
            f"{path} holds other files and is no database folder of Ringfence; choose an empty or new folder"
        )
    if user.switch and info.st_uid != user.uid:
        os.chown(path, user.uid, user.gid)
    path.chmod(0o700)
    folder = DataFolder(path, user)
    with suppress(FileNotFoundError):
        owner = folder.cluster.lstat().st_uid
        if owner != user.uid:
            raise EmbeddedPostgresError(
                f"{folder.cluster} belongs to user {_user_name(owner)} but {path} to {user.name};"
                f" fix it with: chown -R {user.name} {path}"
            )
    return folder


def _server_user(path: Path, owner: int) -> ServerUser:
    me = current_user()
    if me.uid != 0:
        if owner != me.uid:
            raise EmbeddedPostgresError(
                f"{path} belongs to user {_user_name(owner)}, not to {me.name}; start as {_user_name(owner)} or"
                f" root, choose another data folder, or have root run: chown -R {me.name} {path}"
            )
        return me
    if owner != 0:
        return ServerUser(uid=owner, gid=_group_of(owner, path), name=_user_name(owner), switch=True)
    for name in _UNPRIVILEGED_USERS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return ServerUser(uid=entry.pw_uid, gid=entry.pw_gid, name=name, switch=True)
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root and there is no user postgres or nobody to run it as;"
        " add a user named postgres, or start as an ordinary user"
    )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_of(uid: int, path: Path) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return path.stat().st_gid


def _is_plain(path: Path) -> bool:
    return all(character.isalnum() or character in _PLAIN_PATH_CHARACTERS for character in str(path))


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
