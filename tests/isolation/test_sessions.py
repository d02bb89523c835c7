"""The tenant session: context, inspector, stamping, and what a cancelled task leaves behind."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import (
    ChunkedIteratorResult,
    Insert,
    Select,
    bindparam,
    column,
    delete,
    exists,
    func,
    join,
    literal_column,
    outerjoin,
    select,
    table,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from ringfence.db.engine import create_engine
from ringfence.features.companies.model import Company
from ringfence.features.contacts.model import Contact
from ringfence.features.conversations.model import Conversation
from ringfence.features.users.model import User
from ringfence.kit.ids import new_id
from ringfence.tenancy.errors import FenceError, NoCompanyError, UnscopedStatementError, is_no_company
from ringfence.tenancy.sessions import Tenancy
from ringfence.tenancy.statements import register
from tests.factories.cluster import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
COUNT = register("tests.count_contacts", "SELECT count(*) FROM contacts WHERE company_id = :company_id")


async def make_company(tenancy: Tenancy, name: str, *, contacts: int = 0) -> UUID:
    company_id = new_id()
    async with tenancy.platform() as session:
        session.add(Company(id=company_id, name=name, created_at=NOW))
    async with tenancy.tenant(company_id) as session:
        session.add_all(Contact(first_name=f"{name} {n}", created_at=NOW, updated_at=NOW) for n in range(contacts))
    return company_id


async def names(tenancy: Tenancy, company_id: UUID) -> list[str]:
    async with tenancy.tenant(company_id) as session:
        query = select(Contact.first_name).where(Contact.company_id == company_id).order_by(Contact.first_name)
        return list(await session.scalars(query))


async def test_each_company_sees_its_own_rows_only(tenancy: Tenancy) -> None:
    a, b = await make_company(tenancy, "a", contacts=2), await make_company(tenancy, "b", contacts=1)

    assert await names(tenancy, a) == ["a 0", "a 1"]
    assert await names(tenancy, b) == ["b 0"]


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(lambda a, b: select(Contact), id="select without company"),
        pytest.param(lambda a, b: select(func.count()).select_from(Contact), id="count without company"),
        pytest.param(lambda a, b: select(Contact).where(Contact.company_id == b), id="other company"),
        pytest.param(lambda a, b: select(Contact).where((Contact.company_id == a) | (Contact.id == a)), id="or"),
        pytest.param(lambda a, b: select(Contact).where(Contact.company_id.in_([a])), id="in is not equality"),
        pytest.param(
            lambda a, b: select(Contact, Conversation).where(
                Contact.company_id == a, Contact.id == Conversation.contact_id
            ),
            id="join without company on one side",
        ),
        pytest.param(
            lambda a, b: select(Contact).outerjoin(
                Conversation, (Conversation.contact_id == Contact.id) & (Contact.company_id == a)
            ),
            id="company only in the ON of a left join",
        ),
        pytest.param(
            lambda a, b: select(Contact).where(
                Contact.company_id == a, Contact.id.in_(select(Conversation.contact_id))
            ),
            id="subquery without company",
        ),
        pytest.param(
            lambda a, b: select(aliased(Contact), Contact).where(Contact.company_id == a), id="alias without company"
        ),
        pytest.param(lambda a, b: select(select(Contact.id).cte()), id="cte without company"),
        pytest.param(
            lambda a, b: select(Contact).where(Contact.id.in_(select(Contact.id).where(Contact.company_id == a))),
            id="company only in a subquery of the same table",
        ),
        pytest.param(
            lambda a, b: select(Contact).where(Contact.company_id == a, Contact.id.in_(select(Contact.id))),
            id="the same table inside without company",
        ),
        pytest.param(
            lambda a, b: select(select(Contact.id).where(Contact.company_id == a).subquery(), Contact.first_name),
            id="company only in a subquery of FROM",
        ),
        pytest.param(
            lambda a, b: select(Contact).where(
                Contact.company_id == a,
                exists().where(Conversation.company_id == Contact.company_id).correlate(None),
            ),
            id="uncorrelated subquery with a table of its own",
        ),
        pytest.param(
            lambda a, b: union_all(select(Contact.id).where(Contact.company_id == a), select(Contact.id)),
            id="one side of a union",
        ),
        pytest.param(
            lambda a, b: delete(Contact).where(Contact.id.in_(select(Contact.id).where(Contact.company_id == a))),
            id="delete with company only in a subquery",
        ),
        pytest.param(
            lambda a, b: select(Contact.id, select(func.count(Conversation.id)).scalar_subquery()).where(
                Contact.company_id == a
            ),
            id="scalar subquery without company",
        ),
        pytest.param(
            lambda a, b: (
                update(Contact)
                .where(Contact.company_id == a, Contact.id == Conversation.contact_id)
                .values(first_name="x")
            ),
            id="update from a table without company",
        ),
        pytest.param(lambda a, b: select(Contact).where(~(Contact.company_id == a)), id="negated"),
        pytest.param(lambda a, b: update(Contact).values(first_name="x"), id="update without company"),
        pytest.param(lambda a, b: update(Contact).where(Contact.company_id == a).values(company_id=b), id="move"),
        pytest.param(
            lambda a, b: (
                insert(Contact)
                .values(company_id=a, id=new_id(), created_at=NOW, updated_at=NOW)
                .on_conflict_do_update(index_elements=["company_id", "id"], set_={"company_id": b})
            ),
            id="move by an upsert",
        ),
        pytest.param(
            lambda a, b: select(Contact.__table__.tablesample(func.bernoulli(100)).c.id), id="sample of a table"
        ),
        pytest.param(lambda a, b: select(Contact.__table__.alias().alias().c.id), id="alias of an alias"),
        pytest.param(lambda a, b: select(Contact.__table__.lateral().c.id), id="lateral table"),
        pytest.param(
            lambda a, b: (
                select(Contact)
                .join(
                    select(Conversation.id).where(Conversation.contact_id == Contact.id).correlate(Contact).lateral(),
                    true(),
                )
                .where(Contact.company_id == a)
            ),
            id="lateral subquery without company",
        ),
        pytest.param(
            lambda a, b: (
                select(Contact.id)
                .select_from(outerjoin(Contact, join(Conversation, User, true()), true()))
                .where(Contact.company_id == a)
            ),
            id="join in brackets",
        ),
        pytest.param(
            lambda a, b: insert(Contact).from_select(
                ["company_id", "id"],
                select(Conversation.company_id, Contact.id).where(Conversation.company_id == a),
            ),
            id="insert from its own table without company",
        ),
        pytest.param(
            lambda a, b: insert(Contact).values(
                [{"company_id": a, "first_name": select(Conversation.last_preview).limit(1).scalar_subquery()}]
            ),
            id="subquery in one of many rows of values",
        ),
        pytest.param(
            lambda a, b: (
                update(Contact)
                .where(Contact.company_id == a, Contact.id == select(Conversation.contact_id).cte().c.contact_id)
                .values(first_name="x")
            ),
            id="update from a cte without company",
        ),
        pytest.param(
            lambda a, b: delete(Contact).where(
                Contact.company_id == a, Contact.id == select(Conversation.contact_id).subquery().c.contact_id
            ),
            id="delete using a subquery without company",
        ),
        pytest.param(
            lambda a, b: select(
                union_all(*[select(Contact.id).where(Contact.company_id == a)] * 2)
                .limit(select(func.count(Conversation.id)).scalar_subquery())
                .subquery()
            ),
            id="limit of a union",
        ),
        pytest.param(lambda a, b: select(table("contacts", column("first_name"))), id="table by its name"),
        pytest.param(lambda a, b: select(literal_column("(SELECT count(*) FROM contacts)")), id="literal column"),
        pytest.param(lambda a, b: text("SELECT count(*) FROM contacts"), id="literal sql"),
        pytest.param(lambda a, b: COUNT.bindparams(company_id=b), id="registered, other company"),
        pytest.param(
            lambda a, b: insert(Contact).values(company_id=b, id=new_id(), created_at=NOW, updated_at=NOW),
            id="insert for other company",
        ),
    ],
)
async def test_inspector_refuses_a_statement_that_does_not_name_its_company(tenancy: Tenancy, statement) -> None:
    a, b = await make_company(tenancy, "a", contacts=1), await make_company(tenancy, "b", contacts=1)
    async with tenancy.tenant(a) as session:
        with pytest.raises(UnscopedStatementError):
            await session.execute(statement(a, b))

    assert await names(tenancy, a) == ["a 0"]
    assert await names(tenancy, b) == ["b 0"]


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(lambda a: select(Contact).where(Contact.company_id == a), id="select"),
        pytest.param(
            lambda a: (
                select(Contact, Conversation)
                .join(
                    Conversation,
                    (Conversation.company_id == Contact.company_id) & (Conversation.contact_id == Contact.id),
                    isouter=True,
                )
                .where(Contact.company_id == a)
            ),
            id="left join through company",
        ),
        pytest.param(
            lambda a: select(Contact).where(
                Contact.company_id == a,
                Contact.id.not_in(select(Conversation.contact_id).where(Conversation.company_id == a)),
            ),
            id="scoped subquery",
        ),
        pytest.param(
            lambda a: select(Contact).where(
                Contact.company_id == a,
                ~exists().where(Conversation.company_id == Contact.company_id, Conversation.contact_id == Contact.id),
            ),
            id="correlated subquery through the company of the outer table",
        ),
        pytest.param(
            lambda a: select(
                select(func.count(Conversation.id))
                .where(Conversation.company_id == Contact.company_id, Conversation.contact_id == Contact.id)
                .correlate(Contact)
                .scalar_subquery()
            ).where(Contact.company_id == a),
            id="explicitly correlated subquery",
        ),
        pytest.param(
            lambda a: (
                select(Contact)
                .where(Contact.company_id == a)
                .join(
                    select(Contact.id).where(Contact.company_id == a).subquery(),
                    Contact.company_id == a,
                )
            ),
            id="subquery of the same table in FROM, both with company",
        ),
        pytest.param(
            lambda a: union_all(
                select(Contact.id).where(Contact.company_id == a),
                select(Conversation.id).where(Conversation.company_id == a),
            ),
            id="union of scoped sides",
        ),
        pytest.param(
            lambda a: update(Contact).where(Contact.company_id == a).values(first_name=Contact.first_name), id="update"
        ),
        pytest.param(lambda a: select(Company).where(Company.id == a), id="own company row"),
    ],
)
async def test_inspector_lets_a_scoped_statement_through(tenancy: Tenancy, statement) -> None:
    a = await make_company(tenancy, "a", contacts=1)
    async with tenancy.tenant(a) as session:
        result = await session.execute(statement(a))

        found = result.all() if isinstance(result, ChunkedIteratorResult) else [None] * result.rowcount

        assert len(found) == 1


async def test_parameters_neither_move_a_row_nor_hide_whose_it_is(tenancy: Tenancy) -> None:
    a, b = await make_company(tenancy, "a", contacts=1), await make_company(tenancy, "b", contacts=1)
    moving = update(Contact.__table__).where(Contact.company_id == bindparam("whose"))
    hiding = select(Contact.first_name).where(Contact.company_id == b)
    async with tenancy.tenant(a) as session:
        connection = await session.connection()
        with pytest.raises(UnscopedStatementError):
            await connection.execute(moving, {"whose": a, "company_id": b})
        with pytest.raises(UnscopedStatementError):
            await connection.execute(hiding, {"company_id": a})

        changed = await connection.execute(moving, {"whose": a, "first_name": "own"})

        assert changed.rowcount == 1
    assert (await names(tenancy, a), await names(tenancy, b)) == (["own"], ["b 0"])


async def test_a_known_shape_is_still_checked_for_its_company(tenancy: Tenancy) -> None:
    """The inspector remembers shapes of statements, never that one was harmless for another company."""
    a, b = await make_company(tenancy, "a", contacts=1), await make_company(tenancy, "b", contacts=1)

    def read(company_id: UUID) -> Select[tuple[str]]:
        return select(Contact.first_name).where(Contact.company_id == company_id)

    def write(company_id: UUID) -> Insert:
        return insert(Contact).values(company_id=company_id, id=new_id(), created_at=NOW, updated_at=NOW)

    for _ in range(2):
        async with tenancy.tenant(a) as session:
            assert (await session.execute(read(a))).first() is not None
            await session.execute(write(a))
            for statement in (read(b), write(b)):
                with pytest.raises(UnscopedStatementError):
                    await session.execute(statement)
    assert await names(tenancy, b) == ["b 0"]


async def test_registered_statement_needs_the_sessions_company(tenancy: Tenancy) -> None:
    a = await make_company(tenancy, "a", contacts=3)
    async with tenancy.tenant(a) as session:
        assert (await session.execute(COUNT, {"company_id": a})).scalar_one() == 3


async def test_flush_stamps_the_company_and_refuses_another_ones(tenancy: Tenancy) -> None:
    a, b = await make_company(tenancy, "a"), await make_company(tenancy, "b")
    with pytest.raises(FenceError, match="another company"):
        async with tenancy.tenant(a) as session:
            session.add(Contact(company_id=b, first_name="smuggled", created_at=NOW, updated_at=NOW))

    async with tenancy.tenant(a) as session:
        session.add(Contact(first_name="own", created_at=NOW, updated_at=NOW))
    assert await names(tenancy, a) == ["own"]
    assert await names(tenancy, b) == []


async def test_engine_without_session_is_refused(tenancy: Tenancy) -> None:
    a = await make_company(tenancy, "a", contacts=1)
    async with tenancy.app_engine.connect() as connection:
        with pytest.raises(NoCompanyError):
            await connection.execute(select(Contact).where(Contact.company_id == a))
        with pytest.raises(UnscopedStatementError):
            await connection.exec_driver_sql("SELECT 1")


async def test_database_raises_without_context_and_after_it(tenancy: Tenancy, database: Database) -> None:
    """With every guard of the application gone, the policy itself raises: never set, and set before."""
    a = await make_company(tenancy, "a", contacts=1)
    bare = create_engine(database.app_url, pool_size=1, application_name="bare")

    async def count(connection: AsyncConnection) -> int:
        return (await connection.execute(text("SELECT count(*) FROM contacts"))).scalar_one()

    async with bare.connect() as connection:
        with pytest.raises(ProgrammingError) as never_set:
            await count(connection)
        await connection.rollback()
        await connection.execute(text(f"SET LOCAL ringfence.company_id = '{a}'"))
        assert await count(connection) == 1
        await connection.rollback()
        with pytest.raises(DBAPIError) as was_set:
            await count(connection)
    await bare.dispose()

    assert is_no_company(never_set.value)
    assert is_no_company(was_set.value)


async def test_cancelled_task_never_leaves_its_company_in_the_pool(database: Database) -> None:
    """Cancel at growing depths of a unit of work; the one pooled connection must come back clean every time."""
    tenancy = Tenancy(
        create_engine(database.app_url, pool_size=1, application_name="cancel-app"),
        create_engine(database.platform_url, pool_size=1, application_name="cancel-platform"),
    )
    a, b = await make_company(tenancy, "a", contacts=1), await make_company(tenancy, "b", contacts=1)
    cancelled = 0

    async def work() -> None:
        for _ in range(3):
            async with tenancy.tenant(a) as session:
                await session.execute(select(Contact).where(Contact.company_id == a))
                session.add(Contact(first_name="late", created_at=NOW, updated_at=NOW))
                await session.flush()
                await session.rollback()

    for steps in range(60):
        task = asyncio.create_task(work())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            cancelled += 1
        assert await names(tenancy, b) == ["b 0"]
        assert await names(tenancy, a) == ["a 0"]
    await tenancy.close()

    assert cancelled > 20


async def test_a_savepoint_keeps_the_company(tenancy: Tenancy) -> None:
    a, b = await make_company(tenancy, "a", contacts=1), await make_company(tenancy, "b", contacts=1)
    async with tenancy.tenant(a) as session:
        async with session.begin_nested() as savepoint:
            session.add(Contact(first_name="undone", created_at=NOW, updated_at=NOW))
            await session.flush()
            await savepoint.rollback()
        with pytest.raises(UnscopedStatementError):
            async with session.begin_nested():
                await session.execute(text(f"SET LOCAL ringfence.company_id = '{b}'"))
        session.add(Contact(first_name="a 1", created_at=NOW, updated_at=NOW))

    assert await names(tenancy, a) == ["a 0", "a 1"]
    assert await names(tenancy, b) == ["b 0"]
