"""Fixtures for all tests: a real PostgreSQL, a fresh migrated database per test, and sessions as the app role."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ringfence.db.engine import create_engine
from ringfence.tenancy.sessions import Tenancy
from tests.factories.cluster import Cluster, Database


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("pg")
    cluster = Cluster(folder / "data")
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    with cluster.clone() as database:
        yield database


@pytest.fixture
async def tenancy(database: Database) -> AsyncIterator[Tenancy]:
    tenancy = Tenancy(
        create_engine(database.app_url, pool_size=5, application_name="tests-app"),
        create_engine(database.platform_url, pool_size=5, application_name="tests-platform"),
    )
    yield tenancy
    await tenancy.close()
