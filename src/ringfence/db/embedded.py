"""The embedded PostgreSQL: a real server in a data folder, for the demo, the tests and small installations."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from ringfence.db import embedded_cluster
from ringfence.db.embedded_binaries import Binaries, find_binaries, for_user
from ringfence.db.embedded_error import EmbeddedPostgresError
from ringfence.db.embedded_folder import DataFolder, Membership, open_data_folder

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]

_SETTING_NAME = re.compile(r"[a-z_][a-z0-9_.]*")


class EmbeddedPostgres:
    """Supervises the server of one data folder, which must be empty, new, or made by this class before.

    Any number of supervisors, in one process or several, may use one folder (`serve` and `work` beside `demo`): the
    first starts the server, the others attach to it as it is, and the last one to stop shuts it down. A
    supervisor that is killed leaves the server running and no longer counts, so the next one adopts the
    server. Attaching is chosen over refusing because PostgreSQL itself is made for many clients, and because
    a refused second start would leave the server of a killed supervisor without an owner.

    As root the server runs as the folder's owner, or as `postgres` or `nobody` in a new folder; an ordinary user can
    use only folders of its own. Meant for the time before an event loop runs: every method blocks. One object
    belongs to one thread.
    """

    def __init__(
        self, data_dir: Path, *, bin_dir: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        """Nothing is touched before `start`.

        `bin_dir` holds initdb, pg_ctl and postgres of version 15 or newer; by default those of the installed
        wheel. `settings` are values for postgresql.conf, over the defaults; a running server that is attached
        to keeps its own. Raises EmbeddedPostgresError for a setting that cannot be given.
        """
        self._data_dir = data_dir
        self._bin_dir = bin_dir
        self._settings = dict(settings or {})
        _check_settings(self._settings)
        self._running: _Running | None = None

    @property
    def host(self) -> str:
        """The address to connect to; the server listens nowhere else."""
        return embedded_cluster.HOST

    @property
    def port(self) -> int:
        """The TCP port, known while started; the same at the next start unless somebody else has it then."""
        return self._started().port

    @property
    def admin_url(self) -> str:
        """A libpq URL, password included, of the superuser in the database `postgres`."""
        admin = embedded_cluster.ADMIN
        return self.url(user=admin, password=self._started().password, database="postgres")

    def url(self, *, user: str, password: str, database: str) -> str:
        """A libpq URL of this server for the given login."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{login}@{self.host}:{self.port}/{quote(database, safe='')}"

    def start(self) -> None:
        """Return when the server accepts connections: initialised, started or attached to as needed.

        Raises EmbeddedPostgresError. Does nothing when this object has started already.
        """
        if self._running is not None:
            return
        try:
            binaries = find_binaries(self._bin_dir)
            folder = open_data_folder(self._data_dir)
            binaries = for_user(binaries, folder.user)
            with folder.mutex():
                self._running = self._join(folder, binaries)
        except OSError as error:
            raise self._trouble(error) from None

    def stop(self) -> None:
        """Stop using the server; the last user shuts it down, cleanly, and waits for its end. Safe twice.

        Raises EmbeddedPostgresError when the folder or the server is in the way.
        """
        running, self._running = self._running, None
        if running is None:
            return
        try:
            with running.folder.mutex():
                if running.membership.is_last():
                    embedded_cluster.shut_down(running.folder, running.binaries)
        except OSError as error:
            raise self._trouble(error) from None
        finally:
            running.membership.leave()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _join(self, folder: DataFolder, binaries: Binaries) -> "_Running":
        membership = folder.join()
        try:
            password = embedded_cluster.ensure_initialised(folder, binaries, self._settings)
            postmaster = embedded_cluster.bring_up(folder, binaries, self._settings)
            embedded_cluster.verify(folder, postmaster, password)
        except (KeyboardInterrupt, embedded_cluster.AdministratorRefusedError):
            # Other errors leave no server, or one that is still recovering and goes on with that.
            if membership.is_last():
                embedded_cluster.shut_down(folder, binaries)
            membership.leave()
            raise
        except BaseException:
            membership.leave()
            raise
        return _Running(folder, binaries, membership, postmaster.port, password)

    def _started(self) -> "_Running":
        if self._running is None:
            raise EmbeddedPostgresError(f"{self._data_dir}: the embedded database is not started; start it first")
        return self._running

    def _trouble(self, error: OSError) -> EmbeddedPostgresError:
        where = error.filename or self._data_dir
        return EmbeddedPostgresError(
            f"{self._data_dir}: {error.strerror or error} at {where}; see to it and start again"
        )


class _Running:
    def __init__(
        self, folder: DataFolder, binaries: Binaries, membership: Membership, port: int, password: str
    ) -> None:
        self.folder = folder
        self.binaries = binaries
        self.membership = membership
        self.port = port
        self.password = password


def _check_settings(settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        if name in embedded_cluster.FIXED_SETTINGS:
            raise EmbeddedPostgresError(f"the setting {name} is the supervisor's own; leave it out")
        if not _SETTING_NAME.fullmatch(name) or not value.isprintable():
            raise EmbeddedPostgresError(f"{name!r} is not a PostgreSQL setting with a value on one line")
