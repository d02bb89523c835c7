"""`ringfence db`: makes the database and its roles, brings it to the newest migration, and checks the fence."""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import typer
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import URL

from ringfence.cli.running import ready_database
from ringfence.errors import ConfigurationError
from ringfence.migrations import runner
from ringfence.migrations.drift import drift
from ringfence.migrations.metadata import metadata
from ringfence.runtime.build import open_tenancy
from ringfence.runtime.database import DATABASE, Logins, database, new_passwords
from ringfence.runtime.readiness import require_sound
from ringfence.settings import Settings, load_settings
from ringfence.tenancy.policies import APP, OWNER, PLATFORM
from ringfence.tenancy.provision import provision

commands = typer.Typer(no_args_is_help=True, help="Make, upgrade and check the database.")


@commands.command("init")
def init(
    admin_url: Annotated[
        str, typer.Option(help="Login that may make roles and databases: postgresql://user:password@host:port/name.")
    ],
    name: Annotated[str, typer.Option("--database", help="Name of the database to make.")] = DATABASE,
) -> None:
    """Make the database and its three roles, run the migrations, and print the three logins, once.

    Run again, it gives the roles new passwords and prints those.
    """
    try:
        admin = conninfo_to_dict(admin_url)
    except ProgrammingError:
        raise ConfigurationError("--admin-url must be of the form postgresql://user:password@host:port/name.") from None
    passwords = new_passwords()
    provision(admin_url, database=name, passwords=passwords)
    roles = {
        "RINGFENCE_DATABASE_URL": (OWNER, passwords.owner),
        "RINGFENCE_APP_DATABASE_URL": (APP, passwords.app),
        "RINGFENCE_PLATFORM_DATABASE_URL": (PLATFORM, passwords.platform),
    }
    urls = {setting: _url(admin, role, password, name) for setting, (role, password) in roles.items()}
    runner.upgrade(urls["RINGFENCE_DATABASE_URL"])
    typer.echo("# Shown once. Keep them where only the server can read them.")
    for setting, url in urls.items():
        typer.echo(f"{setting}={url}")


@commands.command("upgrade")
def upgrade() -> None:
    """Bring the database to the newest migration, with the owner's login (RINGFENCE_DATABASE_URL)."""
    with database(load_settings()) as logins:
        runner.upgrade(_owner(logins))
    typer.echo(f"The database stands at {runner.head()}.")


@commands.command("check")
def check() -> None:
    """Check logins, grants, row security and tables; print each problem with its fix; exit code 1 if any."""
    settings = load_settings()
    with ready_database(settings) as logins:
        problems = asyncio.run(_fence_problems(settings, logins))
        if logins.owner is not None and not problems:
            problems = drift(logins.owner, metadata())
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo("The fence stands.")


async def _fence_problems(settings: Settings, logins: Logins) -> list[str]:
    tenancy = open_tenancy(settings, logins)
    try:
        await require_sound(tenancy, metadata=metadata(), head=runner.head())
    except ConfigurationError as error:
        lines = error.detail.splitlines()
        return [line.removeprefix("- ") for line in (lines[1:] or lines)]
    finally:
        await tenancy.close()
    return []


def _owner(logins: Logins) -> str:
    if logins.owner is None:
        raise ConfigurationError(
            "RINGFENCE_DATABASE_URL is not set: set it to the owner's login that `ringfence db init` printed."
        )
    return logins.owner


def _url(admin: Mapping[str, object], role: str, password: str, name: str) -> str:
    """A login at the administrator's server; options of the address such as sslmode go along."""
    options = {
        key: str(value)
        for key, value in admin.items()
        if key not in {"user", "password", "host", "port", "dbname"} and value is not None
    }
    host = str(admin.get("host") or "localhost")
    if host.startswith("/"):
        options["host"], host = host, ""
    port = int(str(admin.get("port") or 5432))
    return URL.create("postgresql", role, password, host or None, port, name, options).render_as_string(
        hide_password=False
    )
