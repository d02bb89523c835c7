"""The tables of the people rooms under the database's own fence, with every guard of the application gone."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ringfence.db.engine import create_engine
from ringfence.features.audit_log.jobs import seal_audit_log
from ringfence.features.audit_log.model import AuditEntry, AuditSeal
from ringfence.features.audit_log.values import SealAuditLog
from ringfence.features.companies.model import CompanySettings
from ringfence.features.users import model
from ringfence.jobqueue.jobs import JobContext
from ringfence.tenancy.tables import is_append_only
from tests.factories.cluster import Database
from tests.factories.world import World

TENANT: list[Table] = [
    entity.__table__
    for entity in (
        AuditEntry,
        AuditSeal,
        CompanySettings,
        model.APIKey,
        model.Invitation,
        model.PasswordReset,
        model.User,
        model.UserSession,
    )
]
CHANGEABLE = [table for table in TENANT if not is_append_only(table)]
# Directory table → what the app role may not see even of its own rows.
DIRECTORY: dict[Table, str] = {
    model.DirectoryLogin.__table__: "email_norm",
    model.DirectorySession.__table__: "token_hash",
    model.DirectoryInvitation.__table__: "token_hash",
    model.DirectoryPasswordReset.__table__: "token_hash",
    model.DirectoryAPIKey.__table__: "key_hash",
}
PLATFORM_ONLY = ("platform_users", "platform_sessions", "company_visits", "login_failures", "reset_requests")
MAY_BE_EMPTY = {"company_visits", "login_failures", "reset_requests"}


def name_of(table: Table | str) -> str:
    return str(table)


@pytest.fixture
async def full_world(world: World) -> World:
    """Rows of both companies in every table of these rooms."""
    for company in (world.a, world.b):
        admin = await world.log_in(company.admin)
        invited = await admin.post(
            "/api/invitations", json={"email": f"n@{company.company_id}.example", "role": "agent"}
        )
        assert invited.status_code == 201
        assert (await admin.post(f"/api/users/{company.agent.id}/password-reset")).status_code == 201
        await seal_audit_log(JobContext(world.tenancy, company.company_id), SealAuditLog())
    await world.log_in(world.super_admin)
    return world


@pytest.fixture
async def app_role(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database.app_url, pool_size=1, application_name="bare-app")
    yield engine
    await engine.dispose()


@pytest.fixture
async def platform_role(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database.platform_url, pool_size=1, application_name="bare-platform")
    yield engine
    await engine.dispose()


async def enter(connection: AsyncConnection, company_id: UUID) -> None:
    await connection.execute(text(f"SET LOCAL ringfence.company_id = '{company_id}'"))


async def count(connection: AsyncConnection, table: Table, **where: Any) -> int:
    condition = " AND ".join(f"{column} = :{column}" for column in where) or "true"
    return (
        await connection.execute(text(f"SELECT count(company_id) FROM {table.name} WHERE {condition}"), where)
    ).scalar_one()


@pytest.mark.parametrize("table", [*TENANT, *DIRECTORY], ids=name_of)
async def test_no_row_of_b_is_read_changed_or_deleted_in_a(
    full_world: World, app_role: AsyncEngine, table: Table
) -> None:
    a, b = full_world.a.company_id, full_world.b.company_id
    async with app_role.connect() as connection:
        await enter(connection, a)
        assert await count(connection, table) == await count(connection, table, company_id=a) > 0
        assert await count(connection, table, company_id=b) == 0
        if table not in TENANT or table in CHANGEABLE:
            deleted = await connection.execute(text(f"DELETE FROM {table.name} WHERE company_id = :b"), {"b": b})
            assert deleted.rowcount == 0
        if table in CHANGEABLE:
            moved = text(f"UPDATE {table.name} SET company_id = :a WHERE company_id = :b")
            assert (await connection.execute(moved, {"a": a, "b": b})).rowcount == 0
        await connection.rollback()
        await enter(connection, b)
        assert await count(connection, table, company_id=b) > 0


@pytest.mark.parametrize("table", CHANGEABLE, ids=name_of)
async def test_own_row_cannot_be_given_to_b(full_world: World, app_role: AsyncEngine, table: Table) -> None:
    a, b = full_world.a.company_id, full_world.b.company_id
    moved = text(f"UPDATE {table.name} SET company_id = :to WHERE company_id = :a")
    async with app_role.connect() as connection:
        await enter(connection, a)
        with pytest.raises(ProgrammingError, match="row-level security"):
            await connection.execute(moved, {"to": b, "a": a})
        await connection.rollback()
        await enter(connection, a)
        assert (await connection.execute(moved, {"to": a, "a": a})).rowcount > 0


@pytest.mark.parametrize(("table", "hidden"), DIRECTORY.items(), ids=name_of)
async def test_directory_rows_are_written_blind(
    full_world: World, app_role: AsyncEngine, platform_role: AsyncEngine, table: Table, hidden: str
) -> None:
    a, b = full_world.a.company_id, full_world.b.company_id
    columns = [column.name for column in table.columns]
    insert = text(
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join(':' + name for name in columns)})"
    )
    async with platform_role.connect() as directory:
        rows = (await directory.execute(text(f"SELECT * FROM {table.name}"))).mappings().all()
    of_a = next(dict(row) for row in rows if row["company_id"] == a)
    of_b = next(dict(row) for row in rows if row["company_id"] == b)
    fresh = "x@fresh.example" if hidden == "email_norm" else b"x" * 32
    async with app_role.connect() as connection:
        await enter(connection, a)
        with pytest.raises(ProgrammingError, match="permission denied"):
            await connection.execute(text(f"SELECT {hidden} FROM {table.name}"))
        for forged in ({**of_b, hidden: fresh}, {**of_a, "company_id": b, hidden: fresh}):
            await connection.rollback()
            await enter(connection, a)
            with pytest.raises(ProgrammingError, match="row-level security"):
                await connection.execute(insert, forged)
        # A row that leads from A's own company to a thing of B's has nothing to point at.
        thing = next(name for name in columns if name not in {"company_id", hidden})
        await connection.rollback()
        await enter(connection, a)
        with pytest.raises(DBAPIError, match="foreign key"):
            await connection.execute(insert, {**of_a, thing: of_b[thing], hidden: fresh})
        await connection.rollback()
        await enter(connection, a)
        assert (await connection.execute(insert, {**of_a, hidden: fresh})).rowcount == 1


@pytest.mark.parametrize("table", [*TENANT, *PLATFORM_ONLY], ids=str)
async def test_each_role_keeps_to_its_own_tables(
    full_world: World, app_role: AsyncEngine, platform_role: AsyncEngine, table: Table | str
) -> None:
    kept_out, allowed = (platform_role, app_role) if isinstance(table, Table) else (app_role, platform_role)
    query = text(f"SELECT count(*) FROM {table}")
    async with kept_out.connect() as connection:
        await enter(connection, full_world.a.company_id)
        with pytest.raises(ProgrammingError, match="permission denied"):
            await connection.execute(query)
    async with allowed.connect() as connection:
        await enter(connection, full_world.a.company_id)
        assert (await connection.execute(query)).scalar_one() >= (0 if table in MAY_BE_EMPTY else 1)


async def test_company_row_shows_and_changes_for_its_own_only(full_world: World, app_role: AsyncEngine) -> None:
    a, b = full_world.a.company_id, full_world.b.company_id
    async with app_role.connect() as connection:
        await enter(connection, a)
        assert (await connection.execute(text("SELECT id FROM companies"))).scalars().all() == [a]
        rename = text("UPDATE companies SET name = 'x' WHERE id = :id")
        assert (await connection.execute(rename, {"id": b})).rowcount == 0
        assert (await connection.execute(rename, {"id": a})).rowcount == 1
        with pytest.raises(ProgrammingError, match="permission denied"):
            await connection.execute(text("UPDATE companies SET status = 'suspended' WHERE id = :id"), {"id": a})
