"""Two companies that text, behind a real server; news travels as between processes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from ringfence.db.engine import create_engine
from ringfence.features.events.actions import emit
from ringfence.features.live.actions.hub import Hub
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import Tenancy
from ringfence.wakeup.announcer import Announcer
from tests.factories.cluster import Database
from tests.factories.people import CompanyWithPeople, Person, Scope
from tests.factories.streams import Listener, serving
from tests.factories.texts import Texting, make_texting, texting_services
from tests.factories.world import World


@pytest.fixture
async def tenancy(database: Database) -> AsyncIterator[Tenancy]:
    platform = create_engine(database.platform_url, pool_size=5, application_name="tests-platform")
    announcer = Announcer(platform)
    app = create_engine(database.app_url, pool_size=5, application_name="tests-app")
    tenancy = Tenancy(app, platform, on_news=announcer.tell)
    yield tenancy
    await announcer.close()
    await tenancy.close()


@pytest.fixture
def hub(tenancy: Tenancy, database: Database) -> Hub:
    return Hub(tenancy, database.platform_url)


@pytest.fixture
def more_services(tmp_path: Path, hub: Hub) -> tuple[object, ...]:
    return (*texting_services(tmp_path / "media"), hub)


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)


@dataclass
class Live:
    """Ways to listen, and to make something happen."""

    url: str
    world: World
    hub: Hub
    streams: AsyncExitStack = field(repr=False)

    async def listen(
        self, company: CompanyWithPeople, *, scope: Scope = "read", person: Person | None = None, **more: Any
    ) -> Listener:
        """A stream by key, or of a person who has logged in."""
        headers, cookies = company.headers(scope), {}
        if person is not None:
            logged_in = await self.world.log_in(person)
            headers, cookies = {}, dict(logged_in.cookies)
        listener = Listener(f"{self.url}/api/events", headers, cookies, **more)
        self.streams.push_async_callback(listener.stop)
        await listener.start()
        return listener

    async def happen(self, company: CompanyWithPeople, count: int = 1) -> list[str]:
        """So many events, in one transaction; their subjects."""
        subjects = [new_id() for _ in range(count)]
        async with self.world.tenancy.tenant(company.company_id) as session:
            for subject in subjects:
                emit(session, kind="sync.progress", subject_id=subject)
        return [str(subject) for subject in subjects]


@pytest.fixture
async def live(app: FastAPI, world: World, hub: Hub) -> AsyncIterator[Live]:
    async with serving(app) as url, AsyncExitStack() as streams:
        yield Live(url, world, hub, streams)
