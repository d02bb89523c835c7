"""The pages about hours and about texts for later show what works."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine

from tests.factories.howto import run_page
from tests.factories.texts import Texting


@pytest.mark.parametrize(("page", "scope"), [("hours-and-consent.md", "admin"), ("scheduling.md", "send")])
async def test_every_command_of_the_page_works(texting: Texting, tmp_path: Path, page: str, scope: str) -> None:
    values = {"URL": str(texting.client.base_url), "KEY": texting.world.a.keys[scope]}

    # Half past nine on a Monday evening in Phoenix, when a text can be held.
    with time_machine.travel(datetime(2026, 6, 2, 4, 30, tzinfo=UTC)):
        done = await run_page(page, texting.client, values, tmp_path)

    assert len(done) > 7
