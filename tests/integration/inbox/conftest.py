"""Two companies that text; of the first, an agent, a second agent and a manager are logged in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.factories.cluster import Database
from tests.factories.people import Person
from tests.factories.texts import CUSTOMER, Texting, make_texting, texting_services
from tests.factories.viewing import agents_see, second_agent
from tests.factories.world import World


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return texting_services(tmp_path / "media")


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)


@dataclass
class Desk:
    """`ari` and `olga` are agents, `mo` a manager; each a client of their own."""

    texting: Texting
    ari: httpx.AsyncClient
    olga: httpx.AsyncClient
    mo: httpx.AsyncClient
    people: dict[str, Person]

    def id_of(self, name: str) -> str:
        return str(self.people[name].id)

    async def text(self, number: str = CUSTOMER, body: str = "Hi there") -> str:
        """Somebody texts; the conversation's id."""
        await self.texting.inbound(self.texting.a, sender=number, body=body)
        return await self.thread(number)

    async def thread(self, number: str = CUSTOMER) -> str:
        rows = self.texting.stored(self.texting.a, "conversations")["conversations"]
        return next(str(row["id"]) for row in rows if row["outside_number"] == number)

    async def look(self, conversation_id: str, client: httpx.AsyncClient | None = None) -> dict[str, Any]:
        answer = await (client or self.mo).get(f"/api/sms/conversations/{conversation_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def patch(self, conversation_id: str, client: httpx.AsyncClient | None = None, **body: Any) -> dict[str, Any]:
        answer = await (client or self.ari).patch(f"/api/sms/conversations/{conversation_id}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def listed(self, client: httpx.AsyncClient, **params: Any) -> list[str]:
        """The outside numbers of a list, over all its pages."""
        numbers: list[str] = []
        cursor = None
        while True:
            page = await client.get("/api/sms/conversations", params=params | ({"cursor": cursor} if cursor else {}))
            assert page.status_code == 200, page.text
            numbers += [item["outside_number"] for item in page.json()["items"]]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                return numbers

    async def rule(self, value: str) -> None:
        await agents_see(self.texting, value)


@pytest.fixture
async def desk(texting: Texting) -> Desk:
    world = texting.world
    olga = await second_agent(world)
    log_in: Callable[[Person], Awaitable[httpx.AsyncClient]] = world.log_in
    people = {"ari": world.a.agent, "olga": olga, "mo": world.a.manager}
    return Desk(texting, *[await log_in(person) for person in people.values()], people)
