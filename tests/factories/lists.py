"""Recipient lists through the door, what the worker does with them, and files as people (and attackers) make them."""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx
from openpyxl import Workbook

from ringfence.features.bulk.actions.list_files import ListFiles
from ringfence.features.bulk.jobs.lists import ReadListHandler
from ringfence.features.bulk.values.lists import ReadList
from ringfence.jobqueue.jobs import JobContext
from tests.factories.people import Scope
from tests.factories.texts import Line, Texting

LISTS = "/api/sms/bulk/lists"


async def upload(
    texting: Texting, line: Line, data: str | bytes, *, file: str = "people.csv", scope: Scope = "manage", **more: str
) -> httpx.Response:
    content = data.encode() if isinstance(data, str) else data
    return await texting.call("POST", LISTS, line, scope=scope, files={"file": (file, content)}, data=more or None)


async def uploaded(texting: Texting, line: Line, data: str | bytes, **more: Any) -> dict[str, Any]:
    """A draft list, which must be taken."""
    answer = await upload(texting, line, data, **more)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def start(texting: Texting, line: Line, list_id: str) -> dict[str, Any]:
    answer = await texting.call("POST", f"{LISTS}/{list_id}/start", line, scope="manage")
    assert answer.status_code == 202, answer.text
    return answer.json()


async def run(texting: Texting, line: Line, files: ListFiles, list_id: str) -> dict[str, Any]:
    """What the worker does with a list's job; the list afterwards."""
    context = JobContext(texting.world.tenancy, line.company_id)
    await ReadListHandler(files)(context, ReadList(list_id=UUID(list_id)))
    return await texting.get(f"{LISTS}/{list_id}", line)


async def read(
    texting: Texting, files: ListFiles, data: str | bytes, *, line: Line | None = None, **more: Any
) -> dict[str, Any]:
    """A list that was read to its end."""
    line = line or texting.a
    made = await uploaded(texting, line, data, **more)
    await start(texting, line, made["id"])
    return await run(texting, line, files, made["id"])


async def recipients(texting: Texting, line: Line, list_id: str) -> list[dict[str, Any]]:
    """All of them, a page at a time."""
    items: list[dict[str, Any]] = []
    params: dict[str, Any] = {"limit": 200}
    while True:
        page = await texting.get(f"{LISTS}/{list_id}/recipients", line, **params)
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        params["cursor"] = page["next_cursor"]


async def rejected(texting: Texting, line: Line, list_id: str) -> list[dict[str, str]]:
    """The rows of the CSV of what is no recipient, by its header."""
    answer = await texting.call("GET", f"{LISTS}/{list_id}/rejected", line, scope="manage")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def counts(made: Mapping[str, Any]) -> tuple[int, int, int]:
    return made["recipients_count"], made["duplicate_count"], made["bad_count"]


def workbook(rows: Sequence[Sequence[Any]]) -> bytes:
    """An XLSX as a spreadsheet program writes it."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def changed(data: bytes, parts: Mapping[str, bytes | None]) -> bytes:
    """An archive with other contents in some parts; None leaves a part out."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in [*old.namelist(), *(parts.keys() - set(old.namelist()))]:
            content = parts.get(name, b"") if name in parts else old.read(name)
            if content is not None:
                new.writestr(name, content)
    return file.getvalue()
