"""`ringfence serve` and `ringfence work` as real processes: when they start, when they refuse, and how they end."""

import asyncio
import signal
import socket
import stat
from pathlib import Path

import httpx
import psycopg
import pytest

from ringfence.tenancy.sessions import Tenancy
from tests.factories.cluster import Database
from tests.factories.processes import answers, free_port, run, running, settings_of
from tests.factories.waiting import eventually
from tests.factories.world import World

NOWHERE = "postgresql://ringfence_app:wrong@127.0.0.1:1/x"


async def test_serve_and_work_are_ready_together_and_stop_when_asked(database: Database, tmp_path: Path) -> None:
    port = free_port()
    settings = settings_of(database, RINGFENCE_PORT=str(port))
    async with running("serve", settings, tmp_path) as api, running("work", settings, tmp_path) as worker:
        await answers(f"http://127.0.0.1:{port}/readyz")
        api.signal(signal.SIGTERM)
        worker.signal(signal.SIGINT)

        assert [await api.ended(), await worker.ended()] == [0, 0]
    for process in (api, worker):
        assert "Traceback" not in process.log
        assert "stopped" in process.log


async def test_serve_finishes_the_request_under_way(world: World, database: Database, tmp_path: Path) -> None:
    """The request waits for a lock in the database while the server is told to stop; it still gets its answer."""
    port = free_port()
    with psycopg.connect(database.admin_url) as blocker:
        async with running("serve", settings_of(database, RINGFENCE_PORT=str(port)), tmp_path) as api:
            await answers(f"http://127.0.0.1:{port}/healthz")
            blocker.execute("LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE")
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
                under_way = asyncio.create_task(client.get("/api/contacts", headers=world.a.headers("read")))
                await eventually(lambda: _waits_for_a_lock(database))
                api.signal(signal.SIGTERM)
                await eventually(lambda: _refuses(port))
                blocker.rollback()
                answer = await under_way
            assert (await api.ended(), answer.status_code) == (0, 200)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"RINGFENCE_SECRET_KEYS": ""}, "RINGFENCE_SECRET_KEYS is not set", id="no key"),
        pytest.param({"RINGFENCE_SECRET_KEYS": "short"}, "RINGFENCE_SECRET_KEYS is wrong", id="short key"),
        pytest.param({"RINGFENCE_APP_DATABASE_URL": "admin"}, "is a superuser", id="superuser"),
        pytest.param({"RINGFENCE_PLATFORM_DATABASE_URL": "owner"}, "owns ", id="owner"),
        pytest.param(
            {"RINGFENCE_APP_DATABASE_URL": "postgresql://ringfence_app:wrong@127.0.0.1:1/x"},
            "cannot be used",
            id="down",
        ),
        pytest.param({"RINGFENCE_APP_DATABASE_URL": "mysql://x"}, "must begin with postgresql://", id="no PostgreSQL"),
        pytest.param({"RINGFENCE_PLATFORM_DATABASE_URL": None}, "PLATFORM_DATABASE_URL is not set", id="one address"),
        pytest.param({"RINGFENCE_PUBLIC_URL": "text.example.com"}, "RINGFENCE_PUBLIC_URL is wrong", id="public url"),
        pytest.param({"RINGFENCE_PORT": "taken"}, "choose another port", id="port in use"),
    ],
)
async def test_serve_refuses_with_one_clear_line(
    database: Database, tmp_path: Path, changes: dict[str, str | None], words: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        stand_ins = {
            "admin": database.admin_url,
            "owner": database.owner_url,
            "taken": str(taken.getsockname()[1]),
        }
        settings = settings_of(database, RINGFENCE_PORT=str(free_port()))
        for name, value in changes.items():
            settings.pop(name, None)
            if value is not None:
                settings[name] = stand_ins.get(value, value)
        code, text = await run("serve", settings, tmp_path)

    assert code == 2
    [line] = text.splitlines()
    assert line.startswith("ringfence: ")
    assert words in line
    for secret in ("owner-password", "app-password", "platform-password", "wrong@"):
        assert secret not in line


@pytest.mark.parametrize("command", ["serve", "work"])
async def test_an_old_database_is_refused(database: Database, tmp_path: Path, command: str) -> None:
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("UPDATE alembic_version SET version_num = '20200101_0000'")

    code, text = await run(command, settings_of(database, RINGFENCE_PORT=str(free_port())), tmp_path)

    assert (code, len(text.splitlines())) == (2, 1)
    assert "20200101_0000" in text
    assert "run `ringfence db upgrade`" in text


async def test_with_no_address_at_all_there_is_a_database_and_a_key_of_ones_own(tmp_path: Path) -> None:
    """`serve` and `work` start at once on a folder that does not exist, and again on what they left."""
    port = free_port()
    settings = {"RINGFENCE_DATA_DIR": str(tmp_path / "data"), "RINGFENCE_PORT": str(port)}
    keys: list[str] = []
    for _ in range(2):
        async with running("serve", settings, tmp_path) as api, running("work", settings, tmp_path) as worker:
            await answers(f"http://127.0.0.1:{port}/readyz", within=90)
            for process in (api, worker):
                process.signal(signal.SIGTERM)
            assert [await api.ended(), await worker.ended()] == [0, 0]
        keys.append((tmp_path / "data" / "secret-key").read_text())

    assert len(keys[0]) == 64
    assert keys[0] == keys[1]
    for name in ("secret-key", "logins.json"):
        assert stat.S_IMODE((tmp_path / "data" / name).stat().st_mode) == 0o600


async def test_another_worker_takes_over_when_the_sending_one_is_killed(
    database: Database, tenancy: Tenancy, tmp_path: Path
) -> None:
    settings = settings_of(database)
    async with running("work", settings, tmp_path) as first, running("work", settings, tmp_path) as second:
        await first.says("worker.started")
        await second.says("worker.started")
        await eventually(lambda: _has_lease(database))
        taken = "dispatcher.lease.taken"
        sending, waiting = (first, second) if taken in first.log else (second, first)
        assert taken not in waiting.log
        sending.signal(signal.SIGKILL)
        await waiting.says(taken, within=10)


async def test_work_shows_what_it_counts_where_it_is_told_to(database: Database, tmp_path: Path) -> None:
    port = free_port()
    settings = settings_of(database, RINGFENCE_METRICS_PORT=str(port), RINGFENCE_SWEEP_SECONDS="0.2")
    async with running("work", settings, tmp_path) as worker:
        await worker.says("worker.metrics.shown")
        job = 'ringfence_job_seconds_count{kind="fanout:messages.sweep",outcome="done"}'

        async def counted() -> bool:
            return job in (await answers(f"http://127.0.0.1:{port}/metrics")).text

        await eventually(counted)
        code, text = await run("work", settings, tmp_path)
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 0

    assert (code, len(text.splitlines())) == (2, 1)
    assert "each worker of a machine needs a port of its own" in text


async def _waits_for_a_lock(database: Database) -> bool:
    async with await psycopg.AsyncConnection.connect(database.admin_url) as admin:
        rows = await admin.execute(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return await rows.fetchone() is not None


async def _refuses(port: int) -> bool:
    """Whether the server takes no new connections any more."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.close()
    return False


async def _has_lease(database: Database) -> bool:
    async with await psycopg.AsyncConnection.connect(database.admin_url) as admin:
        return await (await admin.execute("SELECT 1 FROM dispatcher_lease")).fetchone() is not None
