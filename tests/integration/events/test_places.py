"""An event's place in its company's order: given after the commit, so that nobody who resumes misses one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from ringfence.features.events import actions, queries
from ringfence.features.events.actions import emit, number, trim
from ringfence.features.events.jobs import trim_events
from ringfence.features.events.queries import Head
from ringfence.features.events.values import KINDS, TrimEvents
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import first_id_at, new_id
from ringfence.tenancy.sessions import Tenancy, TenantSession
from tests.factories.cluster import Database
from tests.factories.waiting import eventually
from tests.factories.world import World

HOUR = timedelta(hours=1)


async def append(tenancy: Tenancy, company_id: UUID, count: int = 1) -> list[UUID]:
    """Events of a transaction of their own; their subjects."""
    subjects = [new_id() for _ in range(count)]
    async with tenancy.tenant(company_id) as session:
        for subject in subjects:
            emit(session, kind="message.status", subject_id=subject)
    return subjects


async def give_places(tenancy: Tenancy, company_id: UUID, *, batch: int = actions.BATCH) -> Head:
    async with tenancy.tenant(company_id) as session:
        return await number(session, batch=batch)


def stored(database: Database, company_id: UUID) -> list[tuple[int | None, UUID]]:
    """Place and subject of each event, in order."""
    with psycopg.connect(database.admin_url) as admin:
        return admin.execute(
            "SELECT seq, subject_id FROM events WHERE company_id = %s ORDER BY seq, id", [company_id]
        ).fetchall()


@asynccontextmanager
async def unfinished(tenancy: Tenancy, company_id: UUID, subject: UUID) -> AsyncIterator[TenantSession]:
    """A transaction that has appended an event and is not committed yet; it is, at the end."""
    async with tenancy.tenant(company_id) as session:
        emit(session, kind="message.status", subject_id=subject)
        await session.flush()
        yield session


async def test_a_reader_that_remembers_the_last_place_misses_no_late_commit(world: World, database: Database) -> None:
    """The one that began first commits last. Numbers handed out at the append would put it before the reader."""
    tenancy, company = world.tenancy, world.a.company_id
    late = new_id()
    async with unfinished(tenancy, company, late):
        (early,) = await append(tenancy, company)
        heard = (await give_places(tenancy, company)).last_seq
        assert stored(database, company) == [(1, early)]

    await give_places(tenancy, company)

    assert [subject for seq, subject in stored(database, company) if seq and seq > heard] == [late]


async def test_appending_waits_for_nobody_of_the_company(world: World) -> None:
    tenancy, company = world.tenancy, world.a.company_id
    async with unfinished(tenancy, company, new_id()), unfinished(tenancy, company, new_id()):
        await asyncio.wait_for(append(tenancy, company), 5)
        assert (await asyncio.wait_for(give_places(tenancy, company), 5)).last_seq == 1
    # Nor for a numbering that is under way.
    async with tenancy.tenant(company) as numbering:
        assert (await number(numbering)).last_seq == 3
        await asyncio.wait_for(append(tenancy, company), 5)


async def test_places_are_gapless_and_unique_however_many_append_and_number(world: World, database: Database) -> None:
    tenancy, company = world.tenancy, world.a.company_id

    async def writer() -> list[UUID]:
        return [subject for _ in range(10) for subject in await append(tenancy, company, 3)]

    async def numberer() -> None:
        for _ in range(10):
            await give_places(tenancy, company, batch=7)

    *written, _, _ = await asyncio.gather(*(writer() for _ in range(4)), numberer(), numberer())
    while (await give_places(tenancy, company, batch=50)).last_seq < 120:
        pass

    rows = stored(database, company)
    assert [seq for seq, _ in rows] == list(range(1, 121))
    order = {subject: seq for seq, subject in rows}
    for subjects in written:
        assert [order[subject] for subject in subjects or ()] == sorted(order[subject] for subject in subjects or ())


async def test_whoever_sees_a_place_sees_all_before_it(world: World, database: Database) -> None:
    """A second numbering waits for the first: places become visible in their order."""
    tenancy, company = world.tenancy, world.a.company_id
    # The head is there already, so that it is its lock that they wait for.
    (earlier,) = await append(tenancy, company)
    await give_places(tenancy, company)
    (first,) = await append(tenancy, company)
    async with tenancy.tenant(company) as numbering:
        await number(numbering)
        (second,) = await append(tenancy, company)
        waiting = asyncio.create_task(give_places(tenancy, company))
        await eventually(lambda: waits(database))
        assert not waiting.done()
        assert [seq for seq, _ in stored(database, company)] == [1, None, None]
    assert await waiting == Head(3, 0)
    assert stored(database, company) == [(1, earlier), (2, first), (3, second)]


async def waits(database: Database) -> bool:
    """Whether somebody waits for the lock of a head, and for nothing else."""
    with psycopg.connect(database.admin_url) as admin:
        rows = admin.execute(
            "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchall()
    return any("event_heads" in query and "FOR UPDATE" in query for (query,) in rows)


async def test_a_change_that_is_rolled_back_says_nothing(world: World, database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with unfinished(world.tenancy, world.a.company_id, new_id()):
            raise RuntimeError
    assert stored(database, world.a.company_id) == []
    (kept,) = await append(world.tenancy, world.a.company_id)
    assert stored(database, world.a.company_id) == [(None, kept)]


async def test_a_kind_that_is_not_in_the_list_is_refused(world: World) -> None:
    async with world.tenancy.tenant(world.a.company_id) as session:
        with pytest.raises(ValueError, match=r"thing\.happened"):
            emit(session, kind="thing.happened", subject_id=new_id())  # pyright: ignore[reportArgumentType]
        for kind in KINDS:
            emit(session, kind=kind, subject_id=new_id())


async def test_old_events_go_and_the_head_tells_who_missed_them(world: World, database: Database) -> None:
    tenancy, company = world.tenancy, world.a.company_id
    await append(tenancy, company, 3)
    await append(tenancy, world.b.company_id, 2)
    await give_places(tenancy, company)
    make_old(database, company)
    fresh = await append(tenancy, company, 2)

    await trim_events(JobContext(tenancy, company), TrimEvents())

    assert [subject for _, subject in stored(database, company)] == fresh
    assert len(stored(database, world.b.company_id)) == 2
    assert await give_places(tenancy, company) == Head(5, 3)


async def test_events_that_go_without_ever_having_a_place_are_missed_by_whoever_was_up_to_date(
    world: World, database: Database
) -> None:
    tenancy, company = world.tenancy, world.a.company_id
    await append(tenancy, company)
    up_to_date = (await give_places(tenancy, company)).last_seq
    await append(tenancy, company)
    make_old(database, company)

    async with tenancy.tenant(company) as session:
        assert await trim(session) is False
        head = await queries.head(session)

    assert stored(database, company) == []
    assert up_to_date < head.trimmed_seq <= head.last_seq


async def test_the_table_is_bounded_by_count_too(world: World, database: Database) -> None:
    tenancy, company = world.tenancy, world.a.company_id
    subjects = await append(tenancy, company, 12)
    await give_places(tenancy, company)

    async with tenancy.tenant(company) as session:
        await trim(session, most=5)
        assert await queries.head(session) == Head(12, 7)
    assert [subject for _, subject in stored(database, company)] == subjects[7:]

    async with tenancy.tenant(company) as session:
        assert await trim(session, most=5) is False
        assert await queries.head(session) == Head(12, 7)


def test_the_first_id_of_an_instant_lies_between_those_before_and_after() -> None:
    before = new_id()
    moment = utc_now() + timedelta(milliseconds=2)
    assert before < first_id_at(moment) < first_id_at(moment + timedelta(milliseconds=1))
    assert first_id_at(utc_now() - timedelta(milliseconds=2)) < new_id()


def make_old(database: Database, company_id: UUID) -> None:
    """The company's events so far happened two hours ago."""
    with psycopg.connect(database.admin_url) as admin:
        ids = admin.execute("SELECT id FROM events WHERE company_id = %s ORDER BY id", [company_id]).fetchall()
        for position, (event_id,) in enumerate(ids):
            old = UUID(int=first_id_at(utc_now() - 2 * HOUR).int + position)
            admin.execute("UPDATE events SET id = %s WHERE id = %s", [old, event_id])
