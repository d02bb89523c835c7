"""The pages about connecting and about numbers show what works."""

from pathlib import Path

from tests.factories.howto import lines_of, run_line, run_page
from tests.factories.twilio_world import TwilioWorld


async def test_every_command_of_the_page_works(twilio: TwilioWorld, tmp_path: Path) -> None:
    await twilio.connect_both()
    values = {"URL": str(twilio.client.base_url), "KEY": twilio.world.a.keys["admin"]}

    done = await run_page("numbers.md", twilio.client, values, tmp_path)

    assert len(done) == 6


async def test_every_command_of_the_page_about_connecting_works(twilio: TwilioWorld, tmp_path: Path) -> None:
    company = twilio.world.a
    known = {
        "URL": str(twilio.client.base_url),
        "KEY": company.keys["admin"],
        "SID": twilio.a.sid,
        "TOKEN": twilio.a.auth_token,
    }
    done = 0
    for line in lines_of("connecting-twilio.md"):
        if "$NUMBER" in line:
            known["NUMBER"] = (await twilio.number(company, twilio.a.numbers[0]))["id"]
        await run_line(line, twilio.client, known, tmp_path)
        done += 1

    assert done == 8
    assert all(number["released_at"] for number in await twilio.numbers(company))
