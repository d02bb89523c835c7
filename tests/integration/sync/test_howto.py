"""The page about syncs shows what works."""

from pathlib import Path

from tests.factories.howto import run_page
from tests.factories.syncing import LONG_AGO, Syncing, text_in
from tests.factories.texts import CUSTOMER
from tests.factories.world import BASE_URL


async def test_the_page_works(syncing: Syncing, tmp_path: Path) -> None:
    line = syncing.a
    await syncing.history(line, [text_in(CUSTOMER, line.number, LONG_AGO)])

    done = await run_page(
        "sync.md", syncing.texting.client, {"URL": BASE_URL, "KEY": line.company.keys["admin"]}, tmp_path
    )

    assert len(done) == 7
    await syncing.work(line)
    (run,) = (await syncing.status(line))["runs"]
    assert run["status"] == "done"
    assert len(await syncing.messages(line)) == 1
