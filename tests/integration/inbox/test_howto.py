"""The page about conversations works line by line."""

from pathlib import Path

from tests.factories.howto import run_page
from tests.factories.scheduling import in_hours
from tests.factories.world import BASE_URL
from tests.integration.inbox.conftest import Desk


async def test_every_line_of_the_page(desk: Desk, tmp_path: Path) -> None:
    values = {
        "URL": BASE_URL,
        "KEY": desk.texting.world.a.keys["manage"],
        "ADMIN": desk.texting.world.a.keys["admin"],
        "THREAD": await desk.text(),
        "ANA": desk.id_of("mo"),
        "TOMORROW": in_hours(24),
    }

    done = await run_page("conversations.md", desk.texting.client, values, tmp_path)

    assert len(done) == 22
    assert (await desk.look(values["THREAD"]))["state"] == "open"
