"""The page about bulk sends does what it says."""

from pathlib import Path

import httpx

from tests.factories.bulk import customers, delivered, make_list, rehearsed, started, texts_of, turn
from tests.factories.howto import run_page
from tests.factories.texts import Texting


async def test_every_line_of_the_page_works(texting: Texting, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """After each request a worker does what there is to do."""
    a = texting.a
    failed = await started(texting, a, customers(2))
    await delivered(texting, a, texts_of(texting, a, failed["id"]), "failed")
    await turn(texting, a)

    async def work(_response: httpx.Response) -> None:
        for row in texting.stored(a, "bulk_sends")["bulk_sends"]:
            await rehearsed(texting, a, str(row["id"]))
        await turn(texting, a)

    client.event_hooks["response"].append(work)
    values = {
        "URL": "",
        "KEY": a.company.keys["manage"],
        "LIST": str(await make_list(texting.world.tenancy, a.company_id, customers(200, first=10))),
        "DONE": failed["id"],
    }
    commands = await run_page("bulk.md", client, values, tmp_path)

    assert len(commands) >= 15
    assert (tmp_path / "results.csv").read_bytes().count(b"\r\n") == 201
