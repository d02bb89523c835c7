"""Two companies with accounts at the emulator."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ringfence.emulator import Emulator
from tests.factories.cluster import Database
from tests.factories.syncing import Syncing, open_syncing, sync_emulator
from tests.factories.texts import texting_services
from tests.factories.world import World


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with sync_emulator() as emulator:
        yield emulator


@pytest.fixture
def more_services(emulator: Emulator, tmp_path: Path) -> tuple[object, ...]:
    return texting_services(tmp_path, api_url=emulator.base_url)


@pytest.fixture
async def syncing(
    world: World, client: httpx.AsyncClient, database: Database, emulator: Emulator
) -> AsyncIterator[Syncing]:
    async with open_syncing(world, client, database, emulator) as syncing:
        yield syncing
