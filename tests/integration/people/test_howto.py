"""The page about people shows what works."""

from pathlib import Path

import pytest

from ringfence.features.users.values import AccountPolicy
from ringfence.kit.keyring import Keyring
from tests.factories.cluster import Database
from tests.factories.howto import lines_of, run_line
from tests.factories.people import PASSWORD
from tests.factories.world import World, policy
from tests.integration.people.test_password_reset import Postbox, do_jobs


@pytest.fixture
def account_policy() -> AccountPolicy:
    return policy(mails_invitations=True)


async def test_every_line_of_the_page_works(world: World, database: Database, keyring: Keyring, tmp_path: Path) -> None:
    company, client, postbox = world.a, await world.connect(), Postbox()
    known = {
        "URL": "",
        "KEY": company.keys["admin"],
        "EMAIL": company.manager.email,
        "PASSWORD": PASSWORD,
        "USER": str(company.agent.id),
    }
    done = 0
    for line in lines_of("people.md"):
        # What people find in a link, or in a mail.
        if "$INVITED" in line:
            known["INVITED"] = known["LINK"].partition("#")[2]
        if "$TOKEN" in line:
            await do_jobs(world, database, postbox, keyring)
            known["TOKEN"] = postbox.tokens[-1]
        await run_line(line.replace("ana@cactus.example", company.agent.email), client, known, tmp_path)
        done += 1

    assert done == 19
