"""`ringfence demo`: a running product with two companies, on a database, a Twilio and a mailbox of its own.

The API and the worker are the same processes that `ringfence serve` and `ringfence work` start on a server; this
module starts them with an environment, seeds the companies through the API's own door, and stops everything again.
"""

import asyncio
import json
import secrets
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, cast

import psycopg
import typer
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from rich.console import Console
from rich.table import Table

from ringfence.cli.demo_seed import SeededCompany, Seeder, fresh_companies
from ringfence.cli.processes import Child
from ringfence.db.embedded import EmbeddedPostgres
from ringfence.emulator import AccountSeed, Emulator, NumberSeed
from ringfence.emulator.mailbox import Mailbox
from ringfence.errors import ConfigurationError
from ringfence.migrations import runner
from ringfence.tenancy.provision import Passwords, provision

DATABASE = "ringfence"
READY_SECONDS = 60.0
STOP_SECONDS = 20.0

screen = Console(highlight=False)


def demo(
    port: Annotated[int, typer.Option(help="Port of the API; 0 picks a free one.")] = 8000,
    data: Annotated[Path, typer.Option(help="Folder that keeps the demo between starts.")] = Path("demo-data"),
    emulator_port: Annotated[int, typer.Option(help="Port of the local Twilio; 0 picks a free one.")] = 0,
) -> None:
    """Run everything with two companies to try it on. Ctrl-C stops all of it; the folder keeps it for next time."""
    folder = data.resolve()
    ready_file = folder / "demo.json"
    _make_folder(folder)
    ready_file.unlink(missing_ok=True)
    port = _free_port(port, "--port (make demo PORT=8001)")
    _free_port(emulator_port, "--emulator-port")
    state = State(folder / "state.json")
    screen.print(f"Starting PostgreSQL in {_short(folder / 'postgres')} …")
    with EmbeddedPostgres(folder / "postgres") as server:
        _prepare_database(server, state)
        asyncio.run(Demo(server, state, folder, port=port, emulator_port=emulator_port).run(ready_file))
    screen.print("Stopped. Everything is kept in the folder for the next start.")


class State:
    """What must be the same on a second start: passwords, keys, accounts, people. A file for its owner alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.values: dict[str, Any] = _read(path)
        self.values.setdefault("passwords", {role: secrets.token_urlsafe(24) for role in ("owner", "app", "platform")})
        self.values.setdefault("secret_key", secrets.token_hex(32))
        self.save()

    @property
    def companies(self) -> list[SeededCompany]:
        """The seeded companies; empty until seeding was finished once."""
        return [SeededCompany.of(item) for item in self.values.get("companies", [])]

    def save(self) -> None:
        """Write the file, complete or not at all."""
        _write_private(self._path, self.values)


class Demo:
    """One run: emulator and mailbox in this process, API and worker as children."""

    def __init__(self, server: EmbeddedPostgres, state: State, folder: Path, *, port: int, emulator_port: int) -> None:
        self._server = server
        self._state = state
        self._folder = folder
        self._port = port
        self._emulator_port = emulator_port
        self._base_url = f"http://127.0.0.1:{port}"

    async def run(self, ready_file: Path) -> None:
        """Start everything, write the ready file, wait for Ctrl-C or SIGTERM, stop everything."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        companies = self._state.companies
        seeding = not companies
        companies = companies or fresh_companies()
        async with AsyncExitStack() as stack:
            emulator, mailbox = await self._start_emulator(stack, companies)
            environment = self._environment(emulator, mailbox)
            api = await self._start_child(stack, "serve", environment)
            worker = await self._start_child(stack, "work", environment)
            screen.print("Starting API and worker …")
            if not await self._ready(api, worker, stop):
                return
            seeder = Seeder(self._base_url, self._url("app"), self._url("platform"))
            async with seeder:
                if seeding:
                    screen.print("Seeding two companies …")
                    self._state.values["platform_user"] = await seeder.seed(companies)
                    self._state.values["companies"] = [company.as_json() for company in companies]
                    self._state.save()
                await seeder.point_webhooks(companies)
            self._announce(emulator, companies, ready_file)
            stack.callback(ready_file.unlink, missing_ok=True)
            await self._watch(stop, api, worker)
            screen.print("\nStopping …")

    async def _start_emulator(self, stack: AsyncExitStack, companies: list[SeededCompany]) -> tuple[Emulator, Mailbox]:
        mailbox = Mailbox()
        await mailbox.start()
        stack.push_async_callback(mailbox.stop)
        accounts = [
            AccountSeed(
                friendly_name=company.name,
                account_sid=company.account_sid,
                auth_token=company.auth_token,
                numbers=[NumberSeed(phone_number=n, friendly_name=label) for n, label in company.numbers],
            )
            for company in companies
        ]
        emulator = Emulator(accounts, mailbox=mailbox)
        await emulator.start(port=self._emulator_port)
        stack.push_async_callback(emulator.stop)
        return emulator, mailbox

    def _environment(self, emulator: Emulator, mailbox: Mailbox) -> dict[str, str]:
        return {
            "RINGFENCE_APP_DATABASE_URL": self._url("app"),
            "RINGFENCE_PLATFORM_DATABASE_URL": self._url("platform"),
            "RINGFENCE_SECRET_KEYS": self._state.values["secret_key"],
            "RINGFENCE_PUBLIC_URL": self._base_url,
            "RINGFENCE_PORT": str(self._port),
            "RINGFENCE_TWILIO_API_URL": emulator.base_url,
            "RINGFENCE_MEDIA_DIR": str(self._folder / "media"),
            "RINGFENCE_DATA_DIR": str(self._folder),
            "RINGFENCE_SMTP_URL": mailbox.url,
        }

    async def _start_child(self, stack: AsyncExitStack, command: str, environment: dict[str, str]) -> Child:
        child = await Child.start(command, environment, log=self._folder / "logs" / f"{command}.log")
        stack.push_async_callback(child.stop, timeout_seconds=STOP_SECONDS)
        return child

    async def _ready(self, api: Child, worker: Child, stop: asyncio.Event) -> bool:
        """Wait until the API says that all of it is ready; False when somebody stopped the demo before."""
        limit = asyncio.get_running_loop().time() + READY_SECONDS
        while not stop.is_set():
            for child in (api, worker):
                child.require_running()
            if await Seeder.is_ready(self._base_url):
                return True
            if asyncio.get_running_loop().time() > limit:
                raise ConfigurationError(f"The API was not ready after {READY_SECONDS:.0f} s: see {_short(api.log)}.")
            await asyncio.sleep(0.1)
        return False

    async def _watch(self, stop: asyncio.Event, *children: Child) -> None:
        """Wait for the stop; a child that ends by itself ends the demo with one line."""
        waits = [asyncio.ensure_future(stop.wait()), *(asyncio.ensure_future(child.wait()) for child in children)]
        _done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        if not stop.is_set():
            for child in children:
                child.require_running()

    def _announce(self, emulator: Emulator, companies: list[SeededCompany], ready_file: Path) -> None:
        platform_user = self._state.values["platform_user"]
        shown = [company.as_json() for company in companies]
        for company in shown:
            company.pop("auth_token")
            company["phone_numbers"] = [number for number, _label in company.pop("numbers")]
        facts: dict[str, Any] = {
            "base_url": self._base_url,
            "emulator_url": emulator.base_url,
            "database_url": self._server.url(
                user="postgres", password=_password_of(self._server.admin_url), database=DATABASE
            ),
            "companies": shown,
            "platform_user": platform_user,
        }
        _write_private(ready_file, facts)
        _print_welcome(self._base_url, emulator.base_url, companies, platform_user, ready_file)

    def _url(self, role: str) -> str:
        return self._server.url(
            user=f"ringfence_{role}", password=self._state.values["passwords"][role], database=DATABASE
        )


def _prepare_database(server: EmbeddedPostgres, state: State) -> None:
    """Roles, database and migrations. What an interrupted first start left half-seeded is begun anew."""
    passwords = Passwords(**state.values["passwords"])
    if not state.companies:
        with psycopg.connect(server.admin_url, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(DATABASE)))
    provision(server.admin_url, database=DATABASE, passwords=passwords)
    runner.upgrade(server.url(user="ringfence_owner", password=passwords.owner, database=DATABASE))


def _print_welcome(
    base_url: str, emulator_url: str, companies: list[SeededCompany], platform_user: dict[str, str], ready_file: Path
) -> None:
    people = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in ("company", "log in as", "role", "password"):
        people.add_column(column)
    for company in companies:
        for position, user in enumerate(company.users):
            people.add_row(company.name if position == 0 else "", user["email"], user["role"], user["password"])
    people.add_row("the platform", platform_user["email"], "super_admin", platform_user["password"])
    first = companies[0]
    customer = "+16025550131"
    screen.print()
    screen.print("[bold green]Ringfence is running.[/]")
    screen.print()
    screen.print(f"  API and pages      {base_url}/")
    screen.print(f"  customers' phones  {emulator_url}/phones")
    screen.print(f"  mailbox            {emulator_url}/mailbox")
    screen.print(f"  all of this        {_short(ready_file)}")
    screen.print()
    screen.print(people)
    screen.print()
    screen.print(f"Text a customer of {first.name}, then open the phones and reply:")
    screen.print()
    screen.print(
        f"  curl {base_url}/api/sms/send -H 'Authorization: Bearer {first.api_key}' \\\n"
        f'       --json \'{{"to": "{customer}", "body": "Hello from Ringfence"}}\'\n'
        f"  curl {base_url}/api/sms/conversations -H 'Authorization: Bearer {first.api_key}'",
        soft_wrap=True,
    )
    screen.print()
    screen.print("Ctrl-C stops everything.")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "logs").mkdir(exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} cannot be written ({error.strerror}): choose another with --data (make demo DATA=…)."
        ) from None


def _free_port(port: int, option: str) -> int:
    """The port itself if nobody listens on it, a free one for 0; raises ConfigurationError naming the option."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"Port {port} cannot be used ({error.strerror}): choose another with {option}."
            ) from None
        return int(probe.getsockname()[1])


def _read(path: Path) -> dict[str, Any]:
    try:
        values: object = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("it holds no object")  # noqa: TRY004, TRY301  # the file is wrong, not a type
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read ({error}): remove the folder to begin anew.") from None
    return cast("dict[str, Any]", values)


def _write_private(path: Path, values: dict[str, Any]) -> None:
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)


def _password_of(url: str) -> str:
    return str(conninfo_to_dict(url)["password"])


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
