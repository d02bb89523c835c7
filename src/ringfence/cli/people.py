"""`ringfence company …` and `ringfence user …`: what an operator does before anybody can log in."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from pydantic import TypeAdapter, ValidationError

from ringfence.errors import InvalidInputError, NotFoundError, RingfenceError
from ringfence.features.audit_log.values import COMMAND_LINE
from ringfence.features.companies import actions as companies
from ringfence.features.companies.queries import company as company_by_id
from ringfence.features.companies.schemas import CreateCompany
from ringfence.features.companies.values import CompanyStatus, check_region
from ringfence.features.platform.model import CompanyHealth
from ringfence.features.platform.queries import list_companies
from ringfence.features.users import actions, queries
from ringfence.features.users.model import PlatformUser, User
from ringfence.features.users.schemas import PersonName
from ringfence.features.users.values import (
    PasswordHasher,
    Role,
    UserStatus,
    check_password,
    login_name,
    parse_email,
)
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.paging import Position

OpenTenancy = Callable[[], AbstractAsyncContextManager[Tenancy]]
"""Opens the database as the settings say and closes it again; the door that mounts these commands brings it."""

_PAGE = 200
_SHOWN_LETTERS = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"

CompanyId = Annotated[UUID, typer.Argument(metavar="COMPANY_ID", help="Id of the company, as `company list` shows it.")]
LoginEmail = Annotated[str, typer.Argument(metavar="EMAIL", help="The e-mail the person logs in with.")]
AskPassword = Annotated[
    bool, typer.Option("--ask-password", help="Type the password; else one is made and printed once.")
]


def company_commands(open_tenancy: OpenTenancy) -> typer.Typer:
    """The sub-commands of `ringfence company`."""
    app = typer.Typer(no_args_is_help=True, help="Add, list, suspend and activate companies.")
    commands = CompanyCommands(open_tenancy)
    app.command("create")(commands.create)
    app.command("list")(commands.list_all)
    app.command("suspend")(commands.suspend)
    app.command("activate")(commands.activate)
    return app


def user_commands(open_tenancy: OpenTenancy, hasher: PasswordHasher) -> typer.Typer:
    """The sub-commands of `ringfence user`."""
    app = typer.Typer(no_args_is_help=True, help="Add, list, suspend and activate people, and reset passwords.")
    commands = UserCommands(open_tenancy, hasher)
    app.command("create")(commands.create)
    app.command("list")(commands.list_all)
    app.command("suspend")(commands.suspend)
    app.command("activate")(commands.activate)
    app.command("reset-password")(commands.reset_password)
    return app


class CompanyCommands:
    """What stands behind `ringfence company`; each docstring is the command's help."""

    def __init__(self, open_tenancy: OpenTenancy) -> None:
        self._open_tenancy = open_tenancy

    def create(
        self,
        name: Annotated[str, typer.Argument(help="The company's name.")],
        time_zone: Annotated[str, typer.Option(help="Its tz database zone.")] = "UTC",
        default_region: Annotated[str, typer.Option(help="Country of numbers without country code.")] = "US",
    ) -> None:
        """Add a company and print its id."""

        async def work(tenancy: Tenancy) -> None:
            given = CreateCompany(name=name, time_zone=time_zone, default_region=check_region(default_region))
            async with tenancy.platform() as platform:
                made = await companies.create_company(platform, name=given.name, time_zone=given.time_zone)
            async with tenancy.tenant(made.id) as session:
                await companies.open_company(session, actor=COMMAND_LINE, default_region=given.default_region)
            typer.echo(made.id)

        _run(self._open_tenancy, work)

    def list_all(self) -> None:
        """List all companies: id, status, zone, name, and how each is doing."""

        async def work(tenancy: Tenancy) -> None:
            async with tenancy.platform() as platform:
                after: Position | None = None
                while page := await list_companies(platform, after=after, limit=_PAGE):
                    for company, health in page[:_PAGE]:
                        facts = (company.id, company.status, company.time_zone, company.name, *_health_facts(health))
                        typer.echo("\t".join(map(str, facts)))
                        after = Position(company.created_at, company.id)
                    if len(page) <= _PAGE:
                        return

        _run(self._open_tenancy, work)

    def suspend(self, company_id: CompanyId) -> None:
        """Refuse everything a company's people and keys send, from the next request on."""
        _run(self._open_tenancy, lambda tenancy: _set_company_status(tenancy, company_id, "suspended"))

    def activate(self, company_id: CompanyId) -> None:
        """Let a suspended company work again."""
        _run(self._open_tenancy, lambda tenancy: _set_company_status(tenancy, company_id, "active"))


class UserCommands:
    """What stands behind `ringfence user`; each docstring is the command's help."""

    def __init__(self, open_tenancy: OpenTenancy, hasher: PasswordHasher) -> None:
        self._open_tenancy = open_tenancy
        self._hasher = hasher

    def create(
        self,
        *,
        email: Annotated[str, typer.Option(help="What they log in with.")],
        name: Annotated[str, typer.Option(help="How colleagues see them.")],
        company: Annotated[UUID | None, typer.Option(help="Id of their company.")] = None,
        role: Annotated[Role, typer.Option(help="What they may do there.")] = "agent",
        super_admin: Annotated[
            bool, typer.Option("--super-admin", help="A platform user instead: no company, no content.")
        ] = False,
        ask_password: AskPassword = False,
    ) -> None:
        """Add a person to a company, or a super admin to the platform; prints their id."""

        async def work(tenancy: Tenancy) -> None:
            if (company is None) != super_admin:
                raise InvalidInputError("usage", "Give either --company or --super-admin.")
            if company is not None:
                await _require_company(tenancy, company)
            shown_name = TypeAdapter[str](PersonName).validate_python(name)
            address = await _free_address(tenancy, email)
            password = _new_password(address, ask=ask_password)
            password_hash = await self._hasher.hash(password)
            if company is None:
                made = await _create_super_admin(tenancy, address, shown_name, password_hash)
            else:
                made = await _create_person(
                    tenancy, company, email=address, name=shown_name, role=role, password_hash=password_hash
                )
            typer.echo(made)
            _show(password, asked=ask_password)

        _run(self._open_tenancy, work)

    def list_all(self, company: Annotated[UUID, typer.Option(help="Id of the company.")]) -> None:
        """List a company's people: id, status, role, e-mail, name."""

        async def work(tenancy: Tenancy) -> None:
            await _require_company(tenancy, company)
            async with tenancy.tenant(company) as session:
                async for item in _pages(lambda after: queries.list_users(session, after=after, limit=_PAGE)):
                    typer.echo(f"{item.id}\t{item.status}\t{item.role}\t{item.email}\t{item.name}")

        _run(self._open_tenancy, work)

    def suspend(self, email: LoginEmail) -> None:
        """End a person's sessions and refuse their log-in."""
        _run(self._open_tenancy, lambda tenancy: _change_person(tenancy, email, status="suspended"))

    def activate(self, email: LoginEmail) -> None:
        """Let a suspended person log in again."""
        _run(self._open_tenancy, lambda tenancy: _change_person(tenancy, email, status="active"))

    def reset_password(self, email: LoginEmail, *, ask_password: AskPassword = False) -> None:
        """Give a person a new password and end their sessions."""

        async def work(tenancy: Tenancy) -> None:
            person = await _find(tenancy, email)
            password = _new_password(person.email, ask=ask_password)
            await _change_person(tenancy, email, password_hash=await self._hasher.hash(password))
            _show(password, asked=ask_password)

        _run(self._open_tenancy, work)


def _run(open_tenancy: OpenTenancy, work: Callable[[Tenancy], Awaitable[None]]) -> None:
    """Do the work on an open database; a known error becomes one line and exit code 1."""

    async def whole() -> None:
        async with open_tenancy() as tenancy:
            await work(tenancy)

    try:
        asyncio.run(whole())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        _fail(f"{'.'.join(str(part) for part in first['loc']) or 'name'}: {first['msg']}")
    except RingfenceError as error:
        _fail(error.detail)


def _fail(line: str) -> None:
    typer.echo(f"ringfence: {line}", err=True)
    raise typer.Exit(1)


async def _pages(fetch: Callable[[Position | None], Awaitable[Sequence[User]]]) -> AsyncIterator[User]:
    """All rows of a keyset list, fetched a page at a time."""
    after: Position | None = None
    while True:
        rows = await fetch(after)
        for row in rows[:_PAGE]:
            yield row
            after = Position(row.created_at, row.id)
        if len(rows) <= _PAGE:
            return


def _health_facts(health: CompanyHealth | None) -> Iterator[str]:
    """What is known of a company's health, a few words each; times are UTC."""
    if health is None:
        yield "not looked at yet"
        return
    state = {"none": "not connected"}.get(health.settings_state, health.settings_state)
    reason = f" ({health.settings_reason})" if health.settings_reason else ""
    yield f"Twilio {state}{reason} since {_minute(health.settings_since)}"
    yield f"{health.numbers} numbers"
    waiting = f", oldest waits since {_minute(health.waiting_since)}" if health.waiting_since else ""
    yield f"{health.queued} queued{waiting}"
    yield f"last error {health.last_error_code}" if health.last_error_code else "no error"
    yield f"active {_minute(health.last_activity_at)}" if health.last_activity_at else "never active"


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


async def _require_company(tenancy: Tenancy, company_id: UUID) -> None:
    async with tenancy.platform() as platform:
        try:
            await company_by_id(platform, company_id)
        except NotFoundError:
            raise InvalidInputError("unknown_company", f"No company has the id {company_id}.") from None


async def _set_company_status(tenancy: Tenancy, company_id: UUID, status: CompanyStatus) -> None:
    await _require_company(tenancy, company_id)
    async with tenancy.tenant(company_id) as session, tenancy.platform() as platform:
        await companies.change_status(platform, session, actor=COMMAND_LINE, status=status)


async def _free_address(tenancy: Tenancy, email: str) -> str:
    address = parse_email(email)
    async with tenancy.platform() as platform:
        if await queries.is_email_taken(platform, address.norm):
            raise actions.email_taken()
    return address.shown


async def _create_super_admin(tenancy: Tenancy, email: str, name: str, password_hash: str) -> UUID:
    async with tenancy.platform() as platform:
        made = await actions.create_platform_user(platform, email=email, name=name, password_hash=password_hash)
    return made.id


async def _create_person(
    tenancy: Tenancy, company_id: UUID, *, email: str, name: str, role: Role, password_hash: str
) -> UUID:
    async with tenancy.tenant(company_id) as session:
        made = await actions.create_user(
            session, actor=COMMAND_LINE, email=email, name=name, role=role, password_hash=password_hash
        )
    return made.id


async def _find(tenancy: Tenancy, email: str) -> PlatformUser | User:
    norm = login_name(email)
    async with tenancy.platform() as platform:
        platform_user = await queries.find_platform_user(platform, norm)
        found = await queries.find_login(platform, norm)
    if platform_user is not None:
        return platform_user
    if found is None:
        raise InvalidInputError("unknown_user", f"Nobody logs in as {norm}.")
    async with tenancy.tenant(found.company_id) as session:
        return await queries.user(session, found.id)


async def _change_person(
    tenancy: Tenancy, email: str, *, status: UserStatus | None = None, password_hash: str | None = None
) -> None:
    person = await _find(tenancy, email)
    if isinstance(person, PlatformUser):
        async with tenancy.platform() as platform:
            user = await queries.platform_user(platform, person.id)
            await actions.change_platform_user(platform, user=user, status=status, password_hash=password_hash)
        return
    async with tenancy.tenant(person.company_id) as session:
        user = await queries.user(session, person.id)
        if password_hash is not None:
            await actions.set_password(session, actor=COMMAND_LINE, user=user, password_hash=password_hash)
        await actions.change_user(session, actor=COMMAND_LINE, user=user, status=status)


def _new_password(email: str, *, ask: bool) -> str:
    if ask:
        password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return check_password(password, email=email)
    return "-".join("".join(secrets.choice(_SHOWN_LETTERS) for _ in range(5)) for _ in range(4))


def _show(password: str, *, asked: bool) -> None:
    if not asked:
        typer.echo(f"password: {password}")
