"""Fixtures for all tests: a real PostgreSQL, a fresh migrated database per test, and sessions as the app role.

On top of these, for tests through the HTTP door: `world` (two companies with people and keys) and `client`.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from ringfence.api.app import create_app
from ringfence.db.engine import create_engine
from ringfence.features.users.values import AccountPolicy, PasswordHasher
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import Tenancy
from tests.factories.cluster import Cluster, Database
from tests.factories.people import cheap_hasher
from tests.factories.world import SECRET_KEY, World, make_world, policy


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


@pytest.fixture
def keyring() -> Keyring:
    return Keyring([SECRET_KEY])


@pytest.fixture
def hasher() -> PasswordHasher:
    return cheap_hasher()


@pytest.fixture
def account_policy() -> AccountPolicy:
    """Override in a module to change how long sessions last, whether mail is sent, and so on."""
    return policy()


@pytest.fixture
def more_services() -> tuple[object, ...]:
    """Override to hand the application services of one's own, such as a Twilio client that calls the emulator."""
    return ()


@pytest.fixture
def app(
    tenancy: Tenancy,
    keyring: Keyring,
    hasher: PasswordHasher,
    account_policy: AccountPolicy,
    more_services: tuple[object, ...],
) -> FastAPI:
    return create_app(tenancy, keyring, hasher, account_policy, *more_services)


@pytest.fixture
async def world(app: FastAPI, tenancy: Tenancy, keyring: Keyring, hasher: PasswordHasher) -> AsyncIterator[World]:
    async with AsyncExitStack() as clients:
        yield await make_world(app, tenancy, keyring, hasher, clients)


@pytest.fixture
async def client(world: World) -> httpx.AsyncClient:
    """A client without credentials: pass `headers=world.a.headers("admin")`, or use `world.log_in`."""
    return await world.connect()
