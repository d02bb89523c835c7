"""The fence as SQL: roles, policies and grants. Migrations and `db init` run what these functions return.

Layers L1 (roles) and L2 (row-level security). Every policy compares `company_id` with the transaction's setting and
has no `missing_ok`: without a context the query is an error, not an empty list.
"""

from collections.abc import Iterable

OWNER = "ringfence_owner"
APP = "ringfence_app"
PLATFORM = "ringfence_platform"
ROLES = (OWNER, APP, PLATFORM)
CONTEXT = "current_setting('ringfence.company_id')::uuid"
TENANT_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")


def fence_tenant_table(table: str) -> list[str]:
    """Enable and force row-level security: one permissive policy for all commands, its restrictive twin as floor.

    The twin keeps the fence closed when somebody later adds a permissive policy: permissive ones add up.
    """
    same = f"company_id = {CONTEXT}"
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY company ON {table} FOR ALL USING ({same}) WITH CHECK ({same})",
        f"CREATE POLICY company_floor ON {table} AS RESTRICTIVE FOR ALL USING ({same}) WITH CHECK ({same})",
        f"REVOKE ALL ON {table} FROM PUBLIC",
        f"GRANT {', '.join(TENANT_PRIVILEGES)} ON {table} TO {APP}",
    ]


def make_append_only(table: str) -> list[str]:
    """Let the app role add and read rows of a fenced table, and neither change nor delete one."""
    return [f"REVOKE UPDATE, DELETE ON {table} FROM {APP}"]


def fence_directory_table(table: str, *, app_may_see: Iterable[str], app_may_update: Iterable[str] = ()) -> list[str]:
    """A directory table: the platform role sees all; the app role writes its own company's rows only.

    Of its own rows the app role sees the columns that lead to its own things (`app_may_see`), which it needs to name
    the row it ends or changes, and never a hash or an address.
    """
    same = f"company_id = {CONTEXT}"
    update = ", ".join(app_may_update)
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY company ON {table} FOR ALL TO {APP} USING ({same}) WITH CHECK ({same})",
        f"CREATE POLICY company_floor ON {table} AS RESTRICTIVE FOR ALL TO {APP} USING ({same}) WITH CHECK ({same})",
        f"CREATE POLICY platform ON {table} FOR ALL TO {PLATFORM} USING (true) WITH CHECK (true)",
        f"REVOKE ALL ON {table} FROM PUBLIC",
        f"GRANT INSERT, DELETE ON {table} TO {APP}",
        f"GRANT SELECT ({', '.join(app_may_see)}) ON {table} TO {APP}",
        *([f"GRANT UPDATE ({update}) ON {table} TO {APP}"] if update else []),
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {PLATFORM}",
    ]


def platform_table(table: str) -> list[str]:
    """A global table of the platform role alone."""
    return [
        f"REVOKE ALL ON {table} FROM PUBLIC",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {PLATFORM}",
    ]


def companies_table() -> list[str]:
    """Companies: the platform role keeps them; the app role sees and edits its own row, by policy."""
    same = f"id = {CONTEXT}"
    return [
        "ALTER TABLE companies ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE companies FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY company ON companies FOR ALL TO {APP} USING ({same}) WITH CHECK ({same})",
        f"CREATE POLICY company_floor ON companies AS RESTRICTIVE FOR ALL TO {APP} USING ({same}) WITH CHECK ({same})",
        f"CREATE POLICY platform ON companies FOR ALL TO {PLATFORM} USING (true) WITH CHECK (true)",
        "REVOKE ALL ON companies FROM PUBLIC",
        f"GRANT SELECT, UPDATE (name, time_zone) ON companies TO {APP}",
        f"GRANT SELECT, INSERT, UPDATE ON companies TO {PLATFORM}",
    ]
