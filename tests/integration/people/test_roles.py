"""Who may call which route of the people rooms: every role and key scope against every route."""

import httpx
import pytest

from ringfence.features.audit_log.routes import router as audit_router
from ringfence.features.companies.routes import router as companies_router
from ringfence.features.platform.routes import router as platform_router
from ringfence.features.users.routes import router as users_router
from ringfence.kit.ids import new_id
from tests.factories.world import World

SOME_ID = str(new_id())

# Route → the lowest of read < send < manage < admin that may call it; `anyone`: no credential; `known`: any
# credential; `platform`: super admins only. The body is one that gets past validation.
ROUTES: dict[tuple[str, str], tuple[str, object]] = {
    ("GET", "/api/audit-log"): ("admin", None),
    ("GET", "/api/audit-log/export"): ("admin", None),
    ("GET", "/api/company"): ("read", None),
    ("PATCH", "/api/company"): ("admin", {}),
    ("GET", "/api/platform/companies"): ("platform", None),
    ("POST", "/api/platform/companies"): ("platform", {"name": "New"}),
    ("GET", "/api/platform/companies/{company_id}"): ("platform", None),
    ("PATCH", "/api/platform/companies/{company_id}"): ("platform", {"status": "suspended"}),
    ("POST", "/api/platform/enter"): ("platform", {"company_id": SOME_ID, "reason": "To see that it works"}),
    ("POST", "/api/platform/leave"): ("platform", None),
    ("POST", "/api/auth/login"): ("anyone", {"email": "x@y.example", "password": "wrong password"}),
    ("POST", "/api/auth/logout"): ("known", None),
    ("GET", "/api/auth/me"): ("known", None),
    ("PATCH", "/api/auth/me"): ("known", {}),
    ("POST", "/api/auth/password-reset"): ("anyone", {"email": "x@y.example"}),
    ("POST", "/api/auth/password-reset/confirm"): ("anyone", {"token": "x", "password": "long enough"}),
    ("POST", "/api/users/{user_id}/password-reset"): ("admin", None),
    ("POST", "/api/auth/invitations/accept"): ("anyone", {"token": "x", "name": "X", "password": "long enough"}),
    ("GET", "/api/users"): ("read", None),
    ("PATCH", "/api/users/{user_id}"): ("admin", {"name": "Renamed"}),
    ("PUT", "/api/users/{user_id}/phone"): ("admin", {"phone": None}),
    ("GET", "/api/api-keys"): ("admin", None),
    ("POST", "/api/api-keys"): ("admin", {"name": "New", "scope": "read"}),
    ("DELETE", "/api/api-keys/{key_id}"): ("admin", None),
    ("GET", "/api/invitations"): ("admin", None),
    ("POST", "/api/invitations"): ("admin", {"email": "new@cactus-plumbing.example", "role": "agent"}),
    ("DELETE", "/api/invitations/{invitation_id}"): ("admin", None),
}
RANKS = ["read", "send", "manage", "admin"]
RANK_OF_ROLE = {"agent": "send", "manager": "manage", "company_admin": "admin"}


def may(needed: str, rank: str) -> bool:
    if needed in {"anyone", "known"}:
        return True
    return needed != "platform" and RANKS.index(rank) >= RANKS.index(needed)


async def call(client: httpx.AsyncClient, route: tuple[str, str], headers: dict[str, str] | None = None) -> int:
    method, path = route
    for name in ("company_id", "user_id", "key_id", "invitation_id"):
        path = path.replace("{" + name + "}", SOME_ID)
    answer = await client.request(method, path, json=ROUTES[route][1], headers=headers)
    refusals = {"forbidden", "platform_only", "unauthenticated"}
    return answer.status_code if answer.is_error and answer.json()["code"] in refusals else 200


def test_every_route_is_in_the_table() -> None:
    """A route nobody classified fails here, and so does an entry whose route is gone."""
    from fastapi import FastAPI

    app = FastAPI(openapi_url="/openapi.json")
    for router in (audit_router, companies_router, platform_router, users_router):
        app.include_router(router)
    found = {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}

    assert found == set(ROUTES)


@pytest.mark.parametrize("role", ["agent", "manager", "company_admin"])
async def test_roles(world: World, role: str) -> None:
    person = next(person for person in world.a.people if person.role == role)
    client = await world.log_in(person)
    for route, (needed, _) in ROUTES.items():
        if route[1] == "/api/auth/logout":
            continue
        expected = 200 if may(needed, RANK_OF_ROLE[role]) else 403
        assert await call(client, route) == expected, (role, route)


@pytest.mark.parametrize("scope", RANKS)
async def test_key_scopes(world: World, client: httpx.AsyncClient, scope: str) -> None:
    for route, (needed, _) in ROUTES.items():
        expected = 200 if may(needed, scope) else 403
        assert await call(client, route, world.a.headers(scope)) == expected, (scope, route)


async def test_super_admin_sees_no_companys_content(world: World) -> None:
    client = await world.log_in(world.super_admin)
    for route, (needed, _) in ROUTES.items():
        if route[1] == "/api/auth/logout":
            continue
        expected = 200 if needed in {"anyone", "known", "platform"} else 403
        assert await call(client, route) == expected, route


async def test_nobody(world: World, client: httpx.AsyncClient) -> None:
    for route, (needed, _) in ROUTES.items():
        assert await call(client, route) == (200 if needed == "anyone" else 401), route
    assert await call(client, ("GET", "/api/company"), world.a.headers("read")) == 200


async def test_colleagues_show_by_name_and_role_except_to_admins(world: World, client: httpx.AsyncClient) -> None:
    names = {person.name for person in world.a.people}
    for person in (world.a.agent, world.a.manager):
        items = (await (await world.log_in(person)).get("/api/users")).json()["items"]
        assert {item["name"] for item in items} == names
        others = [item for item in items if item["name"] != person.name]
        assert len(others) == len(items) - 1
        assert all(item["email"] is None and item["status"] is None for item in others)

    items = (await client.get("/api/users", headers=world.a.headers("admin"))).json()["items"]
    assert {item["email"] for item in items} == {person.email for person in world.a.people}
    assert {item["status"] for item in items} == {"active"}
