"""Contacts from a file: uploaded through the door, read by a worker."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from ringfence.features.contacts.actions.upload_store import UploadStore
from ringfence.features.contacts.jobs import ImportHandler
from ringfence.features.contacts.values import ImportContacts
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.texts import CUSTOMER, Line, Texting
from tests.factories.waiting import eventually
from tests.integration.contacts.test_contacts import CONTACTS, make
from tests.integration.jobs.jobs_world import working

IMPORT = f"{CONTACTS}/import"


async def upload(
    texting: Texting, line: Line, data: str | bytes, *, name: str = "people.csv", **options: str
) -> httpx.Response:
    content = data.encode() if isinstance(data, str) else data
    return await texting.call(
        "POST", IMPORT, line, scope="manage", files={"file": (name, content)}, data=options or None
    )


async def run(texting: Texting, line: Line, uploads: UploadStore, import_id: str) -> Any:
    """What the worker does with the import's job; the import afterwards."""
    context = JobContext(texting.world.tenancy, line.company_id)
    await ImportHandler(uploads)(context, ImportContacts(import_id=import_id))
    return await texting.get(f"{CONTACTS}/imports/{import_id}", line)


async def imported(
    texting: Texting, uploads: UploadStore, data: str | bytes, *, line: Line | None = None, **options: str
) -> Any:
    answer = await upload(texting, line or texting.a, data, **options)
    assert answer.status_code == 202, answer.text
    return await run(texting, line or texting.a, uploads, answer.json()["id"])


def counts(done: Any) -> tuple[int, ...]:
    return tuple(done[f"{kind}_count"] for kind in ("created", "updated", "skipped", "duplicate", "bad"))


async def people(texting: Texting, line: Line | None = None) -> dict[str, Any]:
    items = (await texting.get(CONTACTS, line or texting.a, limit=200))["items"]
    return {item["phone_number"]: item for item in items}


def files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "uploads").rglob("*") if path.is_file()]


async def test_a_file_becomes_contacts_and_is_deleted(
    texting: Texting, uploads: UploadStore, database: Database, tmp_path: Path
) -> None:
    data = (
        "First Name;Last Name;Mobile;E-Mail;Company;Tags;Time zone;custom.plan;id;company_id;Shoe\n"
        f"Zoë;Li;(602) 555-0143;zoe@acme.example;Acme;VIP, new;America/Phoenix;gold;{new_id()};{new_id()};42\n"
        "Bo;;+44 20 7946 0202;;;;;;;;\n"
    )

    answer = await upload(texting, texting.a, data, name="C:\\Users\\zoe\\Leads 2026.csv")

    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert (made["status"], made["file_name"], made["encoding"], made["separator"]) == (
        "queued",
        "Leads 2026.csv",
        "utf-8",
        ";",
    )
    assert made["mapping"]["Mobile"] == "phone_number"
    assert made["ignored_columns"] == ["id", "company_id", "Shoe"]
    assert (made["rows_total"], made["rows_done"]) == (2, 0)
    assert [path.parent.name for path in files(tmp_path)] == [str(texting.a.company_id)]
    assert {path.stat().st_mode & 0o777 for path in files(tmp_path)} == {0o600}

    async def is_done() -> bool:
        return (await texting.get(f"{CONTACTS}/imports/{made['id']}", texting.a))["status"] == "done"

    async with working(texting.world.tenancy, database, {ImportContacts: ImportHandler(uploads)}):
        await eventually(is_done)
        await eventually(lambda: asyncio.to_thread(lambda: not files(tmp_path)))
    done = await texting.get(f"{CONTACTS}/imports/{made['id']}", texting.a)
    assert (counts(done), done["rows_done"]) == ((2, 0, 0, 0, 0), 2)
    found = await people(texting)
    zoe = found["+16025550143"]
    assert (zoe["first_name"], zoe["last_name"], zoe["organisation"]) == ("Zoë", "Li", "Acme")
    assert (zoe["tags"], zoe["time_zone"], zoe["custom_fields"]) == (
        ["new", "vip"],
        "America/Phoenix",
        {"plan": "gold"},
    )
    assert found["+442079460202"]["first_name"] == "Bo"
    assert await people(texting, texting.b) == {}
    [entry] = (await texting.get("/api/audit-log", texting.a, action="contacts.import_started"))["items"]
    assert entry["after"]["rows"] == 2


async def test_every_row_that_is_not_taken_is_listed_with_its_line(texting: Texting, uploads: UploadStore) -> None:
    data = (
        "Phone,Name,Email\n"
        "+16025550143,Zoe,\n"
        "12,Bad,\n"
        "602 555 0143,Again,\n"
        ",Nobody,\n"
        "\n"
        "+16025550144,Mail,nonsense\n"
        '"+16025550145","Open\n'
        "+16025550146,Swallowed,\n"
    )

    done = await imported(texting, uploads, data)

    assert (done["status"], done["rows_total"], done["rows_done"]) == ("done", 6, 6)
    assert counts(done) == (1, 0, 0, 1, 4)
    path = f"{CONTACTS}/imports/{done['id']}/errors"
    first = await texting.get(path, texting.a, limit=3)
    rest = await texting.get(path, texting.a, limit=3, cursor=first["next_cursor"])
    assert rest["next_cursor"] is None
    listed = first["items"] + rest["items"]
    assert [(item["line"], item["kind"]) for item in listed] == [
        (3, "bad"),
        (4, "duplicate"),
        (5, "bad"),
        (7, "bad"),
        (8, "bad"),
    ]
    for item, words in zip(listed, ("too few", "line 2", "empty", "e-mail", "lines 8 to"), strict=True):
        assert words in item["reason"], item
    assert list(await people(texting)) == ["+16025550143"]


async def test_contacts_that_are_there_are_updated_or_left(texting: Texting, uploads: UploadStore) -> None:
    zoe = await make(
        texting,
        texting.a,
        first_name="Zoë",
        email="zoe@acme.example",
        phone_number=CUSTOMER,
        tags=["a"],
        custom_fields={"plan": "gold", "x": "1"},
    )
    data = f"Phone,First name,Last name,Email,Tags,custom.plan\n{CUSTOMER},Zoe,Li,,b,tin\n+16025550143,Bo,,,,\n"

    skipped = await imported(texting, uploads, data, existing="skip")
    left = (await people(texting))[CUSTOMER]
    updated = await imported(texting, uploads, data, existing="update")
    after = (await people(texting))[CUSTOMER]

    assert counts(skipped) == (1, 0, 1, 0, 0)
    assert left == zoe
    assert counts(updated) == (0, 2, 0, 0, 0)
    assert (after["id"], after["first_name"], after["last_name"], after["email"]) == (
        zoe["id"],
        "Zoe",
        "Li",
        "zoe@acme.example",
    )
    assert (after["tags"], after["custom_fields"]) == (["a", "b"], {"plan": "tin", "x": "1"})


async def test_a_deleted_contact_is_not_brought_back(texting: Texting, uploads: UploadStore) -> None:
    zoe = await make(texting, texting.a, first_name="Zoë", phone_number=CUSTOMER)
    await texting.call("DELETE", f"{CONTACTS}/{zoe['id']}", texting.a)

    assert counts(await imported(texting, uploads, f"Phone,Name\n{CUSTOMER},New\n")) == (1, 0, 0, 0, 0)
    assert (await people(texting))[CUSTOMER]["id"] != zoe["id"]


async def test_numbers_are_read_in_the_companys_region(texting: Texting, uploads: UploadStore) -> None:
    answer = await texting.call("PATCH", "/api/company", texting.a, json={"default_region": "GB"})
    assert answer.status_code == 200

    await imported(texting, uploads, "Phone\n020 7946 0202\n")

    assert list(await people(texting)) == ["+442079460202"]


async def test_a_mapping_that_is_given_is_followed(texting: Texting, uploads: UploadStore) -> None:
    mapping = {"Wo": "phone_number", "Wer": "full_name", "3": "custom.notiz", "Phone": None}
    data = f"Wo|Wer|Was|Phone\n{CUSTOMER}|Zoë van Li|Kaffee|x\n".encode("utf-16")

    done = await imported(texting, uploads, data, mapping=json.dumps(mapping), separator="|", encoding="utf-16")

    assert done["mapping"] == {"Wo": "phone_number", "Wer": "full_name", "Was": "custom.notiz"}
    assert done["ignored_columns"] == ["Phone"]
    zoe = (await people(texting))[CUSTOMER]
    assert (zoe["first_name"], zoe["last_name"], zoe["custom_fields"]) == ("Zoë", "van Li", {"notiz": "Kaffee"})


@pytest.mark.parametrize(
    ("data", "options", "code"),
    [
        ("", {}, "empty_file"),
        ("Name\nZoe\n", {}, "no_phone_column"),
        ("Phone\n1\n", {"mapping": "{"}, "invalid"),
        ("Phone\n1\n", {"mapping": "[1]"}, "invalid"),
        ("Phone\n1\n", {"mapping": '{"Phone": 1}'}, "invalid"),
        ("Phone\n1\n", {"mapping": '{"Phone": "company_id"}'}, "unknown_field"),
        ("Phone\n1\n", {"existing": "replace"}, "invalid"),
        ("Phone\n1\n", {"encoding": "rot13"}, "invalid"),
        ("Phone\n1\n", {"separator": "x"}, "invalid"),
        ("Phone\n1\n", {"header": "perhaps"}, "invalid"),
        ("Phone\n1\n", {"company_id": "x"}, "invalid"),
    ],
)
async def test_what_cannot_be_read_is_422_and_leaves_nothing(
    texting: Texting, tmp_path: Path, data: str, options: dict[str, str], code: str
) -> None:
    answer = await upload(texting, texting.a, data, **options)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert files(tmp_path) == []
    assert texting.stored(texting.a, "contact_imports") == {"contact_imports": []}
    assert (await upload(texting, texting.a, "Phone\n1\n")).status_code == 202


async def test_a_body_without_a_file_is_422(texting: Texting) -> None:
    for request in (
        {"data": {"existing": "skip"}},
        {"json": {"file": "x"}},
        {"content": b"", "headers": {"Content-Type": "text/csv"}},
    ):
        answer = await texting.call("POST", IMPORT, texting.a, **request)
        assert answer.status_code == 422, answer.text
    broken = await texting.call(
        "POST", IMPORT, texting.a, content=b"x", headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert broken.status_code in {400, 422}
    two = [("file", ("a.csv", b"Phone\n1\n")), ("file", ("b.csv", b"Phone\n1\n"))]
    assert (await texting.call("POST", IMPORT, texting.a, files=two)).status_code == 400


async def test_only_this_address_takes_a_large_body(texting: Texting, tmp_path: Path) -> None:
    large = b"Phone,Note\n" + b"+16025550143," + b"n" * 100_000 + b"\n" + b"1,x\n" * 100
    large += b"2," + b"n" * 2_000_000 + b"\n"
    refused = await upload(texting, texting.a, b"x" * 20_200_000)
    elsewhere = await texting.call("POST", CONTACTS, texting.a, files={"file": ("a.csv", large)})
    over = await upload(texting, texting.a, b"Phone\n" + b"1\n" * 10_000_010)

    assert (refused.status_code, elsewhere.status_code) == (413, 413)
    assert (over.status_code, over.json()["code"]) == (422, "file_too_large")
    assert files(tmp_path) == []
    assert (await upload(texting, texting.a, large)).status_code == 202


async def test_a_crash_in_the_middle_is_gone_on_from_without_doubles(texting: Texting, uploads: UploadStore) -> None:
    lines = [f"+1602{5550000 + n},N{n}" for n in range(1200)]
    lines[700] = lines[3]
    made = (await upload(texting, texting.a, "Phone,Name\n" + "\n".join(lines))).json()
    with psycopg.connect(texting.database.admin_url, autocommit=True) as admin:
        admin.execute(
            "CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'crash'; END $$;"
            "CREATE TRIGGER crash BEFORE UPDATE ON contact_imports FOR EACH ROW"
            " WHEN (NEW.rows_done > 1000) EXECUTE FUNCTION crash()"
        )
        with pytest.raises(DBAPIError, match="crash"):
            await run(texting, texting.a, uploads, made["id"])
        admin.execute("DROP FUNCTION crash CASCADE")
    half = await texting.get(f"{CONTACTS}/imports/{made['id']}", texting.a)
    assert (half["status"], half["rows_done"], counts(half)) == ("running", 1000, (999, 0, 0, 1, 0))

    done = await run(texting, texting.a, uploads, made["id"])

    assert (done["status"], done["rows_done"], counts(done)) == ("done", 1200, (1199, 0, 0, 1, 0))
    assert len(texting.stored(texting.a, "contacts")["contacts"]) == 1199
    assert len(texting.stored(texting.a, "contact_import_problems")["contact_import_problems"]) == 1
    again = await run(texting, texting.a, uploads, made["id"])
    assert again == done


async def test_two_runs_at_once_take_no_row_twice(texting: Texting, uploads: UploadStore) -> None:
    lines = "\n".join(f"+1602{5550000 + n},N{n}" for n in range(2000)) + "\nbad,x\n"
    made = (await upload(texting, texting.a, "Phone,Name\n" + lines)).json()

    await asyncio.gather(*(run(texting, texting.a, uploads, made["id"]) for _ in range(3)))

    done = await texting.get(f"{CONTACTS}/imports/{made['id']}", texting.a)
    assert (done["status"], counts(done)) == ("done", (2000, 0, 0, 0, 1))
    assert len(texting.stored(texting.a, "contacts")["contacts"]) == 2000


async def test_a_file_that_is_gone_ends_the_import_with_its_reason(texting: Texting, uploads: UploadStore) -> None:
    made = (await upload(texting, texting.a, "Phone\n+16025550143\n")).json()
    await uploads.remove(texting.a.company_id, made["id"])

    done = await run(texting, texting.a, uploads, made["id"])

    assert (done["status"], done["rows_done"]) == ("failed", 0)
    assert "upload it again" in done["reason"]


async def test_what_a_dead_process_left_is_cleared_away(texting: Texting, uploads: UploadStore) -> None:
    waiting = (await upload(texting, texting.a, "Phone\n+16025550143\n")).json()
    old, young = (uploads.path(texting.a.company_id, new_id()) for _ in range(2))
    foreign = uploads.path(texting.b.company_id, new_id())
    foreign.parent.mkdir(parents=True)
    for path in (old, young, foreign):
        path.write_bytes(b"left")
    kept = uploads.path(texting.a.company_id, waiting["id"])
    for path in (old, foreign, kept):
        os.utime(path, (0, 0))

    await imported(texting, uploads, "Phone\n+16025550144\n")

    assert [path.exists() for path in (old, young, foreign, kept)] == [False, True, True, True]


async def test_a_contact_is_not_given_too_many_fields(texting: Texting, uploads: UploadStore) -> None:
    await make(
        texting,
        texting.a,
        first_name="Full",
        phone_number=CUSTOMER,
        custom_fields={f"f{n}": "x" for n in range(50)},
    )

    done = await imported(texting, uploads, f"Phone,custom.f0,custom.new\n{CUSTOMER},y,\n+16025550143,,z\n")
    over = await imported(texting, uploads, f"Phone,custom.f0,custom.new\n{CUSTOMER},y,z\n")

    assert (counts(done), counts(over)) == ((1, 1, 0, 0, 0), (0, 0, 0, 0, 1))
    assert len((await people(texting))[CUSTOMER]["custom_fields"]) == 50


async def test_imports_are_listed(texting: Texting, uploads: UploadStore) -> None:
    first = await imported(texting, uploads, "Phone\n+16025550143\n", name="first.csv")
    second = await imported(texting, uploads, "Phone\n+16025550144\n", name="second.csv")

    page = await texting.get(f"{CONTACTS}/imports", texting.a, limit=1)
    rest = await texting.get(f"{CONTACTS}/imports", texting.a, limit=1, cursor=page["next_cursor"])

    assert page["items"] + rest["items"] == [second, first]
