"""Recipient lists: a file goes up, is looked at, is read, and every row of it is accounted for."""

import asyncio
import json
import os
import random
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from ringfence.features.bulk.actions.list_files import ListFiles
from ringfence.features.bulk.jobs.lists import ReadListHandler, SweepListsHandler
from ringfence.features.bulk.values.lists import ReadList, SweepLists
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.ids import new_id
from tests.factories.bulk import created
from tests.factories.cluster import Database
from tests.factories.lists import (
    LISTS,
    changed,
    counts,
    read,
    recipients,
    rejected,
    run,
    start,
    upload,
    uploaded,
    workbook,
)
from tests.factories.texts import CUSTOMER, Texting
from tests.factories.waiting import eventually
from tests.integration.jobs.jobs_world import working


def files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "lists").rglob("*") if path.is_file()]


async def test_a_file_becomes_recipients_and_is_deleted(
    texting: Texting, list_files: ListFiles, database: Database, tmp_path: Path
) -> None:
    data = (
        "Full name;Mobile;Order Number;Plan 2026;;Note\n"
        "Zoë van Li;(602) 555-0143;A-17;gold;x;see {order}\n"
        "Bo;+44 20 7946 0202;;;;'=1+1\n"
    )

    made = await uploaded(texting, texting.a, data, file="C:\\Users\\zoe\\Leads 2026.csv", separator=";")

    assert (made["status"], made["name"], made["file_name"]) == ("draft", "Leads 2026.csv", "Leads 2026.csv")
    assert (made["file_kind"], made["encoding"], made["separator"], made["has_header"]) == ("csv", "utf-8", ";", True)
    assert made["mapping"] == {
        "Full name": "contact.full_name",
        "Mobile": "phone_number",
        "Order Number": "order_number",
        "Plan 2026": "plan_2026",
        "Note": "Note",
    }
    assert made["ignored_columns"] == [""]
    assert (made["rows_total"], made["rows_done"]) == (2, 0)
    assert [path.parent.name for path in files(tmp_path)] == [str(texting.a.company_id)]
    assert {path.stat().st_mode & 0o777 for path in files(tmp_path)} == {0o600}
    preview = await texting.get(f"{LISTS}/{made['id']}/preview", texting.a)
    assert preview["columns"] == ["Full name", "Mobile", "Order Number", "Plan 2026", "", "Note"]
    assert [(row["line"], row["phone_number"], row["problem"]) for row in preview["items"]] == [
        (2, "+16025550143", None),
        (3, "+442079460202", None),
    ]
    assert preview["items"][0]["cells"][0] == "Zoë van Li"
    assert preview["items"][0]["variables"]["contact.first_name"] == "Zoë"

    async def is_ready() -> bool:
        return (await texting.get(f"{LISTS}/{made['id']}", texting.a))["status"] == "ready"

    assert (await start(texting, texting.a, made["id"]))["status"] == "reading"
    async with working(texting.world.tenancy, database, {ReadList: ReadListHandler(list_files)}):
        await eventually(is_ready)
        await eventually(lambda: asyncio.to_thread(lambda: not files(tmp_path)))
    done = await texting.get(f"{LISTS}/{made['id']}", texting.a)
    assert (counts(done), done["rows_done"]) == ((2, 0, 0), 2)
    zoe, bo = await recipients(texting, texting.a, made["id"])
    assert zoe == {
        "position": 1,
        "line": 2,
        "phone_number": "+16025550143",
        "contact_id": None,
        "variables": {
            "contact.full_name": "Zoë van Li",
            "contact.first_name": "Zoë",
            "contact.last_name": "van Li",
            "order_number": "A-17",
            "plan_2026": "gold",
            "Note": "see {order}",
        },
    }
    assert (bo["position"], bo["variables"]) == (
        2,
        {"contact.full_name": "Bo", "contact.first_name": "Bo", "Note": "=1+1"},
    )
    for action in ("bulk.list_added", "bulk.list_started"):
        [entry] = (await texting.get("/api/audit-log", texting.a, action=action))["items"]
        assert entry["target_id"] == made["id"]


async def test_ten_thousand_rows_are_accounted_for_line_by_line(texting: Texting, list_files: ListFiles) -> None:
    """Good, bad, doubled, blank and broken rows in any mixture: each line of the file ends in exactly one place."""
    choice = random.Random(7)
    lines = ["Phone,First name,Order"]
    wanted: dict[int, tuple[str, str]] = {}
    numbers: list[str] = []
    while len(lines) <= 10_000:
        line = len(lines) + 1
        kind = choice.choices(("good", "bad", "duplicate", "blank", "wide", "lines"), (900, 20, 30, 10, 5, 5))[0]
        if kind in {"good", "lines"} or not numbers:
            number = f"+1602{5_000_000 + len(numbers)}"
            spelled = choice.choice((number, number[2:], f"({number[2:5]}) {number[5:8]}-{number[8:]}"))
            numbers.append(number)
            wanted[line] = ("good", number)
            if kind == "lines":
                lines += [f'{spelled},"Two', f'lines",{line}']
            else:
                lines.append(f"{spelled},N{line},{line}")
        elif kind == "duplicate":
            wanted[line] = ("duplicate", choice.choice(numbers))
            lines.append(f"{wanted[line][1]},Again,{line}")
        elif kind == "bad":
            spelled = choice.choice(("", "12", "n/a", "+1602555", "6025550143 ext 5", "+999 602 555 0143"))
            wanted[line] = ("bad", spelled)
            lines.append(f"{spelled},Bad,{line}")
        elif kind == "wide":
            wanted[line] = ("bad", number := f"+1480{5_000_000 + line}")
            lines.append(f"{number},Wide,{line},more")
        else:
            lines.append(choice.choice(("", " ", ",,")))

    done = await read(texting, list_files, "\n".join(lines) + "\n")

    assert done["status"] == "ready"
    assert done["rows_done"] == done["rows_total"] == len(wanted) == sum(counts(done))
    taken = await recipients(texting, texting.a, done["id"])
    left = await rejected(texting, texting.a, done["id"])
    found = {row["line"]: ("good", row["phone_number"]) for row in taken}
    found |= {int(row["line"]): (row["kind"], row["Phone"].removeprefix("'")) for row in left}
    assert found == wanted
    assert len(found) == len(taken) + len(left)
    assert [row["position"] for row in taken] == list(range(1, len(taken) + 1))
    assert [row["line"] for row in taken] == sorted(row["line"] for row in taken)
    first = {row["phone_number"]: row["line"] for row in taken}
    for row in left:
        assert row["Order"] == row["line"]
        if row["kind"] == "duplicate":
            assert row["reason"] == f"the same number stands in line {first[row['Phone']]} already"
        else:
            assert row["reason"]
    assert {row["variables"]["contact.first_name"] for row in taken} >= {"Two\nlines"}


async def test_the_reason_of_every_bad_row(texting: Texting, list_files: ListFiles) -> None:
    data = (
        "Phone,Name,Email\n"
        "+16025550143,Zoe,\n"
        "12,Bad,\n"
        ",Nobody,\n"
        "\n"
        f"+16025550144,{'n' * 501},\n"
        "+16025550145,a\x00b,\n"
        '"+16025550146","Open\n'
        "+16025550147,Swallowed,\n"
        '+16025550148,Next",\n'
        '+16025550149,"broken"quote,\n'
        "+16025550150,=HYPERLINK(1),x,y\n"
    )

    done = await read(texting, list_files, data)

    assert counts(done) == (1, 0, 7)
    rows = await rejected(texting, texting.a, done["id"])
    assert [int(row["line"]) for row in rows] == [3, 4, 6, 7, 8, 11, 12]
    words = ("too few", "empty", "longer than 500", "NUL", "a quote is missing", "cannot be read as CSV", "more cells")
    for row, word in zip(rows, words, strict=True):
        assert word in row["reason"], row
    # A spreadsheet must not run what stood there.
    assert rows[-1]["Name"] == "'=HYPERLINK(1)"
    assert [entry["target_id"] for entry in await exports(texting)] == [done["id"]]


async def exports(texting: Texting) -> list[dict[str, Any]]:
    return (await texting.get("/api/audit-log", texting.a, action="bulk.list_rejected_exported"))["items"]


@pytest.mark.parametrize(
    ("encoding", "told", "separator"),
    [
        ("utf-8", None, ","),
        ("utf-8-sig", None, ";"),
        ("utf-16", None, "\t"),
        ("utf-16-le", None, "|"),
        ("cp1252", None, ";"),
        ("cp1250", "cp1250", ","),
        ("mac_roman", "mac_roman", ","),
    ],
)
async def test_encodings_and_separators(
    texting: Texting, list_files: ListFiles, encoding: str, told: str | None, separator: str
) -> None:
    text = separator.join(("Vorname", "Handy")) + "\r\n" + separator.join(("Zoë", "+16025550143")) + "\r\n"

    done = await read(texting, list_files, text.encode(encoding), **({"encoding": told} if told else {}))

    assert (done["separator"], counts(done)) == (separator, (1, 0, 0))
    [row] = await recipients(texting, texting.a, done["id"])
    assert row["variables"] == {"contact.first_name": "Zoë"}


async def test_a_column_of_numbers_is_found_whatever_it_is_called(texting: Texting, list_files: ListFiles) -> None:
    """And where the guess is wrong, it is put right before anything is read."""
    data = "Kunde,Rückruf,Wert\nZoë,602 555 0143,7\nBo,602 555 0144,8\n"

    made = await uploaded(texting, texting.a, data, file="kunden.csv")

    assert made["mapping"] == {"Kunde": "Kunde", "Rückruf": "phone_number", "Wert": "Wert"}
    change = {"name": "Kunden", "mapping": {"Rückruf": "phone_number", "1": "contact.first_name", "Wert": None}}
    answer = await texting.call("PATCH", f"{LISTS}/{made['id']}", texting.a, scope="manage", json=change)
    assert answer.status_code == 200, answer.text
    assert answer.json()["mapping"] == {"Kunde": "contact.first_name", "Rückruf": "phone_number"}
    assert (answer.json()["name"], answer.json()["ignored_columns"]) == ("Kunden", ["Wert"])
    # The header says nothing about the columns' order, and without one there are no names to go by.
    answer = await texting.call("PATCH", f"{LISTS}/{made['id']}", texting.a, json={"has_header": False})
    assert (answer.json()["rows_total"], answer.json()["mapping"]) == (3, {"2": "phone_number"})
    answer = await texting.call("PATCH", f"{LISTS}/{made['id']}", texting.a, json={"mapping": {"1": "phone_number"}})
    assert answer.status_code == 200
    await start(texting, texting.a, made["id"])
    done = await run(texting, texting.a, list_files, made["id"])
    assert counts(done) == (0, 0, 3)
    late = await texting.call("PATCH", f"{LISTS}/{made['id']}", texting.a, json={"has_header": True})
    assert (late.status_code, late.json()["code"]) == (409, "list_state")
    renamed = await texting.call("PATCH", f"{LISTS}/{made['id']}", texting.a, json={"name": "Done"})
    assert renamed.json()["name"] == "Done"


async def test_a_file_without_numbers_can_be_looked_at_and_not_started(texting: Texting) -> None:
    made = await uploaded(texting, texting.a, "Name,Age\nZoe,7\n")

    answer = await texting.call("POST", f"{LISTS}/{made['id']}/start", texting.a)

    assert (answer.status_code, answer.json()["code"]) == (422, "no_phone_column")
    [row] = (await texting.get(f"{LISTS}/{made['id']}/preview", texting.a))["items"]
    assert (row["cells"], row["problem"]) == (["Zoe", "7"], "no column is known to hold phone numbers")


async def test_a_preview_shows_the_beginnings_of_long_cells(texting: Texting) -> None:
    for phone in ("+16025550143", "none"):
        made = await uploaded(texting, texting.a, f"Phone,Note\n{phone},{'n' * 100_000}\n")

        [row] = (await texting.get(f"{LISTS}/{made['id']}/preview", texting.a))["items"]

        assert row["cells"] == [phone, "n" * 1000]


@pytest.mark.parametrize(
    ("data", "options", "code"),
    [
        (b"", {}, "empty_file"),
        (b"Phone\n", {}, "empty_file"),
        (b"Phone\n\x81\x8d\n", {}, "unreadable_encoding"),
        (b"," * 200 + b"Phone\n1\n", {}, "too_many_columns"),
        (b"Phone\n" + b"," * 5_100_000, {}, "row_too_long"),
        (b"Phone\n1\n", {"mapping": "{"}, "invalid"),
        (b"Phone\n1\n", {"mapping": '{"Phone": "sender.name"}'}, "unknown_field"),
        (b"Phone\n1\n", {"mapping": '{"Fone": "phone_number"}'}, "unknown_column"),
        (b"Phone\n1\n", {"separator": "x"}, "invalid"),
        (b"Phone\n1\n", {"company_id": "x"}, "invalid"),
        (b"Phone\n1\n", {"name": "n" * 201}, "invalid"),
        (b"PK\x03\x04 and nothing more", {}, "not_xlsx"),
    ],
)
async def test_what_cannot_be_read_is_422_and_leaves_nothing(
    texting: Texting, tmp_path: Path, data: bytes, options: dict[str, str], code: str
) -> None:
    answer = await upload(texting, texting.a, data, **options)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert files(tmp_path) == []
    assert texting.stored(texting.a, "bulk_lists") == {"bulk_lists": []}
    assert (await upload(texting, texting.a, "Phone\n1\n")).status_code == 201


async def test_a_workbook(texting: Texting, list_files: ListFiles) -> None:
    data = workbook(
        [
            ("Mobile", "First name", "Visit", "Order"),
            (16025550143, "Zoë", None, 12.5),
            ("+1 602 555 0144", " Bo ", True, "A & B"),
            (),
            (6025550143.0, "Again", None, None),
            ("nobody", None, None, None),
        ]
    )

    done = await read(texting, list_files, data, file="people.bin")

    assert (done["file_kind"], done["encoding"], counts(done)) == ("xlsx", None, (2, 1, 1))
    zoe, bo = await recipients(texting, texting.a, done["id"])
    assert (zoe["line"], zoe["phone_number"]) == (2, "+16025550143")
    assert zoe["variables"] == {"contact.first_name": "Zoë", "Order": "12.5"}
    assert bo["variables"] == {"contact.first_name": "Bo", "Visit": "TRUE", "Order": "A & B"}
    assert [(row["line"], row["kind"]) for row in await rejected(texting, texting.a, done["id"])] == [
        ("5", "duplicate"),
        ("6", "bad"),
    ]
    refused = await upload(texting, texting.a, changed(data, {"xl/vbaProject.bin": b"Sub AutoOpen"}))
    assert (refused.status_code, refused.json()["code"]) == (422, "has_macros")


async def test_contacts_become_a_list_as_they_are_now(texting: Texting, list_files: ListFiles) -> None:
    made: dict[str, str] = {}
    for name, number, tags in (("Zoë", CUSTOMER, ["vip"]), ("Bo", None, ["vip"]), ("Al", "+16025550143", [])):
        body = {"first_name": name, "phone_number": number, "tags": tags}
        made[name] = (await texting.call("POST", "/api/contacts", texting.a, json=body)).json()["id"]
    await texting.call("POST", "/api/contacts", texting.b, json={"first_name": "Zoë", "phone_number": CUSTOMER})

    async def listed(**which: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        answer = await texting.call(
            "POST", f"{LISTS}/from-contacts", texting.a, scope="manage", json={"name": "Some", **which}
        )
        assert answer.status_code == 202, answer.text
        done = await run(texting, texting.a, list_files, answer.json()["id"])
        return done, await recipients(texting, texting.a, done["id"])

    everybody, all_of_them = await listed()
    vips, some = await listed(tag=" VIP ")
    _, found = await listed(search="al")

    assert (everybody["status"], everybody["source"], counts(everybody)) == ("ready", "contacts", (2, 0, 1))
    assert [row["contact_id"] for row in all_of_them] == [made["Al"], made["Zoë"]]
    assert (vips["filter_tag"], counts(vips)) == ("vip", (1, 0, 1))
    assert [(row["phone_number"], row["variables"], row["line"]) for row in some] == [(CUSTOMER, {}, None)]
    assert [row["contact_id"] for row in found] == [made["Al"]]
    [left] = await rejected(texting, texting.a, vips["id"])
    assert (left["reason"], left["contact_id"], left["name"]) == ("the contact has no phone number", made["Bo"], "Bo ")


async def test_many_contacts_are_taken_over_in_parcels_and_each_once(texting: Texting, list_files: ListFiles) -> None:
    texting.change(
        "INSERT INTO contacts (company_id, id, phone_number, created_at, updated_at) SELECT %s, gen_random_uuid(),"
        " '+1602' || (5550000 + n), now(), now() FROM generate_series(1, 1203) AS n",
        texting.a.company_id,
    )
    answer = await texting.call("POST", f"{LISTS}/from-contacts", texting.a, json={"name": "All"})

    await asyncio.gather(*(run(texting, texting.a, list_files, answer.json()["id"]) for _ in range(2)))

    done = await texting.get(f"{LISTS}/{answer.json()['id']}", texting.a)
    assert (done["status"], counts(done)) == ("ready", (1203, 0, 0))
    numbers = [row["phone_number"] for row in await recipients(texting, texting.a, done["id"])]
    assert len(numbers) == len(set(numbers)) == 1203


async def test_a_crash_in_the_middle_is_gone_on_from_without_doubles(texting: Texting, list_files: ListFiles) -> None:
    lines = [f"+1602{5_550_000 + n},N{n}" for n in range(12_000)]
    lines[7000] = lines[3]
    made = await uploaded(texting, texting.a, "Phone,Name\n" + "\n".join(lines))
    await start(texting, texting.a, made["id"])
    with psycopg.connect(texting.database.admin_url, autocommit=True) as admin:
        admin.execute(
            "CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'crash'; END $$;"
            "CREATE TRIGGER crash BEFORE UPDATE ON bulk_lists FOR EACH ROW"
            " WHEN (NEW.rows_done > 10000) EXECUTE FUNCTION crash()"
        )
        with pytest.raises(DBAPIError, match="crash"):
            await run(texting, texting.a, list_files, made["id"])
        admin.execute("DROP FUNCTION crash CASCADE")
    half = await texting.get(f"{LISTS}/{made['id']}", texting.a)
    assert (half["status"], half["rows_done"], counts(half)) == ("reading", 10_000, (9999, 1, 0))

    done = await run(texting, texting.a, list_files, made["id"])

    assert (done["status"], done["rows_done"], counts(done)) == ("ready", 12_000, (11_999, 1, 0))
    numbers = [row["phone_number"] for row in await recipients(texting, texting.a, done["id"])]
    assert len(numbers) == len(set(numbers)) == 11_999
    assert [row["line"] for row in await rejected(texting, texting.a, done["id"])] == ["7002"]
    assert await run(texting, texting.a, list_files, made["id"]) == done


async def test_two_runs_at_once_take_no_row_twice(texting: Texting, list_files: ListFiles) -> None:
    lines = "\n".join(f"+1602{5_550_000 + n},N{n}" for n in range(8000)) + "\nbad,x\n"
    made = await uploaded(texting, texting.a, "Phone,Name\n" + lines)
    await start(texting, texting.a, made["id"])

    await asyncio.gather(*(run(texting, texting.a, list_files, made["id"]) for _ in range(3)))

    done = await texting.get(f"{LISTS}/{made['id']}", texting.a)
    assert (done["status"], counts(done)) == ("ready", (8000, 0, 1))
    assert len(await recipients(texting, texting.a, made["id"])) == 8000


async def test_a_list_can_be_ended_and_deleted(texting: Texting, list_files: ListFiles, tmp_path: Path) -> None:
    made = await uploaded(texting, texting.a, "Phone\n+16025550143\n")
    await start(texting, texting.a, made["id"])

    ended = await texting.call("POST", f"{LISTS}/{made['id']}/cancel", texting.a, scope="manage")

    assert (ended.status_code, ended.json()["status"], files(tmp_path)) == (200, "canceled", [])
    after = await run(texting, texting.a, list_files, made["id"])
    assert (after["status"], counts(after)) == ("canceled", (0, 0, 0))
    for act in ("start", "cancel"):
        late = await texting.call("POST", f"{LISTS}/{made['id']}/{act}", texting.a)
        assert (late.status_code, late.json()["code"]) == (409, "list_state")
    draft = await uploaded(texting, texting.a, "Phone\n+16025550143\n")
    ready = await read(texting, list_files, "Phone\n+16025550143\n")
    assert (await texting.call("POST", f"{LISTS}/{ready['id']}/cancel", texting.a)).status_code == 409
    for gone in (made, draft, ready):
        answer = await texting.call("DELETE", f"{LISTS}/{gone['id']}", texting.a, scope="manage")
        assert answer.status_code == 204
        assert (await texting.call("GET", f"{LISTS}/{gone['id']}", texting.a)).status_code == 404
    assert files(tmp_path) == []
    assert texting.stored(texting.a, "bulk_list_parcels") == {"bulk_list_parcels": []}


async def test_a_list_that_a_bulk_send_uses_stays(texting: Texting) -> None:
    send = await created(texting, texting.a, [CUSTOMER])

    answer = await texting.call("DELETE", f"{LISTS}/{send['list_id']}", texting.a)

    assert (answer.status_code, answer.json()["code"]) == (409, "list_in_use")
    assert (await texting.call("GET", f"{LISTS}/{send['list_id']}", texting.a)).status_code == 200


async def test_a_file_that_is_gone_ends_the_list_with_its_reason(texting: Texting, list_files: ListFiles) -> None:
    made = await uploaded(texting, texting.a, "Phone\n+16025550143\n")
    await start(texting, texting.a, made["id"])
    await list_files.remove(texting.a.company_id, made["id"])

    done = await run(texting, texting.a, list_files, made["id"])

    assert (done["status"], done["rows_done"]) == ("failed", 0)
    assert "upload it again" in done["reason"]


async def test_what_nobody_went_on_with_is_cleared_away(texting: Texting, list_files: ListFiles) -> None:
    old, young = [await uploaded(texting, texting.a, "Phone\n+16025550143\n") for _ in range(2)]
    waiting = await uploaded(texting, texting.a, "Phone\n+16025550143\n")
    await start(texting, texting.a, waiting["id"])
    theirs = await uploaded(texting, texting.b, "Phone\n+16025550143\n")
    texting.change("UPDATE bulk_lists SET updated_at = now() - interval '25 hours' WHERE id <> %s", young["id"])
    stray = list_files.path(texting.a.company_id, new_id())
    stray.write_bytes(b"left")
    for made in (old, young, waiting):
        os.utime(list_files.path(texting.a.company_id, made["id"]), (0, 0))
    os.utime(stray, (0, 0))

    await SweepListsHandler(list_files)(JobContext(texting.world.tenancy, texting.a.company_id), SweepLists())

    left = {row["id"] for row in (await texting.get(LISTS, texting.a))["items"]}
    assert left == {young["id"], waiting["id"]}
    kept = [list_files.path(texting.a.company_id, made["id"]).exists() for made in (old, young, waiting)]
    assert (kept, stray.exists()) == ([False, True, True], False)
    assert list_files.path(texting.b.company_id, theirs["id"]).exists()


async def test_only_this_address_takes_a_large_body(texting: Texting) -> None:
    large = b"Phone,Note\n" + b"+16025550143," + b"n" * 100_000 + b"\n" + b"2,x\n" * 500_000

    taken = await upload(texting, texting.a, large)
    elsewhere = await texting.call("POST", f"{LISTS}/from-contacts", texting.a, content=large)
    told = await texting.call("POST", LISTS, texting.a, content=b"x", headers={"Content-Length": "260000000"})

    assert (taken.status_code, elsewhere.status_code, told.status_code) == (201, 413, 413)
    assert taken.json()["rows_total"] == 500_001


def waiting_jobs(texting: Texting) -> int:
    with psycopg.connect(texting.database.admin_url) as admin:
        row = admin.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'bulk.read_list'").fetchone()
    return row[0] if row else 0


async def test_a_second_file_waits_for_its_turn_without_holding_up_the_worker(
    texting: Texting, list_files: ListFiles
) -> None:
    """One file at a time in a process: the other's job goes back into the queue."""
    first, second = [await uploaded(texting, texting.a, "Phone\n+16025550143\n") for _ in range(2)]
    for item in (first, second):
        await start(texting, texting.a, item["id"])
    handler = ReadListHandler(list_files)
    context = JobContext(texting.world.tenancy, texting.a.company_id)
    before = waiting_jobs(texting)

    async def states() -> list[str]:
        return [(await texting.get(f"{LISTS}/{item['id']}", texting.a))["status"] for item in (first, second)]

    with psycopg.connect(texting.database.admin_url) as admin:
        # The first one cannot store what it has read, and so is still at it when the second one comes.
        admin.execute("SELECT FROM bulk_lists WHERE id = %s FOR UPDATE", [first["id"]])
        reading = asyncio.create_task(handler(context, ReadList(list_id=UUID(first["id"]))))

        async def is_held_up() -> bool:
            with psycopg.connect(texting.database.admin_url) as beside:
                row = beside.execute(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                ).fetchone()
            return bool(row and row[0])

        await eventually(is_held_up)
        await handler(context, ReadList(list_id=UUID(second["id"])))
        assert waiting_jobs(texting) == before + 1
        assert await states() == ["reading", "reading"]
    await reading

    assert await states() == ["ready", "reading"]
    await handler(context, ReadList(list_id=UUID(second["id"])))
    assert await states() == ["ready", "ready"]
    assert waiting_jobs(texting) == before + 1


async def test_lists_are_listed(texting: Texting, list_files: ListFiles) -> None:
    first = await read(texting, list_files, "Phone\n+16025550143\n", file="first.csv")
    second = await uploaded(texting, texting.a, "Phone\n+16025550144\n", file="second.csv")

    page = await texting.get(LISTS, texting.a, limit=1)
    rest = await texting.get(LISTS, texting.a, limit=1, cursor=page["next_cursor"])

    assert page["items"] + rest["items"] == [second, first]
    assert (await texting.get(LISTS, texting.a, status="ready"))["items"] == [first]
    assert json.dumps(page).count("next_cursor") == 1
