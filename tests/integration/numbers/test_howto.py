"""The page about numbers shows what works."""

from pathlib import Path

from tests.factories.howto import run_page
from tests.factories.twilio_world import TwilioWorld


async def test_every_command_of_the_page_works(twilio: TwilioWorld, tmp_path: Path) -> None:
    await twilio.connect_both()
    values = {"URL": str(twilio.client.base_url), "KEY": twilio.world.a.keys["admin"]}

    done = await run_page("numbers.md", twilio.client, values, tmp_path)

    assert len(done) == 6
