"""The page about templates works line by line."""

from pathlib import Path

from tests.factories.howto import run_page
from tests.factories.texts import Texting
from tests.factories.world import BASE_URL


async def test_every_line_of_the_page(texting: Texting, tmp_path: Path) -> None:
    values = {"URL": BASE_URL, "KEY": texting.world.a.keys["manage"]}

    done = await run_page("templates.md", texting.client, values, tmp_path)

    assert len(done) == 7
    assert len(texting.stored(texting.a, "sms_messages")["sms_messages"]) == 1
