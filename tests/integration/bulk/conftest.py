"""Two companies that text in bulk."""

from pathlib import Path

import httpx
import pytest

from ringfence.features.bulk.actions.list_files import ListFiles
from ringfence.features.contacts.actions.upload_store import UploadStore
from tests.factories.cluster import Database
from tests.factories.texts import Texting, make_texting, texting_services
from tests.factories.world import World


@pytest.fixture
def list_files(tmp_path: Path) -> ListFiles:
    return ListFiles(tmp_path / "lists")


@pytest.fixture
def more_services(tmp_path: Path, list_files: ListFiles) -> tuple[object, ...]:
    return (*texting_services(tmp_path / "media"), UploadStore(tmp_path / "uploads"), list_files)


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)
