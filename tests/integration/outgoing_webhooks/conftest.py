"""Two companies that text and have webhooks."""

from pathlib import Path

import httpx
import pytest

from tests.factories.cluster import Database
from tests.factories.hooks import Hooks, outgoing_client
from tests.factories.texts import make_texting, texting_services
from tests.factories.world import World


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return (*texting_services(tmp_path / "media"), outgoing_client())


@pytest.fixture
async def hooks(world: World, client: httpx.AsyncClient, database: Database) -> Hooks:
    return Hooks(await make_texting(world, client, database))
