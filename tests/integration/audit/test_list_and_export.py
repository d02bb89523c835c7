"""Filters of the audit log's list, and its CSV: the same rows, safe cells, an entry of its own."""

import csv
import io
import json

import httpx
import pytest

from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.routes import EXPORT_PAGE
from ringfence.features.audit_log.values import SYSTEM, Actor
from tests.factories.world import World

FORMULA = '=HYPERLINK("https://evil.example","open")'


@pytest.fixture
async def acted(world: World) -> World:
    """Each company's person, key and rule did something, on different things."""
    for company in (world.a, world.b):
        async with world.tenancy.tenant(company.company_id) as session:
            for number in range(3):
                person = Actor(kind="user", id=company.manager.id, name=FORMULA)
                record(session, actor=person, action=f"test.{number}", target_kind="thing", target_id=f"t{number}")
            record(session, actor=SYSTEM, action="test.0", target_kind="other", target_id=None, after={"q": 'a,"b"'})
    return world


async def listed(client: httpx.AsyncClient, world: World, **params: object) -> list[tuple[str, str]]:
    answer = await client.get("/api/audit-log", params=params, headers=world.a.headers("admin"))
    assert answer.status_code == 200, answer.text
    return [(item["action"], item["actor_kind"]) for item in answer.json()["items"]]


async def exported(client: httpx.AsyncClient, world: World, **params: object) -> list[dict[str, str]]:
    answer = await client.get("/api/audit-log/export", params=params, headers=world.a.headers("admin"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-log.csv"'
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def test_each_filter_narrows_list_and_export_alike(acted: World, client: httpx.AsyncClient) -> None:
    manager = str(acted.a.manager.id)
    cases: list[tuple[dict[str, str], list[tuple[str, str]]]] = [
        ({"action": "test.0"}, [("test.0", "system"), ("test.0", "user")]),
        ({"action": "test.0", "actor_kind": "user"}, [("test.0", "user")]),
        ({"actor_id": manager}, [("test.2", "user"), ("test.1", "user"), ("test.0", "user")]),
        ({"target_kind": "other"}, [("test.0", "system")]),
        ({"target_kind": "thing", "target_id": "t1"}, [("test.1", "user")]),
        ({"actor_id": str(acted.b.manager.id)}, []),
        ({"action": "never.done"}, []),
    ]
    for params, expected in cases:
        assert await listed(client, acted, **params) == expected, params
        rows = await exported(client, acted, **params)
        assert [(row["action"], row["actor_kind"]) for row in rows] == expected, params


async def test_dates_are_instants_with_offset_from_and_before(acted: World, client: httpx.AsyncClient) -> None:
    headers = acted.a.headers("admin")
    items = (await client.get("/api/audit-log", params={"target_kind": "thing"}, headers=headers)).json()["items"]
    newest, middle, oldest = (item["at"] for item in items)
    assert await listed(client, acted, target_kind="thing", since=middle) == [("test.2", "user"), ("test.1", "user")]
    assert await listed(client, acted, target_kind="thing", until=middle) == [("test.0", "user")]
    assert await listed(client, acted, target_kind="thing", since=oldest, until=newest) == [
        ("test.1", "user"),
        ("test.0", "user"),
    ]
    for wrong in ({"since": "2026-03-01T10:00:00"}, {"until": "yesterday"}, {"actor_kind": "nobody"}):
        assert (await client.get("/api/audit-log", params=wrong, headers=headers)).status_code == 422
        assert (await client.get("/api/audit-log/export", params=wrong, headers=headers)).status_code == 422


async def test_cursor_belongs_to_its_filters(acted: World, client: httpx.AsyncClient) -> None:
    headers = acted.a.headers("admin")
    filters = {"target_kind": "thing", "limit": "1"}
    cursor = (await client.get("/api/audit-log", params=filters, headers=headers)).json()["next_cursor"]
    assert await listed(client, acted, **filters, cursor=cursor) == [("test.1", "user")]
    for other in ({"target_kind": "other"}, {"target_kind": "thing", "actor_kind": "user"}, {}):
        refused = await client.get("/api/audit-log", params={**other, "limit": "1", "cursor": cursor}, headers=headers)
        assert refused.json()["code"] == "bad_cursor"


async def test_export_is_an_entry_and_holds_only_what_was_there(acted: World, client: httpx.AsyncClient) -> None:
    rows = await exported(client, acted, target_kind="thing")
    assert {row["actor_name"] for row in rows} == {f"'{FORMULA}"}

    headers = acted.a.headers("admin")
    entries = (await client.get("/api/audit-log", params={"action": "audit_log.exported"}, headers=headers)).json()
    [entry] = entries["items"]
    assert (entry["actor_kind"], entry["after"]) == ("api_key", {"target_kind": "thing"})
    everything = await exported(client, acted)
    # The export's own entry is the newest one, and not part of it.
    assert [row["action"] for row in everything if row["action"] == "audit_log.exported"] == ["audit_log.exported"]
    assert len(everything) == len(await listed(client, acted, limit=200)) - 1
    other = next(row for row in everything if row["target_kind"] == "other")
    assert json.loads(other["after"]) == {"q": 'a,"b"'}
    assert str(acted.b.company_id) not in json.dumps(everything)
    assert not {row["id"] for row in everything} & {
        item["id"]
        for item in (
            await client.get("/api/audit-log", params={"limit": 200}, headers=acted.b.headers("admin"))
        ).json()["items"]
    }


async def test_export_of_many_pages_is_whole(world: World, client: httpx.AsyncClient) -> None:
    count = EXPORT_PAGE * 2 + 1
    async with world.tenancy.tenant(world.a.company_id) as session:
        for number in range(count):
            record(session, actor=SYSTEM, action="test.many", target_kind="test", target_id=number)
    rows = await exported(client, world, action="test.many")
    assert [row["target_id"] for row in rows] == [str(number) for number in reversed(range(count))]


async def test_export_is_for_admins(acted: World, client: httpx.AsyncClient) -> None:
    for scope in ("read", "send", "manage"):
        for path in ("/api/audit-log", "/api/audit-log/export"):
            assert (await client.get(path, headers=acted.a.headers(scope))).status_code == 403
    assert await listed(client, acted, action="audit_log.exported") == []
    assert await exported(client, acted) != []
