"""The same tests on the embedded PostgreSQL and on the oldest that is supported, Debian's 15."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence.tenancy.provision import provision
from tests.factories.cluster import PASSWORDS, Cluster, Database

OLDEST = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="session", params=["embedded", "15"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of each version; `make test` installs version 15."""
    if request.param == "embedded":
        yield request.getfixturevalue("cluster")
        return
    cluster = Cluster(tmp_path_factory.mktemp("pg15") / "data", bin_dir=OLDEST)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def migrated(server: Cluster) -> Iterator[Database]:
    """A database at the newest migration, for one test."""
    with server.clone() as database:
        yield database


@pytest.fixture(scope="session")
def inspected(server: Cluster) -> Iterator[Database]:
    """A migrated database that tests only look at."""
    with server.clone() as database:
        yield database


@pytest.fixture
def empty(server: Cluster, request: pytest.FixtureRequest) -> Database:
    """A provisioned database without any table, for one test."""
    name = f"empty_{abs(hash(request.node.nodeid)):x}"
    provision(server.server.admin_url, database=name, passwords=PASSWORDS)
    return server.database(name)
