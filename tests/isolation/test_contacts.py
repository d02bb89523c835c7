"""Contacts, their tags, imports and exports across the fence: every route and id from company b and lower roles."""

from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from ringfence.features.contacts.actions.upload_store import UploadStore
from ringfence.features.contacts.jobs import ImportHandler
from ringfence.features.contacts.values import ImportContacts
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.texts import CUSTOMER, Line, Texting, make_texting, texting_services
from tests.factories.world import World

CONTACTS = "/api/contacts"
IMPORTS = f"{CONTACTS}/imports"
CSV = "Phone,Name,custom.canary\n+16025550143,Canary,canary\nbad,Canary,x\n"
TABLES = ("contacts", "contact_tags", "contact_imports", "contact_import_problems", "audit_log")
# Route → the lowest level that may use it, and what goes with it.
ROUTES: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("GET", CONTACTS): ("read", {}),
    ("POST", CONTACTS): ("send", {"json": {"first_name": "Own"}}),
    ("GET", f"{CONTACTS}/tags"): ("read", {}),
    ("GET", f"{CONTACTS}/export"): ("manage", {}),
    ("POST", f"{CONTACTS}/import"): ("manage", {"files": {"file": ("a.csv", b"Phone\n+16025550199\n")}}),
    ("GET", IMPORTS): ("manage", {}),
    ("GET", f"{IMPORTS}/{{import_id}}"): ("manage", {}),
    ("GET", f"{IMPORTS}/{{import_id}}/errors"): ("manage", {}),
    ("GET", f"{CONTACTS}/{{contact_id}}"): ("read", {}),
    ("PATCH", f"{CONTACTS}/{{contact_id}}"): ("send", {"json": {"tags": ["b was here"]}}),
    ("POST", f"{CONTACTS}/{{contact_id}}/merge"): ("manage", {"json": {"source_id": "{source_id}"}}),
    ("DELETE", f"{CONTACTS}/{{contact_id}}"): ("manage", {}),
    ("POST", f"{CONTACTS}/{{contact_id}}/restore"): ("manage", {}),
}
RANKS = ("read", "send", "manage", "admin")


@pytest.fixture
def uploads(tmp_path: Path) -> UploadStore:
    return UploadStore(tmp_path / "uploads")


@pytest.fixture
def more_services(tmp_path: Path, uploads: UploadStore) -> tuple[object, ...]:
    return (*texting_services(tmp_path / "media"), uploads)


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)


async def make_things(texting: Texting, line: Line, uploads: UploadStore) -> dict[str, str]:
    """A contact with everything, another one, and an import with a bad row."""
    ids: dict[str, str] = {}
    for name, number in (("contact_id", CUSTOMER), ("source_id", "+16025550991")):
        body = {"first_name": "Canary", "phone_number": number, "tags": ["canary"], "custom_fields": {"c": "canary"}}
        ids[name] = (await texting.call("POST", CONTACTS, line, json=body)).json()["id"]
    answer = await texting.call("POST", f"{CONTACTS}/import", line, files={"file": ("Canary.csv", CSV.encode())})
    ids["import_id"] = answer.json()["id"]
    job = ImportContacts(import_id=answer.json()["id"])
    await ImportHandler(uploads)(JobContext(texting.world.tenancy, line.company_id), job)
    return ids


async def call(
    texting: Texting, route: tuple[str, str], line: Line, ids: dict[str, str], scope: Any = "admin"
) -> httpx.Response:
    request = dict(ROUTES[route][1])
    if "json" in request:
        request["json"] = {
            name: value.format(**ids) if isinstance(value, str) else value for name, value in request["json"].items()
        }
    return await texting.call(route[0], route[1].format(**ids), line, scope=scope, **request)


def seen(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    headers = sorted((name, value) for name, value in answer.headers.items() if name != "x-request-id")
    return answer.status_code, answer.content, headers


async def test_the_matrix_has_every_route(world: World) -> None:
    found = {
        (method.upper(), path)
        for path, methods in world.app.openapi()["paths"].items()
        for method in methods
        if path.startswith(CONTACTS)
    }
    assert found == set(ROUTES)


async def test_roles(texting: Texting, uploads: UploadStore, tmp_path: Path) -> None:
    ids = await make_things(texting, texting.a, uploads)
    before = texting.stored(texting.a, *TABLES)
    root = await texting.world.log_in(texting.world.super_admin)
    for (method, path), (level, request) in ROUTES.items():
        where = path.format(**ids)
        assert (await texting.client.request(method, where, **request)).status_code == 401
        assert (await root.request(method, where, **request)).status_code == 403
        for scope in RANKS[: RANKS.index(level)]:
            assert (await call(texting, (method, path), texting.a, ids, scope)).status_code == 403, (path, scope)
    # What was deleted is for those who may restore it.
    for scope, status in (("send", 403), ("manage", 200)):
        answer = await texting.call("GET", CONTACTS, texting.a, scope=scope, params={"deleted": True})
        assert answer.status_code == status
    assert texting.stored(texting.a, *TABLES) == before
    assert not [path for path in (tmp_path / "uploads").rglob("*") if path.is_file()]
    for route, (level, _) in ROUTES.items():
        answer = await call(texting, route, texting.a, ids, level)
        assert answer.is_success, (route, answer.text)


async def test_foreign_ids_are_like_ids_that_nobody_has_in_every_place(texting: Texting, uploads: UploadStore) -> None:
    theirs = await make_things(texting, texting.a, uploads)
    own = await make_things(texting, texting.b, uploads)
    before = texting.stored(texting.a, *TABLES), texting.stored(texting.b, *TABLES)
    for route, (_, request) in ROUTES.items():
        slots = [slot for slot in own if f"{{{slot}}}" in route[1] or f"{{{slot}}}" in str(request)]
        for slot in slots:
            foreign = await call(texting, route, texting.b, own | {slot: theirs[slot]})
            unknown = await call(texting, route, texting.b, own | {slot: str(new_id())})
            assert foreign.status_code == 404, (route, slot)
            assert seen(foreign) == seen(unknown), (route, slot)
    assert (texting.stored(texting.a, *TABLES), texting.stored(texting.b, *TABLES)) == before
    for route in ROUTES:
        assert (await call(texting, route, texting.b, own)).is_success, route
    assert texting.stored(texting.a, *TABLES) == before[0]


async def test_nothing_of_a_shows_to_b(texting: Texting, uploads: UploadStore) -> None:
    ids = await make_things(texting, texting.a, uploads)
    await texting.call("DELETE", f"{CONTACTS}/{ids['source_id']}", texting.a)
    for path in (
        "/api/audit-log",  # before b asks for canaries itself
        CONTACTS,
        f"{CONTACTS}?tag=canary",
        f"{CONTACTS}?q=canary",
        f"{CONTACTS}?deleted=true",
        f"{CONTACTS}/tags",
        f"{CONTACTS}/export",
        f"{CONTACTS}/export?tag=canary",
        IMPORTS,
    ):
        of_b = (await texting.call("GET", path, texting.b)).text.lower()
        of_a = (await texting.call("GET", path, texting.a)).text.lower()
        assert "canary" in of_a, path
        assert "canary" not in of_b, path


async def test_a_cursor_belongs_to_its_company(texting: Texting, uploads: UploadStore) -> None:
    await make_things(texting, texting.a, uploads)
    more = b"Phone\nbad\nworse\n"
    answer = await texting.call("POST", f"{CONTACTS}/import", texting.a, files={"file": ("b.csv", more)})
    job = ImportContacts(import_id=answer.json()["id"])
    await ImportHandler(uploads)(JobContext(texting.world.tenancy, texting.a.company_id), job)
    for path, filters in ((CONTACTS, {"tag": "canary"}), (IMPORTS, {})):
        params = {**filters, "limit": 1}
        params["cursor"] = (await texting.get(path, texting.a, **params))["next_cursor"]
        assert (await texting.call("GET", path, texting.a, params=params)).status_code == 200
        refused = await texting.call("GET", path, texting.b, params=params)
        assert (refused.status_code, refused.json()["code"]) == (422, "bad_cursor")
    errors = f"{IMPORTS}/{job.import_id}/errors"
    cursor = (await texting.get(errors, texting.a, limit=1))["next_cursor"]
    assert (await texting.call("GET", errors, texting.a, params={"cursor": cursor})).status_code == 200
    assert (await texting.call("GET", errors, texting.b, params={"cursor": cursor})).status_code == 404


async def test_a_job_reads_the_own_company_s_file_only(texting: Texting, uploads: UploadStore) -> None:
    answer = await texting.call("POST", f"{CONTACTS}/import", texting.a, files={"file": ("a.csv", CSV.encode())})
    job = ImportContacts(import_id=answer.json()["id"])
    before = texting.stored(texting.a, *TABLES), texting.stored(texting.b, *TABLES)

    await ImportHandler(uploads)(JobContext(texting.world.tenancy, texting.b.company_id), job)

    assert (texting.stored(texting.a, *TABLES), texting.stored(texting.b, *TABLES)) == before
    assert uploads.path(texting.a.company_id, job.import_id).exists()
    await ImportHandler(uploads)(JobContext(texting.world.tenancy, texting.a.company_id), job)
    assert len(texting.stored(texting.a, "contacts")["contacts"]) == 1


async def test_ids_in_a_file_mean_nothing(texting: Texting, uploads: UploadStore) -> None:
    theirs = await make_things(texting, texting.a, uploads)
    before = texting.stored(texting.a, *TABLES)
    data = f"id,company_id,contact_id,Phone,Name\n{theirs['contact_id']},{texting.a.company_id},x,{CUSTOMER},B\n"

    answer = await texting.call("POST", f"{CONTACTS}/import", texting.b, files={"file": ("b.csv", data.encode())})
    job = ImportContacts(import_id=answer.json()["id"])
    await ImportHandler(uploads)(JobContext(texting.world.tenancy, texting.b.company_id), job)

    assert texting.stored(texting.a, *TABLES) == before
    [made] = texting.stored(texting.b, "contacts")["contacts"]
    assert (made["first_name"], str(made["id"]) == theirs["contact_id"]) == ("B", False)


async def test_the_tables_are_fenced_by_the_database_itself(
    texting: Texting, uploads: UploadStore, database: Database
) -> None:
    await make_things(texting, texting.a, uploads)
    a, b = texting.a.company_id, texting.b.company_id
    with psycopg.connect(database.app_url) as connection:
        for table in ("contact_tags", "contact_imports", "contact_import_problems"):
            for company, visible in ((b, False), (a, True)):
                connection.execute(f"SET LOCAL ringfence.company_id = '{company}'")
                [count] = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or [None]
                assert (count > 0) is visible, table
            connection.execute(f"SET LOCAL ringfence.company_id = '{b}'")
            assert connection.execute(f"DELETE FROM {table}").rowcount == 0
            connection.rollback()


async def test_references_across_companies_are_refused_by_the_database(texting: Texting, uploads: UploadStore) -> None:
    theirs = await make_things(texting, texting.a, uploads)
    own = await make_things(texting, texting.b, uploads)
    for statement, foreign, right in (
        ("UPDATE contacts SET merged_into = %s WHERE id = %s", theirs["contact_id"], own["contact_id"]),
        ("UPDATE contact_tags SET contact_id = %s WHERE contact_id = %s", theirs["contact_id"], own["contact_id"]),
        (
            "UPDATE contact_import_problems SET import_id = %s WHERE import_id = %s",
            theirs["import_id"],
            own["import_id"],
        ),
    ):
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            texting.change(statement, foreign, right)
        texting.change(statement, right, right)
