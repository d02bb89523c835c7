"""The page about bulk sends does what it says."""

from pathlib import Path

import httpx

from ringfence.features.bulk.actions.list_files import ListFiles
from ringfence.features.bulk.jobs.lists import ReadListHandler
from ringfence.features.bulk.values.lists import ReadList
from ringfence.jobqueue.jobs import JobContext
from tests.factories.bulk import customers, delivered, rehearsed, started, texts_of, turn
from tests.factories.howto import run_page
from tests.factories.texts import Texting


async def test_every_line_of_the_page_works(
    texting: Texting, client: httpx.AsyncClient, list_files: ListFiles, tmp_path: Path
) -> None:
    """After each request a worker does what there is to do."""
    a = texting.a
    failed = await started(texting, a, customers(2))
    await delivered(texting, a, texts_of(texting, a, failed["id"]), "failed")
    await turn(texting, a)

    people = customers(200, first=10)
    rows = [f"{number},Zoë,on Monday,x" for number in [*people, people[0]]]
    (tmp_path / "people.csv").write_text("\n".join(["Mobile,First name,Visit,Note", *rows, ""]), encoding="utf-8")

    async def work(_response: httpx.Response) -> None:
        for row in texting.stored(a, "bulk_lists")["bulk_lists"]:
            if row["status"] == "reading":
                job = ReadList(list_id=row["id"])
                await ReadListHandler(list_files)(JobContext(texting.world.tenancy, a.company_id), job)
        for row in texting.stored(a, "bulk_sends")["bulk_sends"]:
            await rehearsed(texting, a, str(row["id"]))
        await turn(texting, a)

    client.event_hooks["response"].append(work)
    values = {
        "URL": "",
        "KEY": a.company.keys["manage"],
        "DONE": failed["id"],
    }
    commands = await run_page("bulk.md", client, values, tmp_path)

    assert len(commands) >= 24
    assert (tmp_path / "rejected.csv").read_text(encoding="utf-8-sig").count("line 2 already") == 1
    assert (tmp_path / "results.csv").read_bytes().count(b"\r\n") == 201
