"""The page about running companies does what it says."""

from pathlib import Path

from tests.factories.howto import run_page
from tests.factories.world import World


async def test_every_line_of_the_page_works(world: World, tmp_path: Path) -> None:
    person = world.super_admin
    values = {"URL": "", "EMAIL": person.email, "PASSWORD": person.password}

    done = await run_page("platform.md", await world.connect(), values, tmp_path)

    assert len(done) == 10
