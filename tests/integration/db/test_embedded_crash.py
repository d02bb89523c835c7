"""The embedded PostgreSQL after crashes: of the server, of its supervisor, and of both."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from ringfence.db.embedded import EmbeddedPostgres
from ringfence.db.embedded_binaries import find_binaries
from ringfence.db.embedded_folder import open_data_folder
from tests.integration.db.embedded_support import (
    FAST,
    Supervisor,
    ask,
    do,
    kill_postmaster,
    postmaster_pid,
    server_processes,
    wait_until,
)


@pytest.fixture
def crashed(place: Path) -> Path:
    """A folder with data whose server and supervisor were both killed."""
    folder = place / "data"
    with Supervisor(folder) as supervisor:
        do(supervisor.url, "CREATE TABLE kept AS SELECT 7 AS value")
        supervisor.kill()
    kill_postmaster(folder)
    return folder


@pytest.fixture
def bystander(crashed: Path) -> Iterator[psutil.Process]:
    """An unrelated process of the user the server runs as."""
    user = open_data_folder(crashed).user
    with subprocess.Popen(["sleep", "600"], user=user.uid if user.switch else None) as process:
        yield psutil.Process(process.pid)
        process.kill()


def test_a_killed_supervisors_server_is_adopted_and_stopped(place: Path) -> None:
    folder = place / "data"
    with Supervisor(folder) as killed:
        do(killed.url, "CREATE TABLE kept AS SELECT 7 AS value")
        killed.kill()
    running = postmaster_pid(folder)
    with EmbeddedPostgres(folder) as server:
        assert postmaster_pid(folder) == running
        assert ask(server.admin_url, "SELECT value FROM kept") == 7
    assert server_processes(folder) == []


def test_a_killed_server_starts_again_with_its_data(place: Path) -> None:
    folder = place / "data"
    server = EmbeddedPostgres(folder, settings=FAST)
    server.start()
    do(server.admin_url, "CREATE TABLE kept AS SELECT 7 AS value")
    with psycopg.connect(server.admin_url) as busy, ThreadPoolExecutor() as threads:
        # A backend that computes does not notice that its postmaster is gone.
        endless = threads.submit(
            busy.execute, "SELECT count(*) FROM (SELECT generate_series(1, 1000000000000)) AS numbers"
        )
        orphan = psutil.Process(busy.info.backend_pid)
        computing = f"SELECT state = 'active' FROM pg_stat_activity WHERE pid = {orphan.pid}"
        wait_until(lambda: ask(server.admin_url, computing) is True)
        kill_postmaster(folder)
        assert orphan.is_running()

        with EmbeddedPostgres(folder, settings=FAST) as second:
            assert not orphan.is_running()
            assert ask(second.admin_url, "SELECT value FROM kept") == 7
            # The first supervisor still counts: the server is back where it left it.
            assert ask(server.admin_url, "SELECT value FROM kept") == 7
        with pytest.raises(psycopg.OperationalError):
            endless.result()
        busy.close()
    assert ask(server.admin_url, "SELECT value FROM kept") == 7
    server.stop()
    assert server_processes(folder) == []


def test_a_pid_file_that_names_an_unrelated_process(crashed: Path, bystander: psutil.Process) -> None:
    for stale in [crashed / "cluster" / "postmaster.pid", *crashed.glob(".s.PGSQL.*.lock")]:
        lines = stale.read_text().splitlines()
        stale.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")

    folder = open_data_folder(crashed)
    pg_ctl = find_binaries(None).program("pg_ctl")
    alone = folder.user.command([pg_ctl, "-D", str(folder.cluster), "-w", "-t", "10", "start"])
    assert alone.returncode != 0, "PostgreSQL itself would have started: the test proves nothing"

    with EmbeddedPostgres(crashed, settings=FAST) as server:
        assert ask(server.admin_url, "SELECT value FROM kept") == 7
    assert bystander.status() == psutil.STATUS_SLEEPING


def test_a_damaged_pid_file(crashed: Path) -> None:
    server = EmbeddedPostgres(crashed, settings=FAST)
    for text in ("", "garbage\n", "99999999999999999999\n", "-1\n"):
        (crashed / "cluster" / "postmaster.pid").write_text(text)
        with server:
            assert ask(server.admin_url, "SELECT value FROM kept") == 7


def test_a_copied_folder_is_not_taken_for_its_original(place: Path) -> None:
    original, copy = place / "data", place / "copy"
    with EmbeddedPostgres(original, settings=FAST) as server:
        do(server.admin_url, "CHECKPOINT")
        subprocess.run(["cp", "-a", original, copy], check=True)
        assert postmaster_pid(copy) == postmaster_pid(original)
        with EmbeddedPostgres(copy, settings=FAST) as second:
            assert second.port != server.port
            assert postmaster_pid(copy) != postmaster_pid(original)
        assert ask(server.admin_url, "SELECT 1") == 1


def test_an_interrupted_first_start_is_begun_again(place: Path) -> None:
    folder = place / "data"
    with Supervisor(folder) as supervisor:
        # Whatever it has got to, this is the middle of it.
        wait_until(lambda: any(folder.glob("cluster.new-*")))
        supervisor.kill()
    assert not (folder / "cluster").exists()
    with EmbeddedPostgres(folder, settings=FAST) as server:
        assert ask(server.admin_url, "SELECT 1") == 1
    assert list(folder.glob("cluster.new-*")) == []


@pytest.mark.parametrize("moment", ["cluster.new-*", "cluster/postmaster.pid"])
def test_an_interrupted_start_leaves_no_server(place: Path, moment: str) -> None:
    folder = place / "data"
    with Supervisor(folder) as supervisor:
        wait_until(lambda: any(folder.glob(moment)))
        supervisor.interrupt()
    assert server_processes(folder) == []
    with EmbeddedPostgres(folder, settings=FAST) as server:
        assert ask(server.admin_url, "SELECT 1") == 1
