"""`ringfence audit log`: checks the chain of the audit log."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, NoReturn
from uuid import UUID

import typer
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ringfence.errors import InvalidInputError, NotFoundError, RingfenceError
from ringfence.features.audit_log.queries import check_chain
from ringfence.features.audit_log.values import ChainReport, Head
from ringfence.features.companies.queries import company as company_by_id
from ringfence.features.companies.queries import list_companies
from ringfence.runtime.readiness import first_line
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.paging import Position

OpenTenancy = Callable[[], AbstractAsyncContextManager[Tenancy]]

BROKEN = 1
NOT_CHECKED = 2
_PAGE = 200
_HEAD = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


def audit_commands(open_tenancy: OpenTenancy) -> typer.Typer:
    """The sub-commands of `ringfence audit` that need the database alone."""
    app = typer.Typer(no_args_is_help=True, help="Check what must hold.")
    # Without a callback a single command would take the place of its group.
    app.callback()(lambda: None)
    app.command("log")(AuditCommands(open_tenancy).log)
    return app


class AuditCommands:
    """What stands behind `ringfence audit`; each docstring is the command's help."""

    def __init__(self, open_tenancy: OpenTenancy) -> None:
        self._open_tenancy = open_tenancy

    def log(
        self,
        company: Annotated[UUID | None, typer.Option(help="Only this company's log.")] = None,
        head: Annotated[
            str | None,
            typer.Option(metavar="SEQ:HASH", help="A head noted earlier, which must still be in --company's chain."),
        ] = None,
    ) -> None:
        """Check the chain of every company's audit log: a line each, naming the first broken link.

        Exit code 0: all chains hold; 1: one is broken; 2: they could not be checked.
        """
        try:
            is_whole = asyncio.run(self._check(company, head))
        except RingfenceError as error:
            not_checked(error.detail)
        except (DBAPIError, InterfaceError, PoolTimeoutError, OSError) as error:
            not_checked(f"The database does not answer: {first_line(error)}")
        else:
            raise typer.Exit(0 if is_whole else BROKEN)

    async def _check(self, only: UUID | None, head: str | None) -> bool:
        noted = _noted(only, head)
        is_whole = True
        async with self._open_tenancy() as tenancy:
            async for company_id in companies_to_check(tenancy, only):
                async with tenancy.tenant(company_id) as session:
                    report = await check_chain(session, noted=noted)
                typer.echo(_line(company_id, report))
                is_whole = is_whole and report.broken is None
        return is_whole


def _noted(only: UUID | None, head: str | None) -> Head | None:
    if head is None:
        return None
    found = _HEAD.fullmatch(head)
    if found is None or only is None:
        raise InvalidInputError(
            "usage", "--head is the head that `ringfence audit log` printed for a company; give --company too."
        )
    return Head(int(found[1]), found[2])


async def companies_to_check(tenancy: Tenancy, only: UUID | None) -> AsyncIterator[UUID]:
    """The ids to check: one that exists, or all, suspended ones too."""
    if only is not None:
        async with tenancy.platform() as platform:
            try:
                await company_by_id(platform, only)
            except NotFoundError:
                raise InvalidInputError("unknown_company", f"No company has the id {only}.") from None
        yield only
        return
    after: Position | None = None
    while True:
        async with tenancy.platform() as platform:
            page = await list_companies(platform, after=after, limit=_PAGE)
        for company in page[:_PAGE]:
            yield company.id
            after = Position(company.created_at, company.id)
        if len(page) <= _PAGE:
            return


def _line(company_id: UUID, report: ChainReport) -> str:
    broken = report.broken
    if broken is None:
        return f"{company_id}\tholds\t{report.sealed} sealed, {report.waiting} waiting\thead {report.head or 'none'}"
    place = f"link {broken.seq}" if broken.seq is not None else "no link"
    entry = f", entry {broken.entry_id}" if broken.entry_id is not None else ""
    return f"{company_id}\tBROKEN\t{broken.kind}\t{place}{entry}: {broken.detail}"


def not_checked(line: str) -> NoReturn:
    """Say on standard error why nothing was checked, and leave with exit code 2."""
    typer.echo(f"ringfence: {line}", err=True)
    raise typer.Exit(NOT_CHECKED)
