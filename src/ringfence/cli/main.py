"""The `ringfence` command."""

import sys
from typing import Annotated

import typer

import ringfence
from ringfence.cli import audit, audit_twilio, database, people, secrets
from ringfence.cli.demo import demo
from ringfence.cli.emulator import PASS_ON, emulator
from ringfence.cli.running import open_database, open_runtime, run_until_stopped
from ringfence.db.embedded import EmbeddedPostgresError
from ringfence.errors import RingfenceError
from ringfence.features.users.values import PasswordHasher
from ringfence.settings import Settings, load_settings
from ringfence.web import logs

app = typer.Typer(
    name="ringfence",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ringfence {ringfence.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """A self-hosted, multi-tenant Twilio workspace. Settings are RINGFENCE_* environment variables."""


@app.command()
def serve() -> None:
    """Run the API. Ctrl-C or SIGTERM finishes the requests under way first."""
    settings = _settings()
    # Imported late, here and below, so that the short commands do not wait for the application.
    from ringfence.api.serve import serve as long

    run_until_stopped(settings, long)


@app.command()
def work() -> None:
    """Run background jobs and the dispatcher; one of all such processes sends, the others stand by."""
    settings = _settings()
    from ringfence.worker.supervise import work as long

    run_until_stopped(settings, long)


app.command(context_settings=PASS_ON)(emulator)
app.command()(demo)
app.add_typer(database.commands, name="db")
app.add_typer(secrets.commands, name="secrets")
audits = audit.audit_commands(open_database)
audits.command("twilio")(audit_twilio.TwilioAudit(open_runtime).run)
app.add_typer(audits, name="audit")
app.add_typer(people.company_commands(open_database), name="company")
app.add_typer(people.user_commands(open_database, PasswordHasher()), name="user")


def _settings() -> Settings:
    settings = load_settings()
    logs.configure(level=settings.log_level, style=settings.log_format)
    return settings


def main() -> None:
    """Run the command; what an operator can put right is one line on standard error and exit code 2."""
    try:
        app()
    except (RingfenceError, EmbeddedPostgresError) as error:
        lines = [line.removeprefix("- ") for line in str(error).splitlines()]
        sys.stderr.write(f"ringfence: {' '.join(lines)}\n")
        sys.exit(2)
