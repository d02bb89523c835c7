"""Two companies that text, and whose people are told."""

from pathlib import Path

import httpx
import pytest

from tests.factories.cluster import Database
from tests.factories.hooks import outgoing_client
from tests.factories.notices import Noticing
from tests.factories.texts import make_texting, texting_services
from tests.factories.world import World


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return (*texting_services(tmp_path / "media"), outgoing_client())


@pytest.fixture
async def noticing(world: World, client: httpx.AsyncClient, database: Database) -> Noticing:
    return Noticing(await make_texting(world, client, database))
