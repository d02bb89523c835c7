"""`ringfence secrets rotate`: seals with the newest key what older keys sealed."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import typer

from ringfence.cli.running import ready_database
from ringfence.features.companies.queries import list_companies
from ringfence.features.outgoing_webhooks.actions import endpoints as outgoing_webhooks
from ringfence.features.twilio_settings import actions as twilio_settings
from ringfence.features.users.actions import links
from ringfence.runtime.build import keyring, open_tenancy
from ringfence.runtime.database import Logins
from ringfence.settings import Settings, load_settings
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.paging import Position

commands = typer.Typer(no_args_is_help=True, help="Look after the server's keys.")

_PAGE = 200


@commands.callback()
def _group() -> None:
    """Keep `rotate` a command of its own: Typer would fold a single one into the group."""


@commands.command("rotate")
def rotate() -> None:
    """Seal all stored secrets with the first key of RINGFENCE_SECRET_KEYS; then the others can go."""
    settings = load_settings()
    with ready_database(settings) as logins:
        companies, sealed = asyncio.run(_rotate(settings, logins))
    typer.echo(f"Companies: {companies}. Sealed again: {sealed}.")


async def _rotate(settings: Settings, logins: Logins) -> tuple[int, int]:
    keys = keyring(settings, logins)
    tenancy = open_tenancy(settings, logins)
    companies = sealed = 0
    after: Position | None = None
    try:
        while True:
            page, after = await _page(tenancy, after)
            for company_id in page:
                async with tenancy.tenant(company_id) as session:
                    sealed += await twilio_settings.reseal(session, keys) + await links.reseal(session, keys)
                    sealed += await outgoing_webhooks.reseal(session, keys)
            companies += len(page)
            if after is None:
                return companies, sealed
    finally:
        await tenancy.close()


async def _page(tenancy: Tenancy, after: Position | None) -> tuple[Sequence[UUID], Position | None]:
    async with tenancy.platform() as platform:
        found = await list_companies(platform, after=after, limit=_PAGE)
    rows = found[:_PAGE]
    more = len(found) > _PAGE
    return [row.id for row in rows], Position(rows[-1].created_at, rows[-1].id) if more else None
