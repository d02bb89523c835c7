"""The server refuses to run when a login or a table is not as it must be, and names the fix."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import AsyncEngine

from ringfence.db.engine import create_engine
from ringfence.errors import ConfigurationError
from ringfence.migrations.metadata import metadata
from ringfence.tenancy.selfcheck import check
from tests.factories.cluster import Cluster, Database

FIX_LOGIN = "use the login that `ringfence db init` printed"
# Without a company this is an empty list instead of an error.
QUIET = "company_id = current_setting('ringfence.company_id', true)::uuid"


@asynccontextmanager
async def engines(database: Database) -> AsyncIterator[tuple[AsyncEngine, AsyncEngine]]:
    pair = (
        create_engine(database.app_url, pool_size=1, application_name="check-app"),
        create_engine(database.platform_url, pool_size=1, application_name="check-platform"),
    )
    try:
        yield pair
    finally:
        for engine in pair:
            await engine.dispose()


async def problems(database: Database) -> list[str]:
    """What the self-check finds, a line each; empty when it lets the server start."""
    async with engines(database) as (app, platform):
        try:
            await check(app, platform, metadata())
        except ConfigurationError as error:
            return error.detail.splitlines()[1:]
    return []


def login(database: Database, role: str, password: str) -> str:
    at = conninfo_to_dict(database.admin_url)
    return f"postgresql://{role}:{password}@{at['host']}:{at['port']}/{database.name}"


async def test_a_good_database_passes(inspected: Database) -> None:
    assert await problems(inspected) == []


@pytest.mark.parametrize("setting", ["RINGFENCE_APP_DATABASE_URL", "RINGFENCE_PLATFORM_DATABASE_URL"])
@pytest.mark.parametrize(("who", "fault"), [("admin", "is a superuser"), ("owner", "owns ")])
async def test_a_powerful_login_is_refused(inspected: Database, setting: str, who: str, fault: str) -> None:
    url = inspected.admin_url if who == "admin" else inspected.owner_url
    wrong = replace(inspected, **{"app_url" if "APP" in setting else "platform_url": url})

    found = await problems(wrong)

    assert any(line.startswith(f"- {setting} logs in as ") and fault in line and FIX_LOGIN in line for line in found)
    assert await problems(inspected) == []


@pytest.mark.parametrize(
    ("attributes", "fault"),
    [
        ("BYPASSRLS", "bypasses row security"),
        ("CREATEROLE", "may make roles"),
        ("CREATEDB", "may make databases"),
        ("REPLICATION", "may replicate"),
        ("IN ROLE ringfence_owner", "is a member of ringfence_owner"),
        ("NOINHERIT IN ROLE ringfence_platform", "is a member of ringfence_platform"),
    ],
)
async def test_a_login_with_more_than_it_needs_is_refused(
    server: Cluster, inspected: Database, attributes: str, fault: str
) -> None:
    with psycopg.connect(inspected.admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE too_much LOGIN PASSWORD 'x' {attributes}")
        admin.execute(f"GRANT CONNECT ON DATABASE {inspected.name} TO too_much")
    try:
        found = await problems(replace(inspected, app_url=login(inspected, "too_much", "x")))
    finally:
        with psycopg.connect(inspected.admin_url, autocommit=True) as admin:
            admin.execute("DROP OWNED BY too_much")
            admin.execute("DROP ROLE too_much")

    assert [line for line in found if fault in line and FIX_LOGIN in line and "too_much" in line]
    assert await problems(inspected) == []


async def test_a_login_that_changes_its_role_is_refused(inspected: Database) -> None:
    """It looks like the app role until somebody says RESET ROLE."""
    with psycopg.connect(inspected.admin_url, autocommit=True) as admin:
        admin.execute("CREATE ROLE disguised LOGIN PASSWORD 'x' SUPERUSER")
        admin.execute("ALTER ROLE disguised SET role = 'ringfence_app'")
    try:
        found = await problems(replace(inspected, app_url=login(inspected, "disguised", "x")))
    finally:
        with psycopg.connect(inspected.admin_url, autocommit=True) as admin:
            admin.execute("DROP ROLE disguised")

    assert any("log in as the role itself" in line for line in found)
    assert await problems(inspected) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("ALTER TABLE contacts DISABLE ROW LEVEL SECURITY", "table contacts: row security is not enabled and forced"),
        ("ALTER TABLE contacts NO FORCE ROW LEVEL SECURITY", "table contacts: row security is not enabled and forced"),
        ("ALTER TABLE lane NO FORCE ROW LEVEL SECURITY", "table lane: row security is not enabled and forced"),
        ("ALTER TABLE companies DISABLE ROW LEVEL SECURITY", "table companies: row security is not enabled"),
        ("CREATE POLICY extra ON contacts FOR SELECT USING (true)", "table contacts: its policies are not"),
        ("DROP POLICY company_floor ON contacts", "table contacts: its policies are not"),
        ("ALTER POLICY company ON contacts USING (true)", "table contacts: its policies are not"),
        ("ALTER POLICY company ON contacts WITH CHECK (true)", "table contacts: its policies are not"),
        (
            "ALTER POLICY company ON contacts USING (company_id = current_setting('ringfence.company_id', true)::uuid)",
            "table contacts: its policies are not",
        ),
        ("GRANT TRUNCATE ON contacts TO ringfence_app", "table contacts: the app role may truncate"),
        ("GRANT SELECT ON contacts TO ringfence_platform", "table contacts: the platform role can reach it"),
        (
            "GRANT SELECT (phone_number) ON contacts TO ringfence_platform",
            "table contacts: the platform role can reach it",
        ),
        ("GRANT UPDATE ON contacts TO PUBLIC", "table contacts: the platform role can reach it"),
        ("DROP TABLE opt_outs", "table opt_outs is missing: run `ringfence db upgrade`"),
    ],
)
async def test_a_hole_in_the_fence_is_found(migrated: Database, statement: str, words: str) -> None:
    assert await problems(migrated) == []
    with psycopg.connect(migrated.owner_url) as owner:
        owner.execute(statement)

    found = await problems(migrated)

    assert [line for line in found if line.startswith(f"- {words}")], found


async def test_temporary_tables_are_not_for_everybody(migrated: Database) -> None:
    """A temporary table outlives the transaction on a pooled connection and has no row security."""
    with psycopg.connect(migrated.admin_url, autocommit=True) as admin:
        admin.execute(f"GRANT TEMPORARY ON DATABASE {migrated.name} TO PUBLIC")

    found = await problems(migrated)

    assert len([line for line in found if "may make tables in the database" in line]) == 2
