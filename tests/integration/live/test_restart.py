"""Real API processes: one is stopped while people listen, and they go on where they were at the next one."""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from ringfence.features.events.actions import emit
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.processes import answers, free_port, running, settings_of
from tests.factories.streams import Listener
from tests.integration.live.conftest import Live


async def test_clients_go_on_where_they_were_over_restarts_of_the_server(
    live: Live, database: Database, tmp_path: Path
) -> None:
    a, b = live.world.a, live.world.b
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = settings_of(database, RINGFENCE_PORT=str(port))
    written: list[str] = []
    is_over = asyncio.Event()

    async def write() -> None:
        while not is_over.is_set():
            subject = new_id()
            async with live.world.tenancy.tenant(a.company_id) as session:
                emit(session, kind="sync.progress", subject_id=subject)
            written.append(str(subject))
            await asyncio.sleep(0.02)

    async with AsyncExitStack() as stack:
        clients = [Listener(f"{url}/api/events", company.headers("read")) for company in (a, a, b)]
        for client in clients:
            stack.push_async_callback(client.stop)
        writing: asyncio.Task[None] | None = None
        for is_last in (False, True):
            async with running("serve", settings, tmp_path) as server:
                await answers(f"{url}/healthz")
                if writing is None:
                    for client in clients:
                        await client.start()
                    writing = asyncio.create_task(write())
                enough = len(written) + 5
                for client in clients[:2]:
                    await heard(client, enough)
                if is_last:
                    is_over.set()
                    await writing
                    for client in clients[:2]:
                        await heard(client, len(written))
                else:
                    server.signal(signal.SIGTERM)
                    # With open streams it stops in order, and does not wait until its patience is over.
                    assert await server.ended(within=10) == 0

    for client in clients[:2]:
        assert client.subjects == written
        assert set(client.about) == {"stream.started"}
        # Once at each server; who comes back quickly may meet the first one while it is still on its way out.
        assert len(client.statuses) >= 2
    assert clients[2].events == []


async def heard(client: Listener, count: int) -> None:
    await client.until(lambda: len(client.events) >= count, within=60)
