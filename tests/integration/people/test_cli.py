"""`ringfence company …` and `ringfence user …` on a real database, as an operator types them."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import httpx
import pytest
import typer
from typer.testing import CliRunner, Result

from ringfence.api.app import create_app
from ringfence.cli.people import company_commands, user_commands
from ringfence.db.engine import create_engine
from ringfence.features.companies.values import RefreshHealth
from ringfence.features.platform.jobs import refresh_health
from ringfence.features.users.values import PasswordHasher
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.ids import new_id
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import Tenancy
from tests.factories.cluster import Database
from tests.factories.people import cheap_hasher
from tests.factories.world import BASE_URL, SECRET_KEY, policy

Ringfence = Callable[..., Result]
PASSWORD_LINE = re.compile(r"^password: (\S{20,})$", re.MULTILINE)


@pytest.fixture
def open_tenancy(database: Database):
    @asynccontextmanager
    async def opened() -> AsyncIterator[Tenancy]:
        tenancy = Tenancy(
            create_engine(database.app_url, pool_size=2, application_name="cli-app"),
            create_engine(database.platform_url, pool_size=2, application_name="cli-platform"),
        )
        try:
            yield tenancy
        finally:
            await tenancy.close()

    return opened


@pytest.fixture
def ringfence(open_tenancy) -> Ringfence:
    app = typer.Typer()
    app.add_typer(company_commands(open_tenancy), name="company")
    app.add_typer(user_commands(open_tenancy, cheap_hasher()), name="user")
    runner = CliRunner()
    return lambda *arguments, typed=None: runner.invoke(app, list(map(str, arguments)), input=typed)


def over_http(open_tenancy, ask: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]) -> httpx.Response:
    """One request to the application on the same database."""

    async def whole() -> httpx.Response:
        async with open_tenancy() as tenancy:
            hasher: PasswordHasher = cheap_hasher()
            app = create_app(tenancy, Keyring([SECRET_KEY]), hasher, policy())
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL) as client:
                return await ask(client)

    return asyncio.run(whole())


def log_in(open_tenancy, email: str, password: str) -> httpx.Response:
    body = {"email": email, "password": password}
    return over_http(open_tenancy, lambda client: client.post("/api/auth/login", json=body))


def made(result: Result) -> tuple[UUID, str]:
    assert result.exit_code == 0, result.output
    found = PASSWORD_LINE.search(result.output)
    assert found, result.output
    return UUID(result.output.splitlines()[0]), found[1]


def test_operator_adds_a_company_with_people_who_can_log_in(ringfence: Ringfence, open_tenancy) -> None:
    company = ringfence("company", "create", "Dune Hotel", "--time-zone", "Africa/Cairo", "--default-region", "eg")
    company_id = UUID(company.output.strip())
    user_id, password = made(
        ringfence(
            "user",
            "create",
            "--company",
            company_id,
            "--email",
            "Dia@dune.example",
            "--role",
            "company_admin",
            "--name",
            "Dia",
        )
    )
    _, root_password = made(ringfence("user", "create", "--super-admin", "--email", "root@x.example", "--name", "Root"))

    me = log_in(open_tenancy, "dia@dune.example", password).json()
    assert (me["id"], me["role"], me["company"]["id"]) == (str(user_id), "company_admin", str(company_id))
    assert log_in(open_tenancy, "root@x.example", root_password).json()["role"] == "super_admin"
    assert f"{company_id}\tactive\tAfrica/Cairo\tDune Hotel\tnot looked at yet\n" in ringfence("company", "list").output
    listed = ringfence("user", "list", "--company", company_id).output
    assert f"{user_id}\tactive\tcompany_admin\tDia@dune.example\tDia" in listed


def test_password_can_be_typed_and_is_not_echoed(ringfence: Ringfence, open_tenancy) -> None:
    typed = "typed by hand twice"
    arguments = ("user", "create", "--super-admin", "--email", "root@x.example", "--name", "Root", "--ask-password")
    weak = ringfence(*arguments, typed="short\nshort\n")
    assert weak.exit_code == 1
    result = ringfence(*arguments, typed=f"{typed}\n{typed}\n")
    assert result.exit_code == 0, result.output
    assert typed not in result.output
    assert "password:" not in result.output
    assert log_in(open_tenancy, "root@x.example", typed).status_code == 200


def test_suspending_activating_and_resetting(ringfence: Ringfence, open_tenancy) -> None:
    company_id = UUID(ringfence("company", "create", "Dune").output.strip())
    first = (
        "user",
        "create",
        "--company",
        company_id,
        "--email",
        "a@dune.example",
        "--name",
        "A",
        "--role",
        "company_admin",
    )
    _, admin_password = made(ringfence(*first))
    _, password = made(ringfence("user", "create", "--company", company_id, "--email", "b@dune.example", "--name", "B"))
    _, root_password = made(ringfence("user", "create", "--super-admin", "--email", "root@x.example", "--name", "Root"))
    for email, right in (("b@dune.example", password), ("root@x.example", root_password)):
        assert ringfence("user", "suspend", email).exit_code == 0
        assert log_in(open_tenancy, email, right).status_code == 403
        assert ringfence("user", "activate", email).exit_code == 0
        assert log_in(open_tenancy, email, right).status_code == 200
        reset = ringfence("user", "reset-password", email)
        new = PASSWORD_LINE.search(reset.output)
        assert new
        assert log_in(open_tenancy, email, right).status_code == 401
        assert log_in(open_tenancy, email, new[1]).status_code == 200
    assert ringfence("company", "suspend", company_id).exit_code == 0
    assert "suspended" in ringfence("company", "list").output
    assert log_in(open_tenancy, "a@dune.example", admin_password).status_code == 403
    assert ringfence("company", "activate", company_id).exit_code == 0
    assert log_in(open_tenancy, "a@dune.example", admin_password).status_code == 200


def test_mistake_is_one_clear_line(ringfence: Ringfence) -> None:
    company_id = UUID(ringfence("company", "create", "Dune").output.strip())
    person = ("--email", "a@dune.example", "--name", "A")
    made(ringfence("user", "create", "--company", company_id, *person, "--role", "company_admin"))
    unknown = new_id()
    mistakes: list[tuple[tuple[object, ...], str]] = [
        (("user", "create", "--company", company_id, *person), "already logs in"),
        (("user", "create", "--super-admin", *person), "already logs in"),
        (("user", "create", *person), "--company or --super-admin"),
        (("user", "create", "--super-admin", "--company", company_id, *person), "--company or --super-admin"),
        (("user", "create", "--company", unknown, *person), str(unknown)),
        (("user", "create", "--super-admin", "--email", "x", "--name", "A"), "email must be an address"),
        (("user", "create", "--super-admin", "--email", "x@y.example", "--name", " "), "at least 1 character"),
        (("user", "list", "--company", unknown), str(unknown)),
        (("user", "suspend", "nobody@dune.example"), "Nobody logs in as nobody@dune.example"),
        (("user", "suspend", "a@dune.example"), "one active admin"),
        (("company", "suspend", unknown), str(unknown)),
        (("company", "create", ""), "at least 1 character"),
        (("company", "create", "X", "--time-zone", "Mars/Olympus"), "time_zone"),
        (("company", "create", "X", "--default-region", "ZZ"), "default_region"),
    ]
    for arguments, expected in mistakes:
        result = ringfence(*arguments)
        assert result.exit_code == 1, (arguments, result.output)
        assert result.stdout == ""
        assert expected in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    assert len(ringfence("company", "list").output.splitlines()) == 1
    assert len(ringfence("user", "list", "--company", company_id).output.splitlines()) == 1


def test_list_of_companies_shows_how_each_is_doing(ringfence: Ringfence, open_tenancy) -> None:
    company_id = UUID(ringfence("company", "create", "Dune Hotel").output.strip())

    async def look() -> None:
        async with open_tenancy() as tenancy:
            await refresh_health(JobContext(tenancy, company_id), RefreshHealth())

    asyncio.run(look())
    [line] = ringfence("company", "list").output.splitlines()

    assert re.fullmatch(
        rf"{company_id}\tactive\tUTC\tDune Hotel\tTwilio not connected since \d{{4}}-\d\d-\d\d \d\d:\d\d\t"
        r"0 numbers\t0 queued\tno error\tnever active",
        line,
    )
