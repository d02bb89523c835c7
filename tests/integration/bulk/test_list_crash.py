"""`kill -9` of the worker while it reads a file: another one goes on, and no row comes twice or is left out."""

import asyncio
import signal
from pathlib import Path

import psycopg

from ringfence.features.bulk.actions.list_files import ListFiles
from tests.factories.cluster import Database
from tests.factories.lists import LISTS, counts, rejected, start, uploaded
from tests.factories.processes import running, settings_of
from tests.factories.texts import Texting
from tests.factories.waiting import eventually

ROWS = 60_000


async def test_a_killed_worker_is_gone_on_from(
    texting: Texting, database: Database, list_files: ListFiles, tmp_path: Path
) -> None:
    settings = settings_of(database, RINGFENCE_DATA_DIR=str(tmp_path))
    # Where the workers look for files.
    (tmp_path / "uploads").mkdir()
    (tmp_path / "lists").mkdir()
    (tmp_path / "uploads" / "lists").symlink_to(tmp_path / "lists")
    lines = [f"+1602{5_000_000 + n},N{n}" for n in range(ROWS)]
    lines[ROWS // 2] = lines[7]
    lines[ROWS - 1] = "bad,x"
    made = await uploaded(texting, texting.a, "Phone,Name\n" + "\n".join(lines))
    await start(texting, texting.a, made["id"])

    async def begun() -> bool:
        return (await texting.get(f"{LISTS}/{made['id']}", texting.a))["rows_done"] > 0

    async def ready() -> bool:
        return (await texting.get(f"{LISTS}/{made['id']}", texting.a))["status"] == "ready"

    # The worker stops at a lock that another transaction holds, so that it dies in the middle for sure.
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        admin.execute(
            "CREATE FUNCTION wait_there() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;"
            "CREATE TRIGGER wait_there BEFORE INSERT ON bulk_list_parcels FOR EACH ROW"
            f" WHEN (NEW.begins_at >= {ROWS // 2}) EXECUTE FUNCTION wait_there()"
        )
        admin.execute("SELECT pg_advisory_lock(1)")
        async with running("work", settings, tmp_path) as first:
            await eventually(begun, within=90)

            async def stuck() -> bool:
                row = admin.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone()
                return row is not None

            await eventually(stuck, within=90)
            first.signal(signal.SIGKILL)
            await first.ended()
        half = (await texting.get(f"{LISTS}/{made['id']}", texting.a))["rows_done"]
        admin.execute("SELECT pg_advisory_unlock(1)")
        # What a worker's silence of 20 s would bring about.
        admin.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    async with running("work", settings, tmp_path) as second:
        await eventually(ready, within=120)
        second.signal(signal.SIGTERM)
        await second.ended()

    assert 0 < half < ROWS
    done = await texting.get(f"{LISTS}/{made['id']}", texting.a)
    assert (done["rows_done"], counts(done)) == (ROWS, (ROWS - 2, 1, 1))
    parcels = texting.stored(texting.a, "bulk_list_parcels")["bulk_list_parcels"]
    assert sorted(row["begins_at"] for row in parcels) == list(range(0, ROWS, 500))
    assert [row["line"] for row in await rejected(texting, texting.a, made["id"])] == [
        str(ROWS // 2 + 2),
        str(ROWS + 1),
    ]
    first_page = await texting.get(f"{LISTS}/{made['id']}/recipients", texting.a, limit=200)
    assert [row["position"] for row in first_page["items"]] == list(range(1, 201))
    assert not await asyncio.to_thread(list_files.path(texting.a.company_id, made["id"]).exists)
