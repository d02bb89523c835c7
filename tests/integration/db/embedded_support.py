"""What the tests of the embedded PostgreSQL share: supervisors in other processes, as other users, and pid files."""

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg

FAST = {"fsync": "off", "max_connections": "20", "shared_buffers": "16MB"}
DEADLINE_SECONDS = 30

_SUPERVISOR = """
import json, os, pathlib, resource, signal, sys
# A background job is born deaf to Ctrl-C, and so would we be in one.
signal.signal(signal.SIGINT, signal.default_int_handler)
import psycopg
from ringfence.db.embedded import EmbeddedPostgres, EmbeddedPostgresError

data_dir, bin_dir, settings, uid, gid, file_limit = json.loads(sys.argv[1])
if uid is not None and uid != os.geteuid():
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
if file_limit is not None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, resource.RLIM_INFINITY))
server = EmbeddedPostgres(pathlib.Path(data_dir), bin_dir=bin_dir and pathlib.Path(bin_dir), settings=settings)
try:
    with server:
        print(json.dumps({"url": server.admin_url, "port": server.port}), flush=True)
        sys.stdin.read()
except EmbeddedPostgresError as error:
    print(json.dumps({"error": str(error)}), flush=True)
except KeyboardInterrupt:
    pass
"""


class Supervisor:
    """An EmbeddedPostgres in a process of its own: started on entry, stopped on exit unless it was killed."""

    def __init__(
        self,
        data_dir: Path,
        *,
        user: pwd.struct_passwd | None = None,
        bin_dir: Path | None = None,
        file_limit: int | None = None,
    ) -> None:
        uid, gid = (user.pw_uid, user.pw_gid) if user else (None, None)
        told = [str(data_dir), bin_dir and str(bin_dir), FAST, uid, gid, file_limit]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SUPERVISOR, json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self._answer: dict[str, str] | None = None

    @property
    def answer(self) -> dict[str, str]:
        """`url` and `port` of the running server, or `error`."""
        if self._answer is None:
            assert self._process.stdout is not None
            self._answer = json.loads(self._process.stdout.readline())
        return self._answer

    @property
    def url(self) -> str:
        return self.answer["url"]

    @property
    def error(self) -> str:
        """The error, which must be one line."""
        error = self.answer["error"]
        assert "\n" not in error
        return error

    def kill(self) -> None:
        """End the supervisor as a crash does."""
        self._process.kill()
        self._process.wait()

    def interrupt(self) -> None:
        """Press Ctrl-C, and wait for the end."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(DEADLINE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=DEADLINE_SECONDS)
        assert self._process.returncode in {0, -signal.SIGKILL}


def ask(url: str, query: str) -> object:
    """The first column of the first row."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def do(url: str, command: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(command.encode())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def server_processes(data_dir: Path) -> list[psutil.Process]:
    """Every live PostgreSQL process working in the folder."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name() == "postgres" and (data_dir / "cluster").samefile(process.cwd()):
                found.append(process)
    return found


def postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "cluster" / "postmaster.pid").read_text().split()[0])


def postmaster(data_dir: Path) -> psutil.Process:
    return psutil.Process(postmaster_pid(data_dir))


def kill_postmaster(data_dir: Path) -> None:
    """kill -9, and wait until it is gone."""
    process = postmaster(data_dir)
    process.send_signal(signal.SIGKILL)
    psutil.wait_procs([process], timeout=DEADLINE_SECONDS)


def end_servers_below(place: Path) -> None:
    """Whatever a failed test left running."""
    for cluster in place.rglob("cluster"):
        for process in server_processes(cluster.parent):
            with suppress(psutil.Error):
                process.kill()


def ordinary_user() -> pwd.struct_passwd:
    """When root: a user whom no server runs as by default. Else: the user running the tests."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    return next(user for user in pwd.getpwall() if user.pw_uid and user.pw_name not in {"postgres", "nobody"})


def owner_name(path: Path) -> str:
    return pwd.getpwuid(path.stat().st_uid).pw_name
