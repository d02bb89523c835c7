"""What the tests of the audit log's chain stand on: a sealed log, its owner's hand in the tables, and the command."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg
import typer
from psycopg.rows import dict_row
from typer.testing import CliRunner, Result

from ringfence.cli.audit import audit_commands
from ringfence.db.engine import create_engine
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.jobs import seal_audit_log
from ringfence.features.audit_log.values import SYSTEM, SealAuditLog
from ringfence.jobqueue.jobs import JobContext
from ringfence.tenancy.sessions import Tenancy
from tests.factories.cluster import Database

FOREIGN_KEY = "fk_audit_seals_company_id_entry_id"


async def act(tenancy: Tenancy, company_id: UUID, *names: str) -> None:
    """An entry for each name, in a transaction each."""
    for name in names:
        async with tenancy.tenant(company_id) as session:
            record(session, actor=SYSTEM, action=name, target_kind="test", target_id=None, after={"n": [1, 2.5, None]})


async def seal(tenancy: Tenancy, company_id: UUID) -> None:
    await seal_audit_log(JobContext(tenancy, company_id), SealAuditLog())


@asynccontextmanager
async def as_owner(database: Database) -> AsyncIterator[psycopg.AsyncConnection]:
    """The owner with the fence and the foreign key out of the way: whoever can do this can do anything."""
    async with await psycopg.AsyncConnection.connect(database.owner_url, row_factory=dict_row) as connection:
        for table in ("audit_log", "audit_seals"):
            await connection.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        await connection.execute(f"ALTER TABLE audit_seals DROP CONSTRAINT IF EXISTS {FOREIGN_KEY}")
        yield connection
        for table in ("audit_log", "audit_seals"):
            await connection.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


async def tamper(database: Database, company_id: UUID, *statements: str) -> None:
    """Statements of the owner, with %(c)s for the company."""
    async with as_owner(database) as connection:
        for statement in statements:
            done = await connection.execute(statement, {"c": company_id})
            assert done.rowcount > 0, statement


async def links(database: Database, company_id: UUID) -> list[dict]:
    async with as_owner(database) as connection:
        rows = await connection.execute("SELECT * FROM audit_seals WHERE company_id = %s ORDER BY seq", [company_id])
        return await rows.fetchall()


@dataclass(frozen=True)
class Command:
    """`ringfence audit …` on the test's database."""

    database: Database

    async def __call__(self, *arguments: object) -> Result:
        app = typer.Typer()
        app.add_typer(audit_commands(self._open), name="audit")
        # In a thread of its own, because the command starts an event loop.
        return await asyncio.to_thread(CliRunner().invoke, app, ["audit", *map(str, arguments)])

    async def log(self, company_id: UUID, *arguments: object) -> tuple[int, Sequence[str]]:
        """Exit code, and the fields of the line about the company."""
        result = await self("log", "--company", company_id, *arguments)
        [line] = result.stdout.splitlines()
        fields = line.split("\t")
        assert fields[0] == str(company_id)
        return result.exit_code, fields[1:]

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Tenancy]:
        tenancy = Tenancy(
            create_engine(self.database.app_url, pool_size=2, application_name="audit-app"),
            create_engine(self.database.platform_url, pool_size=2, application_name="audit-platform"),
        )
        try:
            yield tenancy
        finally:
            await tenancy.close()
