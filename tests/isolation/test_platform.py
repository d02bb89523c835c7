"""Super admins and companies: nothing of a company's content without entering it, and then of that company only."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ringfence.api.public import needs_caller, routes_of
from ringfence.db.engine import create_engine
from ringfence.features.companies.values import RefreshHealth
from ringfence.features.platform.jobs import refresh_health
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.people import CompanyWithPeople
from tests.factories.texts import CUSTOMER, Texting, make_texting, texting_services
from tests.factories.world import World

# Where a super admin is one without having entered anything.
OF_THE_PLATFORM = ("/api/platform/", "/api/auth/")
# What each of these lists says of B must not be there for whoever has entered A.
LISTS = (
    "/api/sms/messages",
    "/api/sms/conversations",
    "/api/contacts",
    "/api/users",
    "/api/api-keys",
    "/api/audit-log",
    "/api/sms/phone-numbers",
    "/api/twilio-settings",
    "/api/company",
)


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return texting_services(tmp_path / "media")


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)


@pytest.fixture
async def app_role(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database.app_url, pool_size=1, application_name="bare-app")
    yield engine
    await engine.dispose()


async def enter(root: httpx.AsyncClient, company: CompanyWithPeople) -> None:
    body = {"company_id": str(company.company_id), "reason": "To see what is fenced"}
    assert (await root.post("/api/platform/enter", json=body)).status_code == 200


async def look(world: World, company: CompanyWithPeople) -> None:
    await refresh_health(JobContext(world.tenancy, company.company_id), RefreshHealth())


def company_routes(world: World) -> list[tuple[str, str]]:
    """Every route that asks for a caller and is no platform's, with ids that nothing has."""
    return [
        (method, path)
        for method, path, route in routes_of(world.app)
        if needs_caller(route) and not path.startswith(OF_THE_PLATFORM)
    ]


async def test_super_admin_who_entered_nothing_gets_nothing_of_any_company(texting: Texting) -> None:
    world = texting.world
    root = await world.log_in(world.super_admin)
    routes = company_routes(world)
    assert len(routes) > 40
    for method, path in routes:
        for name in ("{message_id}", "{conversation_id}", "{contact_id}", "{user_id}"):
            path = path.replace(name, str(world.a.agent.id))  # noqa: PLW2901  # the template, filled in
        address = path if "{" not in path else path.replace("{", "").replace("}", "")

        answer = await root.request(method, address)

        assert answer.status_code in {403, 422}, (method, path, answer.text)
        if answer.status_code == 403:
            assert answer.json()["code"] == "platform_only", (method, path)
    reading = [path for method, path in routes if method == "GET" and "{" not in path]
    for path in reading:
        assert (await root.get(path)).json()["code"] == "platform_only", path
    await enter(root, world.a)
    assert [path for path in LISTS if (await root.get(path)).status_code != 200] == []


async def test_visitor_of_a_sees_and_changes_nothing_of_b(texting: Texting) -> None:
    world = texting.world
    for line, body in ((texting.a, "canary of A"), (texting.b, "canary of B")):
        await texting.inbound(line, body=body)
    of_b: dict[str, Any] = {path: await texting.get(path, texting.b) for path in LISTS}
    message, thread = (of_b[path]["items"][0]["id"] for path in ("/api/sms/messages", "/api/sms/conversations"))
    root = await world.log_in(world.super_admin)
    await enter(root, world.a)

    shown = "".join([(await root.get(path)).text for path in LISTS])

    assert "canary of A" in shown
    secrets = ("canary of B", str(world.b.company_id), texting.b.account_sid, texting.b.number, world.b.agent.email)
    assert [secret for secret in secrets if secret in shown] == []
    for method, path in (
        ("GET", "/api/sms/messages/{}"),
        ("DELETE", "/api/sms/messages/{}"),
        ("GET", "/api/sms/messages/{}/timeline"),
    ):
        foreign, absent = [await root.request(method, path.format(thing)) for thing in (message, new_id())]
        assert (foreign.status_code, foreign.content) == (404, absent.content), (method, path)
    foreign, absent = [await root.get(f"/api/sms/conversations/{thing}/messages") for thing in (thread, new_id())]
    assert (foreign.status_code, foreign.content) == (404, absent.content)
    own = (await root.get("/api/sms/messages")).json()["items"][0]["id"]
    assert (await root.get(f"/api/sms/messages/{own}")).status_code == 200
    assert await texting.get("/api/audit-log", texting.b, actor_kind="platform") == {"items": [], "next_cursor": None}


async def test_company_is_not_chosen_by_anything_in_the_request(texting: Texting) -> None:
    world = texting.world
    root = await world.log_in(world.super_admin)
    b = str(world.b.company_id)
    smuggled = {"headers": {"X-Company-Id": b, "X-Tenant-Id": b}, "params": {"company_id": b}}
    assert (await root.get("/api/company", **smuggled)).status_code == 403
    await enter(root, world.a)
    assert (await root.get("/api/company", **smuggled)).json()["id"] == str(world.a.company_id)


@pytest.mark.parametrize("role", ["admin", "manager", "agent"])
async def test_platform_is_closed_to_people_and_keys_of_companies(world: World, role: str) -> None:
    person = await world.log_in(getattr(world.a, role))
    for method, path, route in routes_of(world.app):
        if path.startswith("/api/platform/") and needs_caller(route):
            address = path.replace("{company_id}", str(world.a.company_id))
            body = {"company_id": str(world.b.company_id), "reason": "Just to look around", "status": "suspended"}
            answer = await person.request(method, address, json=None if method == "GET" else body)
            assert answer.status_code in {403, 422}, (method, path)
            key = await person.request(method, address, headers=world.a.headers("admin"), json={})
            assert key.status_code in {403, 422}, (method, path)
    assert (await person.get("/api/company")).json()["name"] == world.a.name
    root = await world.log_in(world.super_admin)
    assert {c["status"] for c in (await root.get("/api/platform/companies")).json()["items"]} == {"active"}


async def test_growth_of_b_leaves_the_health_of_a(texting: Texting) -> None:
    world = texting.world
    root = await world.log_in(world.super_admin)

    async def health(company: CompanyWithPeople) -> dict[str, Any]:
        await look(world, company)
        found = (await root.get(f"/api/platform/companies/{company.company_id}")).json()["health"]
        return {name: value for name, value in found.items() if name != "checked_at"}

    before_a, before_b = await health(world.a), await health(world.b)
    await texting.sent(texting.b, to=CUSTOMER)
    assert await health(world.a) == before_a
    assert await health(world.b) != before_b


async def enter_database(connection: AsyncConnection, company: CompanyWithPeople) -> None:
    await connection.execute(text(f"SET LOCAL ringfence.company_id = '{company.company_id}'"))


async def test_health_of_b_is_neither_read_nor_written_in_a(world: World, app_role: AsyncEngine) -> None:
    for company in (world.a, world.b):
        await look(world, company)
    b = {"b": world.b.company_id}
    change = text("UPDATE company_health SET numbers = 99 WHERE company_id = :b")
    async with app_role.connect() as connection:
        await enter_database(connection, world.a)
        found = (await connection.execute(text("SELECT company_id FROM company_health"))).scalars().all()
        assert found == [world.a.company_id]
        assert (await connection.execute(change, b)).rowcount == 0
        assert (await connection.execute(text("DELETE FROM company_health WHERE company_id = :b"), b)).rowcount == 0
        forged = text(
            "INSERT INTO company_health (company_id, settings_state, settings_since, numbers, queued, checked_at)"
            " VALUES (:b, 'none', now(), 0, 0, now()) ON CONFLICT (company_id) DO UPDATE SET numbers = 99"
        )
        with pytest.raises(ProgrammingError, match="row-level security"):
            await connection.execute(forged, b)
        await connection.rollback()
        await enter_database(connection, world.b)
        assert (await connection.execute(change, b)).rowcount == 1


async def test_app_role_cannot_open_or_see_a_visit(world: World, app_role: AsyncEngine) -> None:
    root = await world.log_in(world.super_admin)
    await enter(root, world.a)
    for statement in (
        "SELECT 1 FROM company_visits",
        "UPDATE company_visits SET company_id = current_setting('ringfence.company_id')::uuid",
        "DELETE FROM company_visits",
        "INSERT INTO company_visits SELECT id, id, 'x', now(), now() FROM platform_sessions",
    ):
        async with app_role.connect() as connection:
            await enter_database(connection, world.b)
            with pytest.raises(ProgrammingError, match="permission denied"):
                await connection.execute(text(statement))
    assert (await root.get("/api/company")).json()["id"] == str(world.a.company_id)
