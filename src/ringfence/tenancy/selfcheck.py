"""At start the server proves on its live connections that the fence stands, and refuses to run otherwise.

Each problem is one line: what is wrong, with what, and the fix.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ringfence.errors import ConfigurationError
from ringfence.tenancy.statements import register_catalog
from ringfence.tenancy.tables import directory_tables, is_append_only, tenant_tables

# Minor versions below these have known row-security faults (CVE-2025-8713 and earlier).
VERSION_FLOORS = {15: 14, 16: 10, 17: 6}
MINIMUM_MAJOR = 15

_ROLE = register_catalog("""
    SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,
           (SELECT count(*) FROM pg_class WHERE relowner = r.oid AND relkind IN ('r', 'p', 'v', 'm', 'S')) AS owned,
           (SELECT string_agg(g.rolname, ', ' ORDER BY g.rolname) FROM pg_auth_members m
            JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid) AS memberships
    FROM pg_roles r WHERE rolname = current_user AND current_user = session_user
""")
_TABLES = register_catalog("""
    SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
           has_table_privilege(current_user, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
             OR has_any_column_privilege(current_user, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES') AS reachable,
           has_table_privilege(current_user, c.oid, 'TRUNCATE, REFERENCES, TRIGGER') AS too_much,
           has_table_privilege(current_user, c.oid, 'UPDATE, DELETE')
             OR has_any_column_privilege(current_user, c.oid, 'UPDATE') AS changeable,
           COALESCE((SELECT array_agg(p.polpermissive::text || '|' || p.polcmd::text
                       || '|' || COALESCE(pg_get_expr(p.polqual, p.polrelid), '')
                       || '|' || COALESCE(pg_get_expr(p.polwithcheck, p.polrelid), '')
                       ORDER BY p.polpermissive DESC)
                     FROM pg_policy p WHERE p.polrelid = c.oid), '{}') AS policies
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
""")
_TEMPORARY = register_catalog("SELECT has_database_privilege(current_user, current_database(), 'TEMPORARY, CREATE')")

# How PostgreSQL writes `policies.CONTEXT` back.
_EXPRESSION = "(company_id = (current_setting('ringfence.company_id'::text))::uuid)"
EXPECTED_POLICIES = [f"true|*|{_EXPRESSION}|{_EXPRESSION}", f"false|*|{_EXPRESSION}|{_EXPRESSION}"]


async def check(app_engine: AsyncEngine, platform_engine: AsyncEngine, metadata: MetaData) -> None:
    """Raise ConfigurationError with every problem found, one a line; return quietly when the fence stands.

    Looks at both logins (no superuser, no bypass, no ownership, no memberships), at row security and policies of
    every tenant table, at grants, and at the server's version.
    """
    problems: list[str] = []
    for engine, setting in (
        (app_engine, "RINGFENCE_APP_DATABASE_URL"),
        (platform_engine, "RINGFENCE_PLATFORM_DATABASE_URL"),
    ):
        async with engine.connect() as connection:
            problems += _version_problems(connection)
            problems += await _role_problems(connection, setting)
            if engine is app_engine:
                problems += await _tenant_table_problems(connection, metadata)
            else:
                problems += await _platform_problems(connection, metadata)
    if problems:
        raise ConfigurationError(
            "The fence does not stand, so the server does not start:\n" + "\n".join(f"- {p}" for p in problems)
        )


def _version_problems(connection: AsyncConnection) -> list[str]:
    version = connection.dialect.server_version_info or (0, 0)
    major, minor = int(version[0]), int(version[1])
    if major < MINIMUM_MAJOR:
        return [f"PostgreSQL {major} is too old: 15 or newer is needed."]
    if minor < VERSION_FLOORS.get(major, 0):
        floor = VERSION_FLOORS[major]
        return [f"PostgreSQL {major}.{minor} has known row-security faults: update to {major}.{floor} or newer."]
    return []


async def _role_problems(connection: AsyncConnection, setting: str) -> list[str]:
    row = (await connection.execute(_ROLE)).one_or_none()
    if row is None:
        return [f"{setting} changes its role after log-in: log in as the role itself."]
    faults = {
        "is a superuser": row.rolsuper,
        "bypasses row security": row.rolbypassrls,
        "may make roles": row.rolcreaterole,
        "may make databases": row.rolcreatedb,
        "may replicate": row.rolreplication,
        f"owns {row.owned} tables": row.owned,
        f"is a member of {row.memberships}": row.memberships,
        "may make tables in the database": (await connection.execute(_TEMPORARY)).scalar_one(),
    }
    return [
        f"{setting} logs in as {row.rolname}, which {fault}: use the login that `ringfence db init` printed."
        for fault, present in faults.items()
        if present
    ]


async def _tenant_table_problems(connection: AsyncConnection, metadata: MetaData) -> list[str]:
    found = {row.name: row for row in await connection.execute(_TABLES)}
    problems: list[str] = []
    for table in tenant_tables(metadata):
        row = found.get(table.name)
        if row is None:
            problems.append(f"table {table.name} is missing: run `ringfence db upgrade`.")
            continue
        if not (row.enabled and row.forced):
            problems.append(f"table {table.name}: row security is not enabled and forced: run `ringfence db check`.")
        if sorted(row.policies) != sorted(EXPECTED_POLICIES):
            problems.append(
                f"table {table.name}: its policies are not the two that belong there: run `ringfence db check`."
            )
        if row.too_much:
            problems.append(f"table {table.name}: the app role may truncate, reference or trigger: revoke that.")
        if is_append_only(table) and row.changeable:
            problems.append(f"table {table.name}: the app role may change or delete what was written: revoke that.")
    return problems + _unforced(found.values(), directory_tables(metadata))


def _unforced(rows: Iterable[object], tables: Sequence[object]) -> list[str]:
    names = {getattr(table, "name", "") for table in tables} | {"companies"}
    return [
        f"table {getattr(row, 'name', '')}: row security is not enabled and forced: run `ringfence db check`."
        for row in rows
        if getattr(row, "name", "") in names and not (getattr(row, "enabled", False) and getattr(row, "forced", False))
    ]


async def _platform_problems(connection: AsyncConnection, metadata: MetaData) -> list[str]:
    names = {table.name for table in tenant_tables(metadata)}
    return [
        f"table {row.name}: the platform role can reach it: revoke all its privileges there."
        for row in await connection.execute(_TABLES)
        if row.name in names and row.reachable
    ]
