"""Two companies that text, and a place for uploads."""

from pathlib import Path

import httpx
import pytest

from ringfence.features.contacts.actions.upload_store import UploadStore
from tests.factories.cluster import Database
from tests.factories.texts import Texting, make_texting, texting_services
from tests.factories.world import World


@pytest.fixture
def uploads(tmp_path: Path) -> UploadStore:
    return UploadStore(tmp_path / "uploads")


@pytest.fixture
def more_services(tmp_path: Path, uploads: UploadStore) -> tuple[object, ...]:
    return (*texting_services(tmp_path / "media"), uploads)


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)
