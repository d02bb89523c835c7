"""A world with an empty outbox, and this test as the holder of the dispatcher's lease."""

import pytest

from ringfence.dispatch.lease import Lease
from ringfence.tenancy.sessions import Tenancy
from tests.factories.cluster import Database
from tests.integration.dispatch.outbox_world import OutboxWorld


@pytest.fixture
async def outbox_world(tenancy: Tenancy, database: Database) -> OutboxWorld:
    lease = Lease(tenancy, life_seconds=300)
    assert await lease.take()
    return OutboxWorld(tenancy, database, lease)
