"""The page about texts shows what works."""

from pathlib import Path

from tests.factories.howto import run_page
from tests.factories.texts import Texting


async def test_every_command_of_the_page_works(texting: Texting, tmp_path: Path) -> None:
    failed = await texting.sent(texting.a, body="Nobody there")
    await texting.settle(texting.a, failed["id"], error_code=30003)
    values = {"URL": str(texting.client.base_url), "KEY": texting.world.a.keys["manage"], "FAILED": failed["id"]}

    done = await run_page("messages.md", texting.client, values, tmp_path)

    assert len(done) == 6
