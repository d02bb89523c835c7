"""Recipient lists across the fence: every route, id, job, file and row from company b and lower roles."""

from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from ringfence.features.bulk.actions.list_files import ListFiles
from ringfence.features.bulk.jobs.lists import ReadListHandler, SweepListsHandler
from ringfence.features.bulk.values.lists import ReadList, SweepLists
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.lists import LISTS, read, run, start, uploaded
from tests.factories.texts import Line, Texting, make_texting, texting_services
from tests.factories.world import World

CSV = "Phone,Name\n+16025550143,Canary\nbad,Canary\n"
TABLES = ("bulk_lists", "bulk_list_parcels", "audit_log")
DRAFT, READY = "{draft}", "{ready}"
# Route, in an order that leaves each its list → what goes with it.
ROUTES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("GET", LISTS, {}),
    ("POST", LISTS, {"files": {"file": ("a.csv", b"Phone\n+16025550199\n")}}),
    ("POST", f"{LISTS}/from-contacts", {"json": {"name": "Own"}}),
    ("GET", f"{LISTS}/{DRAFT}", {}),
    ("GET", f"{LISTS}/{DRAFT}/preview", {}),
    ("PATCH", f"{LISTS}/{DRAFT}", {"json": {"name": "b was here", "has_header": True}}),
    ("POST", f"{LISTS}/{DRAFT}/start", {}),
    ("POST", f"{LISTS}/{DRAFT}/cancel", {}),
    ("GET", f"{LISTS}/{READY}/recipients", {}),
    ("GET", f"{LISTS}/{READY}/rejected", {}),
    ("DELETE", f"{LISTS}/{READY}", {}),
)


@pytest.fixture
def list_files(tmp_path: Path) -> ListFiles:
    return ListFiles(tmp_path / "lists")


@pytest.fixture
def more_services(tmp_path: Path, list_files: ListFiles) -> tuple[object, ...]:
    return (*texting_services(tmp_path / "media"), list_files)


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)


async def make_things(texting: Texting, line: Line, files: ListFiles) -> dict[str, str]:
    draft = await uploaded(texting, line, CSV, file="Canary.csv")
    ready = await read(texting, files, CSV, line=line, file="Canary too.csv")
    return {"draft": draft["id"], "ready": ready["id"]}


def paths(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def seen(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    headers = sorted((name, value) for name, value in answer.headers.items() if name != "x-request-id")
    return answer.status_code, answer.content, headers


async def test_the_matrix_has_every_route(world: World) -> None:
    found = {
        (method.upper(), path.replace("{list_id}", ""))
        for path, methods in world.app.openapi()["paths"].items()
        for method in methods
        if path.startswith(LISTS)
    }
    assert found == {(method, path.replace(DRAFT, "").replace(READY, "")) for method, path, _ in ROUTES}


async def test_managers_only(texting: Texting, list_files: ListFiles, tmp_path: Path) -> None:
    ids = await make_things(texting, texting.a, list_files)
    before = texting.stored(texting.a, *TABLES), paths(tmp_path / "lists")
    root = await texting.world.log_in(texting.world.super_admin)
    agent = await texting.world.log_in(texting.a.company.agent)
    for method, path, request in ROUTES:
        where = path.format(**ids)
        assert (await texting.client.request(method, where, **request)).status_code == 401
        for who in (root, agent):
            assert (await who.request(method, where, **request)).status_code == 403, (method, path)
        for scope in ("read", "send"):
            assert (await texting.call(method, where, texting.a, scope=scope, **request)).status_code == 403, path
    assert (texting.stored(texting.a, *TABLES), paths(tmp_path / "lists")) == before
    manager = await texting.world.log_in(texting.a.company.manager)
    for method, path, request in ROUTES:
        answer = await manager.request(method, path.format(**ids), **request)
        assert answer.is_success, (method, path, answer.text)


async def test_foreign_ids_are_like_ids_that_nobody_has(
    texting: Texting, list_files: ListFiles, tmp_path: Path
) -> None:
    theirs = await make_things(texting, texting.a, list_files)
    own = await make_things(texting, texting.b, list_files)
    before = texting.stored(texting.a, *TABLES), texting.stored(texting.b, *TABLES), paths(tmp_path)
    for method, path, request in ROUTES:
        if "{" in path:
            foreign = await texting.call(method, path.format(**theirs), texting.b, **request)
            unknown = await texting.call(method, path.format(draft=new_id(), ready=new_id()), texting.b, **request)
            assert foreign.status_code == 404, (method, path)
            assert seen(foreign) == seen(unknown), (method, path)
    after = texting.stored(texting.a, *TABLES), texting.stored(texting.b, *TABLES), paths(tmp_path)
    assert after == before
    for method, path, request in ROUTES:
        assert (await texting.call(method, path.format(**own), texting.b, **request)).is_success, (method, path)
    assert texting.stored(texting.a, *TABLES) == before[0]


async def test_a_list_of_another_company_cannot_be_sent_to(texting: Texting, list_files: ListFiles) -> None:
    theirs = await make_things(texting, texting.a, list_files)
    body = {"name": "Sale", "body": "Sale", "from_numbers": [texting.b.number]}

    foreign = await texting.call("POST", "/api/sms/bulk", texting.b, json={**body, "list_id": theirs["ready"]})
    unknown = await texting.call("POST", "/api/sms/bulk", texting.b, json={**body, "list_id": str(new_id())})

    assert foreign.status_code == 404
    assert seen(foreign) == seen(unknown)


async def test_nothing_of_a_shows_to_b_and_cursors_stay_at_home(texting: Texting, list_files: ListFiles) -> None:
    ids = await make_things(texting, texting.a, list_files)
    await texting.call("POST", "/api/contacts", texting.a, json={"first_name": "Canary", "phone_number": "6025550147"})
    answer = await texting.call("POST", f"{LISTS}/from-contacts", texting.b, json={"name": "All"})
    assert (await run(texting, texting.b, list_files, answer.json()["id"]))["rows_done"] == 0
    for path in (LISTS, "/api/audit-log"):
        assert "canary" in (await texting.call("GET", path, texting.a)).text.lower()
        assert "canary" not in (await texting.call("GET", path, texting.b)).text.lower()
    cursor = (await texting.get(LISTS, texting.a, limit=1))["next_cursor"]
    assert (await texting.call("GET", LISTS, texting.a, params={"cursor": cursor})).status_code == 200
    refused = await texting.call("GET", LISTS, texting.b, params={"cursor": cursor})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_cursor")
    assert ids["draft"] not in (await texting.call("GET", LISTS, texting.b)).text


async def test_jobs_touch_the_own_company_s_lists_and_files_only(texting: Texting, list_files: ListFiles) -> None:
    made = await uploaded(texting, texting.a, CSV)
    await start(texting, texting.a, made["id"])
    job = ReadList(list_id=UUID(made["id"]))
    old = await uploaded(texting, texting.a, CSV)
    texting.change("UPDATE bulk_lists SET updated_at = now() - interval '2 days' WHERE id = %s", old["id"])
    before = texting.stored(texting.a, *TABLES), texting.stored(texting.b, *TABLES)

    foreign = JobContext(texting.world.tenancy, texting.b.company_id)
    await ReadListHandler(list_files)(foreign, job)
    await SweepListsHandler(list_files)(foreign, SweepLists())

    assert (texting.stored(texting.a, *TABLES), texting.stored(texting.b, *TABLES)) == before
    assert list_files.path(texting.a.company_id, job.list_id).exists()
    own = JobContext(texting.world.tenancy, texting.a.company_id)
    await ReadListHandler(list_files)(own, job)
    await SweepListsHandler(list_files)(own, SweepLists())
    assert [row["status"] for row in texting.stored(texting.a, "bulk_lists")["bulk_lists"]] == ["ready"]


async def test_the_tables_are_fenced_by_the_database_itself(
    texting: Texting, list_files: ListFiles, database: Database
) -> None:
    theirs = await make_things(texting, texting.a, list_files)
    own = await make_things(texting, texting.b, list_files)
    a, b = texting.a.company_id, texting.b.company_id
    with psycopg.connect(database.app_url) as connection:
        for table in ("bulk_list_parcels", "bulk_lists"):
            for company, visible in ((b, False), (a, True)):
                connection.execute(f"SET LOCAL ringfence.company_id = '{company}'")
                [count] = connection.execute(f"SELECT count(*) FROM {table} WHERE company_id = %s", [a]).fetchone() or [
                    None
                ]
                assert (count > 0) is visible, table
            connection.execute(f"SET LOCAL ringfence.company_id = '{b}'")
            assert connection.execute(f"DELETE FROM {table} WHERE company_id = %s", [a]).rowcount == 0
            connection.rollback()
    move = "UPDATE bulk_list_parcels SET list_id = %s WHERE company_id = %s"
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        texting.change(move, theirs["ready"], b)
    texting.change(move, own["draft"], b)
