"""Contacts: tags, custom fields, zone, deletion and its undoing."""

from typing import Any

import psycopg
import pytest

from tests.factories.cluster import Database
from tests.factories.texts import CUSTOMER, Line, Texting

CONTACTS = "/api/contacts"


async def make(texting: Texting, line: Line, **details: Any) -> Any:
    answer = await texting.call("POST", CONTACTS, line, scope="send", json=details)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def change(texting: Texting, contact: Any, **changes: Any) -> Any:
    answer = await texting.call("PATCH", f"{CONTACTS}/{contact['id']}", texting.a, scope="send", json=changes)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def names(texting: Texting, **params: Any) -> list[str]:
    return [item["first_name"] for item in (await texting.get(CONTACTS, texting.a, **params))["items"]]


async def test_tags_fields_and_zone_are_kept_and_changed(texting: Texting) -> None:
    zoe = await make(
        texting,
        texting.a,
        first_name="Zoë",
        time_zone="America/Phoenix",
        tags=["VIP", " vip ", "New  Client"],
        custom_fields={"plan": " gold ", "since": "2020"},
    )

    assert zoe["tags"] == ["new client", "vip"]
    assert zoe["custom_fields"] == {"plan": "gold", "since": "2020"}
    assert (zoe["time_zone"], zoe["deleted_at"]) == ("America/Phoenix", None)
    same = await change(texting, zoe, last_name="Li")
    assert (same["tags"], same["custom_fields"], same["time_zone"]) == (
        zoe["tags"],
        zoe["custom_fields"],
        zoe["time_zone"],
    )
    other = await change(texting, zoe, tags=["b", "a"], custom_fields={"plan": None, "size": "L"}, time_zone=None)
    assert (other["tags"], other["custom_fields"], other["time_zone"]) == (
        ["a", "b"],
        {"since": "2020", "size": "L"},
        None,
    )
    assert (await change(texting, zoe, tags=[]))["tags"] == []
    assert await texting.get(f"{CONTACTS}/{zoe['id']}", texting.a) | {"updated_at": None} == other | {
        "tags": [],
        "updated_at": None,
    }


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"time_zone": "Mars/Base"}, "unknown_time_zone"),
        ({"tags": [" "]}, "invalid"),
        ({"tags": ["a" * 51]}, "invalid"),
        ({"tags": [str(n) for n in range(51)]}, "invalid"),
        ({"tags": None}, "invalid"),
        ({"custom_fields": {"a b": "x"}}, "invalid"),
        ({"custom_fields": {"a": ""}}, "invalid"),
        ({"custom_fields": {"a": "x" * 201}}, "invalid"),
        ({"custom_fields": {"a": 7}}, "invalid"),
        ({"custom_fields": {"a": {"b": "c"}}}, "invalid"),
        ({"custom_fields": {f"f{n}": "x" for n in range(51)}}, "invalid"),
        ({"merged_into": "0193b3a0-0000-7000-8000-000000000000"}, "invalid"),
        ({"deleted_at": None}, "invalid"),
    ],
)
async def test_what_is_wrong_is_422_and_changes_nothing(texting: Texting, wrong: dict[str, Any], code: str) -> None:
    zoe = await make(texting, texting.a, first_name="Zoë", tags=["a"], custom_fields={"b": "c"})
    before = texting.stored(texting.a, "contacts", "contact_tags")

    for method, path, body in (
        ("POST", CONTACTS, {"first_name": "Bo"} | wrong),
        ("PATCH", f"{CONTACTS}/{zoe['id']}", wrong),
    ):
        answer = await texting.call(method, path, texting.a, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code)

    assert texting.stored(texting.a, "contacts", "contact_tags") == before


async def test_custom_fields_do_not_grow_without_end(texting: Texting) -> None:
    zoe = await make(texting, texting.a, first_name="Zoë", custom_fields={f"f{n}": "x" for n in range(50)})

    refused = await texting.call(
        "PATCH", f"{CONTACTS}/{zoe['id']}", texting.a, json={"custom_fields": {"one_more": "x"}}
    )

    assert (refused.status_code, refused.json()["code"]) == (422, "too_many_fields")
    assert len((await change(texting, zoe, custom_fields={"f0": None, "one_more": "x"}))["custom_fields"]) == 50


async def test_lists_and_counts_by_tag(texting: Texting) -> None:
    for number, name in enumerate(("Al", "Bo", "Cy", "Di")):
        await make(texting, texting.a, first_name=name, tags=["all", *(["even"] if number % 2 else [])])
    await make(texting, texting.b, first_name="Zed", tags=["all", "secret"])
    gone = await make(texting, texting.a, first_name="Gone", tags=["all", "gone"])
    await texting.call("DELETE", f"{CONTACTS}/{gone['id']}", texting.a)

    assert await names(texting, tag="all") == ["Di", "Cy", "Bo", "Al"]
    assert await names(texting, tag=" EVEN ") == ["Di", "Bo"]
    assert await names(texting, tag="even", q="b") == ["Bo"]
    assert await names(texting, tag="gone") == await names(texting, tag="secret") == []
    first = await texting.get(CONTACTS, texting.a, tag="all", limit=3)
    rest = await texting.get(CONTACTS, texting.a, tag="all", limit=3, cursor=first["next_cursor"])
    assert [item["first_name"] for item in first["items"] + rest["items"]] == ["Di", "Cy", "Bo", "Al"]
    counts = await texting.get(f"{CONTACTS}/tags", texting.a)
    assert counts["items"] == [{"tag": "all", "contacts": 4}, {"tag": "even", "contacts": 2}]
    stolen = await texting.call("GET", CONTACTS, texting.a, params={"tag": "even", "cursor": first["next_cursor"]})
    assert (stolen.status_code, stolen.json()["code"]) == (422, "bad_cursor")


async def test_contacts_of_a_tag_are_an_index_scan_under_row_security(texting: Texting, database: Database) -> None:
    zoe = await make(texting, texting.a, first_name="Zoë", tags=["vip"])
    company = texting.a.company_id
    texting.change(
        "INSERT INTO contacts (company_id, id, first_name, created_at, updated_at)"
        " SELECT %s, gen_random_uuid(), 'n', now(), now() FROM generate_series(1, 5000)",
        company,
    )
    texting.change(
        "INSERT INTO contact_tags (company_id, contact_id, tag)"
        " SELECT company_id, id, 'many' FROM contacts WHERE company_id = %s",
        company,
    )
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        admin.execute("ANALYZE contacts, contact_tags")
    with psycopg.connect(database.app_url) as connection:
        connection.execute(f"SET LOCAL ringfence.company_id = '{company}'")
        plan = connection.execute(
            "EXPLAIN SELECT c.* FROM contacts c JOIN contact_tags t ON t.company_id = c.company_id"
            " AND t.contact_id = c.id AND t.tag = 'vip' WHERE c.company_id = %s AND c.deleted_at IS NULL"
            " ORDER BY c.created_at DESC, c.id DESC LIMIT 51",
            [company],
        ).fetchall()
    lines = "\n".join(line for (line,) in plan)
    assert "ix_contact_tags_company_id_tag_contact_id" in lines
    assert "tag = 'vip'" in next(line for line in lines.splitlines() if "Index Cond" in line and "tag" in line)
    assert "Seq Scan" not in lines
    assert [item["id"] for item in (await texting.get(CONTACTS, texting.a, tag="vip"))["items"]] == [zoe["id"]]


async def test_a_deleted_contact_is_nowhere_until_it_is_restored(texting: Texting) -> None:
    zoe = await make(texting, texting.a, first_name="Zoë", phone_number=CUSTOMER, tags=["vip"])
    text = await texting.sent(texting.a)
    path = f"{CONTACTS}/{zoe['id']}"

    gone = await texting.call("DELETE", path, texting.a, scope="manage")

    assert (gone.status_code, gone.content) == (204, b"")
    for method in ("GET", "PATCH", "DELETE"):
        assert (await texting.call(method, path, texting.a, json={})).status_code == 404
    assert (await names(texting), await names(texting, q="Zoë")) == ([], [])
    assert await names(texting, deleted=True) == ["Zoë"]
    [thread] = (await texting.get("/api/sms/conversations", texting.a))["items"]
    assert thread["contact"] is None
    assert (await texting.message(texting.a, text["id"]))["body"] == text["body"]
    assert (await texting.sent(texting.a, body="After"))["contact_id"] is None

    back = await texting.call("POST", f"{path}/restore", texting.a, scope="manage")
    again = await texting.call("POST", f"{path}/restore", texting.a, scope="manage")

    assert (back.status_code, again.status_code) == (200, 200)
    assert back.json() == again.json()
    assert (back.json()["tags"], back.json()["deleted_at"]) == (["vip"], None)
    [thread] = (await texting.get("/api/sms/conversations", texting.a))["items"]
    assert thread["contact"]["id"] == zoe["id"]
    entries = (await texting.get("/api/audit-log", texting.a))["items"]
    of_zoe = [entry["action"] for entry in entries if entry["target_id"] == zoe["id"]]
    assert of_zoe[:2] == ["contact.restored", "contact.deleted"]


async def test_the_number_of_a_deleted_contact_is_free(texting: Texting) -> None:
    zoe = await make(texting, texting.a, first_name="Zoë", phone_number=CUSTOMER)
    await texting.call("DELETE", f"{CONTACTS}/{zoe['id']}", texting.a)
    bo = await make(texting, texting.a, first_name="Bo", phone_number=CUSTOMER)

    refused = await texting.call("POST", f"{CONTACTS}/{zoe['id']}/restore", texting.a)
    assert (refused.status_code, refused.json()["code"]) == (409, "contact_exists")
    assert refused.json()["contact_id"] == bo["id"]

    await change(texting, bo, phone_number=None)
    assert (await texting.call("POST", f"{CONTACTS}/{zoe['id']}/restore", texting.a)).status_code == 200
