"""The page about notices works line by line."""

from pathlib import Path

from ringfence.features.users.routes.authenticator import CSRF_HEADER, SESSION_COOKIE
from tests.factories.howto import run_page
from tests.factories.notices import Noticing


async def test_every_line_of_the_page(noticing: Noticing, tmp_path: Path) -> None:
    person = noticing.a.company.agent
    browser = await noticing.texting.world.log_in(person)
    values = {
        "URL": str(noticing.texting.client.base_url),
        "COOKIE": f"{SESSION_COOKIE}={browser.cookies[SESSION_COOKIE]}",
        "CSRF": browser.headers[CSRF_HEADER],
    }
    await noticing.reply(noticing.a)
    done = await run_page("notices.md", noticing.texting.client, values, tmp_path)

    assert len(done) == 4
    assert await noticing.notices(person) == []
    assert len(await noticing.mail(noticing.a, person)) == 0
