"""Two companies that text, and a folder for their files."""

from pathlib import Path

import httpx
import pytest

from tests.factories.cluster import Database
from tests.factories.texts import Texting, make_texting, texting_services
from tests.factories.world import World


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return texting_services(tmp_path / "media")


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)
