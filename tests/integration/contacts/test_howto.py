"""The page about contacts works line by line."""

from pathlib import Path

from tests.factories.howto import run_page
from tests.factories.texts import Texting
from tests.factories.world import BASE_URL


async def test_every_line_of_the_page(texting: Texting, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("Cell,Who,Kind,Plan\n+16025550145,Bo Li,new,gold\n", encoding="utf-8")
    values = {"URL": BASE_URL, "KEY": texting.world.a.keys["manage"]}

    done = await run_page("contacts.md", texting.client, values, tmp_path)

    assert len(done) == 14
    assert "Zoë" in (tmp_path / "contacts.csv").read_text(encoding="utf-8-sig")
