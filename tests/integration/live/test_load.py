"""Two companies under load, clients that lose their connections all the time: each hears its own, in order, once."""

import asyncio
import random
from uuid import UUID

import psycopg

from ringfence.features.events.actions import emit, number
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.people import CompanyWithPeople
from tests.factories.streams import Listener
from tests.integration.live.conftest import Live

WRITERS = 4
TRANSACTIONS = 40
MOST_IN_ONE = 5


async def test_streams_of_two_companies_are_disjoint_whole_and_in_order(live: Live, database: Database) -> None:
    a, b = live.world.a, live.world.b
    chance = random.Random(7)
    clients = {
        company.company_id: [await live.listen(company, scope=scope) for scope in ("read", "send", "manage")]
        for company in (a, b)
    }
    everybody = [client for of_company in clients.values() for client in of_company]
    is_over = asyncio.Event()
    losing = asyncio.create_task(lose_connections(everybody, chance, is_over))

    written = await asyncio.gather(*(write(live, company, chance) for company in (a, b) for _ in range(WRITERS)))
    last = {company.company_id: (await live.happen(company))[0] for company in (a, b)}
    is_over.set()
    lost = await losing

    assert lost > 20
    assert sum(written) > 400
    for company_id, of_company in clients.items():
        for client in of_company:
            await client.until(lambda client=client, company_id=company_id: last[company_id] in client.subjects)
            assert client.subjects == in_order(database, company_id)
            assert set(client.about) == {"stream.started"}
    assert not {*clients[a.company_id][0].subjects} & {*clients[b.company_id][0].subjects}


async def write(live: Live, company: CompanyWithPeople, chance: random.Random) -> int:
    """Transactions that stay open for a while, so that they commit in another order than they began."""
    total = 0
    for _ in range(TRANSACTIONS):
        async with live.world.tenancy.tenant(company.company_id) as session:
            for _ in range(chance.randint(1, MOST_IN_ONE)):
                emit(session, kind="bulk.progress", subject_id=new_id())
                total += 1
            await session.flush()
            await asyncio.sleep(chance.choice([0, 0, 0.01, 0.05]))
    return total


async def lose_connections(clients: list[Listener], chance: random.Random, is_over: asyncio.Event) -> int:
    lost = 0
    while not is_over.is_set():
        connected = [client for client in clients if client.is_connected]
        if connected:
            await chance.choice(connected).lose()
            lost += 1
        await asyncio.sleep(0.02)
    return lost


def in_order(database: Database, company_id: UUID) -> list[str]:
    with psycopg.connect(database.admin_url) as admin:
        rows = admin.execute(
            "SELECT subject_id FROM events WHERE company_id = %s AND seq IS NOT NULL ORDER BY seq", [company_id]
        )
        return [str(subject) for (subject,) in rows]


async def test_a_reader_of_plain_numbers_would_have_missed_some(live: Live) -> None:
    """The same load with numbers given at the append, to see that it can find what it looks for."""
    company = live.world.a
    counter, heard, last, committed = 0, list[int](), 0, set[int]()
    chance = random.Random(7)

    async def writer() -> None:
        nonlocal counter
        for _ in range(TRANSACTIONS):
            counter += 1
            mine = counter
            async with live.world.tenancy.tenant(company.company_id) as session:
                emit(session, kind="bulk.progress", subject_id=UUID(int=mine))
                await session.flush()
                await asyncio.sleep(chance.choice([0, 0, 0.01, 0.05]))
            committed.add(mine)

    async def reader() -> None:
        nonlocal last
        while len(committed) < WRITERS * TRANSACTIONS:
            new = sorted(seq for seq in committed if seq > last)
            heard.extend(new)
            last = max([last, *new])
            await asyncio.sleep(0.01)

    await asyncio.gather(reader(), *(writer() for _ in range(WRITERS)))

    assert len(heard) < len(committed)
    async with live.world.tenancy.tenant(company.company_id) as session:
        assert (await number(session)).last_seq == len(committed)
