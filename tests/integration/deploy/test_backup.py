"""A backup by the role of the page, and what comes back from it."""

import os
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from ringfence.db.embedded_binaries import find_binaries
from ringfence.db.engine import create_engine
from ringfence.migrations import runner
from ringfence.migrations.metadata import metadata
from ringfence.runtime.readiness import require_sound
from ringfence.tenancy.provision import provision
from ringfence.tenancy.sessions import Tenancy
from tests.factories.cluster import PASSWORDS, Cluster, Database
from tests.factories.world import World

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "run-on-a-server.md"
COUNTS = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM audit_log), (SELECT count(*) FROM companies)"


def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([command, *arguments], capture_output=True, text=True, check=False, env={**os.environ})


def counts(url: str) -> tuple[int, ...]:
    with psycopg.connect(url) as connection:
        row = connection.execute(COUNTS).fetchone()
        assert row is not None
        return row


async def test_what_is_dumped_comes_back(world: World, database: Database, cluster: Cluster, tmp_path: Path) -> None:
    dump, again = str(tmp_path / "ringfence.dump"), cluster.database(f"{database.name}_again")
    statements = PAGE.read_text(encoding="utf-8").partition("```sql\n")[2].partition("```")[0]
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        for statement in statements.replace("ON DATABASE ringfence", f"ON DATABASE {database.name}").split(";"):
            if statement.strip():
                admin.execute(statement.replace("'…'", "'backup-password'"))  # pyright: ignore
    tools = find_binaries(None).folder
    backup_url = cluster.server.url(user="ringfence_backup", password="backup-password", database=database.name)
    try:
        # The owner's login cannot: row security would leave everything out, so pg_dump refuses.
        assert run(f"{tools}/pg_dump", "--format=custom", f"--file={dump}", database.owner_url).returncode != 0
        done = run(f"{tools}/pg_dump", "--format=custom", f"--file={dump}", backup_url)
        assert done.returncode == 0, done.stderr
        with psycopg.connect(cluster.server.admin_url, autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {} OWNER ringfence_owner").format(sql.Identifier(again.name)))
        done = run(f"{tools}/pg_restore", "--exit-on-error", f"--dbname={again.admin_url}", dump)
        assert done.returncode == 0, done.stderr
        provision(cluster.server.admin_url, database=again.name, passwords=PASSWORDS)
        assert counts(again.admin_url) == counts(database.admin_url)
        assert min(counts(again.admin_url)) > 0
        tenancy = Tenancy(
            create_engine(again.app_url, pool_size=2, application_name="again"),
            create_engine(again.platform_url, pool_size=2, application_name="again"),
        )
        try:
            await require_sound(tenancy, metadata=metadata(), head=runner.head())
        finally:
            await tenancy.close()
    finally:
        with psycopg.connect(database.admin_url, autocommit=True) as admin:
            admin.execute("DROP OWNED BY ringfence_backup")
            admin.execute("DROP ROLE ringfence_backup")
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(again.name)))
