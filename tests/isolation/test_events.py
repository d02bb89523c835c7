"""Events and heads of one company, tried as another, as the platform, and beyond what the app role may do."""

from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from ringfence.features.events.actions import emit, number
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.world import World

TABLES = ("events", "event_heads")


@pytest.fixture
async def eventful(world: World) -> World:
    """An event with its place, and one without, in both companies."""
    for company in (world.a, world.b):
        for step in range(2):
            async with world.tenancy.tenant(company.company_id) as session:
                emit(session, kind="sync.progress", subject_id=new_id())
            if step == 0:
                async with world.tenancy.tenant(company.company_id) as session:
                    await number(session)
    return world


def as_company(connection: psycopg.Connection, company_id: UUID) -> None:
    connection.execute(sql.SQL("SET LOCAL ringfence.company_id = {}").format(sql.Literal(str(company_id))))


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_the_own_companys(eventful: World, database: Database, table: str) -> None:
    a, b = eventful.a.company_id, eventful.b.company_id
    name = sql.Identifier(table)
    expected = 2 if table == "events" else 1
    with psycopg.connect(database.app_url) as app:
        for own, seen in ((a, expected), (b, 0)):
            as_company(app, own)
            count = sql.SQL("SELECT count(*) FROM {} WHERE company_id = %s").format(name)
            assert app.execute(count, [a]).fetchone() == (seen,)
            column = "seq = 99" if table == "events" else "last_seq = 99"
            change = sql.SQL("UPDATE {} SET {} WHERE company_id = %s").format(name, sql.SQL(column))
            if table == "events":
                change += sql.SQL(" AND seq IS NULL")
            assert app.execute(change, [a]).rowcount == (seen and 1)
            app.rollback()
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            app.execute(sql.SQL("SELECT * FROM {}").format(name))


def test_an_event_cannot_be_planted_in_another_company(eventful: World, database: Database) -> None:
    plant = (
        "INSERT INTO events (company_id, id, kind, subject_id, created_at) VALUES (%s, %s, 'call.status', %s, now())"
    )
    with psycopg.connect(database.app_url) as app:
        as_company(app, eventful.b.company_id)
        app.execute(plant, [eventful.b.company_id, new_id(), new_id()])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(plant, [eventful.a.company_id, new_id(), new_id()])


def test_what_was_said_is_not_rewritten_and_heads_do_not_go(eventful: World, database: Database) -> None:
    with psycopg.connect(database.app_url) as app:
        for statement in (
            "UPDATE events SET kind = 'call.status' WHERE company_id = %s",
            "UPDATE events SET subject_id = id WHERE company_id = %s",
            "UPDATE events SET conversation_id = NULL WHERE company_id = %s",
            "DELETE FROM event_heads WHERE company_id = %s",
        ):
            as_company(app, eventful.a.company_id)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(statement, [eventful.a.company_id])
            app.rollback()
        as_company(app, eventful.a.company_id)
        assert app.execute("DELETE FROM events WHERE company_id = %s", [eventful.a.company_id]).rowcount == 2


@pytest.mark.parametrize("table", TABLES)
def test_the_platform_role_sees_none(eventful: World, database: Database, table: str) -> None:
    with psycopg.connect(database.platform_url) as platform:
        as_company(platform, eventful.a.company_id)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            platform.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
