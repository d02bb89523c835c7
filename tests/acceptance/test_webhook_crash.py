"""Outgoing webhooks when a worker is killed in the middle of deliveries: all arrive, under their ids."""

import asyncio
import signal
from collections import Counter
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from tests.factories.cluster import Database
from tests.factories.hooks import Hooks, outgoing_client
from tests.factories.processes import running, settings_of
from tests.factories.receivers import receiving
from tests.factories.texts import make_texting, texting_services
from tests.factories.world import SECRET_KEY, World

TEXTS = 12


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return (*texting_services(tmp_path / "media"), outgoing_client())


@pytest.fixture
async def hooks(world: World, client: httpx.AsyncClient, database: Database) -> Hooks:
    return Hooks(await make_texting(world, client, database))


async def test_what_was_under_way_comes_again_and_nothing_is_lost(
    hooks: Hooks, database: Database, tmp_path: Path
) -> None:
    settings = settings_of(
        database,
        RINGFENCE_SECRET_KEYS=SECRET_KEY,
        RINGFENCE_WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8",
        RINGFENCE_WEBHOOK_TIMEOUT_SECONDS="5",
    )
    dead = asyncio.Event()

    async def wait(_request: web.Request) -> web.StreamResponse:
        await dead.wait()
        return web.Response()

    async with receiving(behave=wait) as of_a, receiving() as of_b:
        made = await hooks.endpoint(hooks.a, of_a, kinds=["message.received"])
        await hooks.endpoint(hooks.b, of_b, kinds=["message.received"])
        for number in range(TEXTS):
            await hooks.texting.inbound(hooks.a, body=f"a {number}")
            await hooks.texting.inbound(hooks.b, body=f"b {number}")
        async with running("work", settings, tmp_path) as first:
            await of_a.receives(5, within=90)
            first.signal(signal.SIGKILL)
            await first.ended()
        under_way = set(of_a.ids)
        dead.set()
        async with running("work", settings, tmp_path) as second:
            await of_a.receives(TEXTS + len(under_way), within=90)
            await of_b.receives(TEXTS)
            delivered = await hooks.logged(hooks.a, made["id"], "delivered", TEXTS)
            second.signal(signal.SIGTERM)
            assert await second.ended() == 0

    times = Counter(of_a.ids)
    assert set(times) == {item["webhook_id"] for item in delivered}
    assert {identifier for identifier, count in times.items() if count > 1} == under_way
    assert {item.body["data"]["body"] for item in of_a.got} == {f"a {number}" for number in range(TEXTS)}
    assert {item.body["data"]["body"] for item in of_b.got} == {f"b {number}" for number in range(TEXTS)}
