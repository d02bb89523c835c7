"""Migrations: up from nothing, down to nothing, the same as the models, and fenced."""

import hashlib
import multiprocessing

import psycopg
import pytest
from procrastinate.schema import SchemaManager
from psycopg.rows import dict_row

from ringfence.errors import ConfigurationError
from ringfence.migrations import runner
from ringfence.migrations.drift import drift
from ringfence.migrations.metadata import metadata
from ringfence.tenancy.tables import LIBRARY_TABLES, directory_tables, is_append_only, tenant_tables
from tests.factories.cluster import Database

SPAWN = multiprocessing.get_context("spawn")
SAME = "(company_id = (current_setting('ringfence.company_id'::text))::uuid)"
TENANT = [table.name for table in tenant_tables(metadata())]
APPEND_ONLY = {table.name for table in tenant_tables(metadata()) if is_append_only(table)}
# What else the app role may do with a table than to change and delete rows.
LESS = {"events": {"DELETE"}, "event_heads": {"UPDATE"}}
DIRECTORY = [table.name for table in directory_tables(metadata())]


def query(url: str, sql: str, *values: object) -> list[dict]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(sql, values).fetchall()


def objects(database: Database) -> set[tuple[str, str]]:
    """Everything in the schema that is no part of something else: tables, sequences, functions, types."""
    rows = query(
        database.admin_url,
        """
        SELECT 'relation' AS kind, relname::text AS name FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i'
        UNION ALL SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'type', typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typelem = 0
        """,
    )
    return {(row["kind"], row["name"]) for row in rows}


def test_up_from_nothing_and_down_again_leaves_nothing(empty: Database) -> None:
    assert objects(empty) == set()

    runner.upgrade(empty.owner_url)
    made = objects(empty)
    runner.downgrade(empty.owner_url, "base")

    assert {("relation", "contacts"), ("relation", "procrastinate_jobs")} <= made
    assert objects(empty) - {("relation", "alembic_version"), ("type", "alembic_version")} == set()

    runner.upgrade(empty.owner_url)
    assert objects(empty) == made


def test_upgrade_twice_changes_nothing_and_stands_at_the_head(migrated: Database) -> None:
    before = objects(migrated)
    runner.upgrade(migrated.owner_url)

    assert objects(migrated) == before
    assert query(migrated.platform_url, "SELECT version_num FROM alembic_version") == [{"version_num": runner.head()}]


def test_database_is_what_the_models_say(inspected: Database) -> None:
    assert drift(inspected.owner_url, metadata()) == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("ALTER TABLE contacts ADD COLUMN shoe_size int", "remove column contacts shoe_size"),
        ("ALTER TABLE contacts ALTER COLUMN first_name TYPE varchar(3)", "modify type contacts first_name"),
        ("CREATE TABLE notes (id int)", "remove table notes"),
        ("DROP INDEX ix_sms_messages_company_id_created_at_id", "add index ix_sms_messages_company_id_created_at_id"),
    ],
)
def test_drift_is_found(migrated: Database, fault: str, words: str) -> None:
    with psycopg.connect(migrated.owner_url) as owner:
        owner.execute(fault)

    assert [line.startswith(words) for line in drift(migrated.owner_url, metadata())] == [True]


def test_a_database_from_the_future_is_one_clear_line(migrated: Database) -> None:
    with psycopg.connect(migrated.owner_url) as owner:
        owner.execute("UPDATE alembic_version SET version_num = '99991231_0000'")

    with pytest.raises(ConfigurationError, match="use a newer release"):
        runner.upgrade(migrated.owner_url)


@pytest.mark.parametrize("table", TENANT)
def test_tenant_table_is_forced_with_exactly_two_policies_and_its_privileges(inspected: Database, table: str) -> None:
    [row] = query(
        inspected.admin_url,
        "SELECT relrowsecurity AS enabled, relforcerowsecurity AS forced, pg_get_userbyid(relowner) AS owner"
        " FROM pg_class WHERE oid = %s::regclass",
        table,
    )
    policies = query(
        inspected.admin_url,
        "SELECT policyname, permissive, roles::text[], cmd, qual, with_check FROM pg_policies WHERE tablename = %s"
        " ORDER BY policyname",
        table,
    )

    assert row == {"enabled": True, "forced": True, "owner": "ringfence_owner"}
    every = {"roles": ["public"], "cmd": "ALL", "qual": SAME, "with_check": SAME}
    assert policies == [
        {"policyname": "company", "permissive": "PERMISSIVE", **every},
        {"policyname": "company_floor", "permissive": "RESTRICTIVE", **every},
    ]
    changes: set[str] = set() if table in APPEND_ONLY else LESS.get(table, {"UPDATE", "DELETE"})
    assert privileges(inspected, "ringfence_app", table) == {"SELECT", "INSERT"} | changes
    assert privileges(inspected, "ringfence_platform", table) == set()
    assert column_privileges(inspected, "ringfence_platform", table) == []
    assert privileges(inspected, "public", table) == set()


@pytest.mark.parametrize("table", [*DIRECTORY, "companies"])
def test_directory_table_is_forced(inspected: Database, table: str) -> None:
    [row] = query(
        inspected.admin_url,
        "SELECT relrowsecurity AND relforcerowsecurity AS forced FROM pg_class WHERE relname = %s",
        table,
    )
    assert row["forced"]


@pytest.mark.parametrize("table", sorted(LIBRARY_TABLES))
def test_library_table_shows_the_app_role_nothing(inspected: Database, table: str) -> None:
    assert not privileges(inspected, "ringfence_app", table) & {"SELECT", "UPDATE", "DELETE", "TRUNCATE"}
    readable = [
        row for row in column_privileges(inspected, "ringfence_app", table) if row["privilege_type"] != "INSERT"
    ]
    assert readable == []
    assert privileges(inspected, "public", table) == set()


def test_no_function_of_ours_is_for_everybody(inspected: Database) -> None:
    rows = query(
        inspected.admin_url,
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'"
        " AND has_function_privilege('ringfence_app', oid, 'EXECUTE') AND prorettype <> 'trigger'::regtype",
    )
    assert rows == []


def test_the_job_queues_schema_is_the_one_its_migration_was_written_for() -> None:
    """A newer procrastinate may bring another schema: docs/decisions/0004-job-queue.md says what to do then."""
    digest = hashlib.sha256(SchemaManager.get_schema().encode()).hexdigest()
    assert digest == "c70ec4b400a60ad9592787653aae5ae77ae41bf801d56b5bd2712751a07f2009"


def test_two_processes_upgrade_one_new_database_and_both_end_well(empty: Database) -> None:
    """As `serve` and `work` do when they are started together."""
    processes = [SPAWN.Process(target=runner.upgrade, args=(empty.owner_url,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0]


def privileges(database: Database, role: str, table: str) -> set[str]:
    rows = query(
        database.admin_url,
        "SELECT DISTINCT privilege_type FROM pg_class c, aclexplode(c.relacl) a"
        " WHERE c.oid = %s::regclass AND a.grantee = (CASE WHEN %s = 'public' THEN 0 ELSE %s::regrole::oid END)",
        table,
        role,
        "ringfence_app" if role == "public" else role,
    )
    return {row["privilege_type"] for row in rows}


def column_privileges(database: Database, role: str, table: str) -> list[dict]:
    return query(
        database.admin_url,
        "SELECT attname, privilege_type FROM pg_attribute t, aclexplode(t.attacl) a"
        " WHERE t.attrelid = %s::regclass AND a.grantee = %s::regrole",
        table,
        role,
    )
