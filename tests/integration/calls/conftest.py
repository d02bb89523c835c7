"""Two companies that telephone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.factories.cluster import Database
from tests.factories.telephone import Telephone, open_telephone


@pytest.fixture
async def telephone(database: Database, tmp_path: Path) -> AsyncIterator[Telephone]:
    async with open_telephone(database, tmp_path) as telephone:
        yield telephone


@pytest.fixture
async def still(database: Database, tmp_path: Path) -> AsyncIterator[Telephone]:
    """The same without a worker: jobs are run by the test."""
    async with open_telephone(database, tmp_path, worker=False) as telephone:
        yield telephone
