"""The processes of an embedded PostgreSQL: its postmaster, and what outlives a postmaster that was killed.

A process counts as the server of a folder only if it is named postgres and its working directory *is* that
folder (every PostgreSQL process goes there as it starts). A process id in a file proves nothing: the system
gives it to another process, and then nobody may be signalled.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ringfence.db.embedded_error import EmbeddedPostgresError
from ringfence.db.embedded_folder import DataFolder
from ringfence.kit.clock import monotonic_seconds

READY_SECONDS = 60.0
_ORPHAN_SECONDS = 10.0
_PID_FILE_LINES = 8


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A live postmaster: its process id, the TCP port it says it has, and its state in its own words."""

    pid: int
    port: int
    state: str


def settled_postmaster(folder: DataFolder) -> Postmaster | None:
    """The postmaster of the folder once it accepts connections, None if there is none (any more).

    Waits while one is starting, recovering or stopping. Raises EmbeddedPostgresError after a minute.
    """
    deadline = monotonic_seconds() + READY_SECONDS
    while True:
        found = live_postmaster(folder)
        if found is None or found.state == "ready":
            return found
        if monotonic_seconds() > deadline:
            raise EmbeddedPostgresError(
                f"{folder.path}: the server (process {found.pid}) is still {found.state or 'starting'} after"
                f" {READY_SECONDS:.0f} s; wait for it and start again, its log is {folder.log}"
            )
        time.sleep(0.05)


def clear_remains(folder: DataFolder) -> None:
    """Make a folder without a postmaster ready for a new one.

    Ends server processes that outlived their postmaster, so that none writes beside the new server, and
    removes lock files that PostgreSQL would misread: their process id may be another process's by now.
    """
    _end_orphans(folder)
    (folder.cluster / "postmaster.pid").unlink(missing_ok=True)
    for left in folder.path.glob(".s.PGSQL.*"):
        left.unlink(missing_ok=True)


def live_postmaster(folder: DataFolder) -> Postmaster | None:
    """The postmaster of the folder in whatever state, None if there is none."""
    text = folder.read(folder.cluster / "postmaster.pid") or ""
    lines = [line.strip() for line in text.splitlines()] + [""] * _PID_FILE_LINES
    if not lines[0].isdecimal():
        return None
    with suppress(psutil.Error):
        process = psutil.Process(int(lines[0]))
        if _serves(process, folder.cluster):
            port = int(lines[3]) if lines[3].isdecimal() else 0
            return Postmaster(process.pid, port, lines[7])
    return None


def _end_orphans(folder: DataFolder) -> None:
    for end in (psutil.Process.terminate, psutil.Process.kill):
        orphans = _server_processes(folder.cluster)
        for orphan in orphans:
            with suppress(psutil.Error):
                end(orphan)
        _, alive = psutil.wait_procs(orphans, timeout=_ORPHAN_SECONDS)
        if not alive:
            return
    pids = ", ".join(str(process.pid) for process in alive)
    raise EmbeddedPostgresError(f"{folder.path}: processes {pids} of an earlier server do not end; end them")


def _server_processes(cluster: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _serves(process, cluster)]


def _serves(process: psutil.Process, cluster: Path) -> bool:
    try:
        return process.name() == "postgres" and cluster.samefile(process.cwd())
    except (psutil.Error, OSError):
        return False
