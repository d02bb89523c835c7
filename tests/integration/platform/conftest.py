"""Two companies with numbers and texts, and a super admin who is logged in."""

from pathlib import Path

import httpx
import pytest

from tests.factories.cluster import Database
from tests.factories.hooks import outgoing_client
from tests.factories.texts import Texting, make_texting, texting_services
from tests.factories.world import World


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return (*texting_services(tmp_path / "media"), outgoing_client())


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)


@pytest.fixture
async def root(world: World) -> httpx.AsyncClient:
    return await world.log_in(world.super_admin)
