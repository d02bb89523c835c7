"""Entering a company: with a reason, for half an hour at most, in its own log, and over when it is over."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from ringfence.api.public import routes_of
from ringfence.features.users import actions as users
from ringfence.features.users import queries as user_queries
from ringfence.features.users.routes.authenticator import CSRF_HEADER, SESSION_COOKIE
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.web import caller
from tests.factories.people import CompanyWithPeople
from tests.factories.texts import Texting
from tests.factories.world import World

REASON = "Ticket 4711: texts do not go out"


async def enter(root: httpx.AsyncClient, company: CompanyWithPeople, **more: Any) -> httpx.Response:
    return await root.post(
        "/api/platform/enter", json={"company_id": str(company.company_id), "reason": REASON, **more}
    )


async def log_of(world: World, client: httpx.AsyncClient, company: CompanyWithPeople, **params: str) -> list[Any]:
    """A company's entries by super admins, oldest first, as its own admin sees them."""
    answer = await client.get(
        "/api/audit-log", params={"actor_kind": "platform", "limit": 200, **params}, headers=company.headers("admin")
    )
    return answer.json()["items"][::-1]


def let_time_pass(texting: Texting, minutes: float = 31) -> None:
    texting.change("UPDATE company_visits SET expires_at = expires_at - make_interval(secs => %s)", minutes * 60)


async def test_visitor_works_in_the_company_until_leaving(
    world: World, client: httpx.AsyncClient, root: httpx.AsyncClient
) -> None:
    assert (await root.get("/api/company")).json()["code"] == "platform_only"

    entered = await enter(root, world.a)

    assert entered.status_code == 200, entered.text
    me = (await root.get("/api/auth/me")).json()
    assert me["visit"] == entered.json()
    assert me["company"] == me["visit"]["company"] == {"id": str(world.a.company_id), "name": world.a.name}
    assert (me["kind"], me["level"], me["visit"]["reason"]) == ("platform_user", "admin", REASON)
    left = datetime.fromisoformat(me["visit"]["expires_at"]) - datetime.fromisoformat(me["visit"]["started_at"])
    assert left == timedelta(minutes=30)
    assert (await root.get("/api/company")).json()["id"] == str(world.a.company_id)
    assert (await root.get("/api/contacts")).status_code == 200
    assert (await root.patch("/api/company", json={"name": "Cactus & Co"})).status_code == 200

    assert (await root.post("/api/platform/leave")).status_code == 204

    assert (await root.get("/api/company")).json()["code"] == "platform_only"
    me = (await root.get("/api/auth/me")).json()
    assert (me["visit"], me["company"], me["level"]) == (None, None, None)
    assert (await root.post("/api/platform/leave")).status_code == 204
    entries = await log_of(world, client, world.a)
    assert [(e["action"], e["target_id"]) for e in entries] == [
        ("company.entered", str(world.a.company_id)),
        ("visit.read", "GET /api/company"),
        ("visit.read", "GET /api/contacts"),
        ("visit.requested", "PATCH /api/company"),
        ("company.changed", str(world.a.company_id)),
        ("company.left", str(world.a.company_id)),
    ]
    assert {(e["actor_id"], e["actor_name"]) for e in entries} == {(str(world.super_admin.id), world.super_admin.name)}
    assert entries[0]["after"]["reason"] == REASON
    assert await log_of(world, client, world.b) == []


async def test_visit_ends_by_itself_and_the_same_cookie_is_refused(texting: Texting, root: httpx.AsyncClient) -> None:
    await enter(root, texting.world.a)
    let_time_pass(texting, minutes=29)
    assert (await root.get("/api/company")).status_code == 200

    let_time_pass(texting, minutes=1.01)

    for answer in (await root.get("/api/company"), await root.patch("/api/company", json={"name": "Late"})):
        assert (answer.status_code, answer.json()["code"]) == (403, "platform_only")
    assert (await root.get("/api/auth/me")).json()["visit"] is None
    again = await enter(root, texting.world.b, minutes=5)
    assert again.json()["company"]["id"] == str(texting.world.b.company_id)
    assert (await root.get("/api/company")).json()["id"] == str(texting.world.b.company_id)


@pytest.mark.parametrize("minutes", [0, 31, -5])
async def test_no_visit_is_longer_than_half_an_hour(world: World, root: httpx.AsyncClient, minutes: int) -> None:
    assert (await enter(root, world.a, minutes=minutes)).status_code == 422
    short = (await enter(root, world.a, minutes=5)).json()
    until = datetime.fromisoformat(short["expires_at"])
    assert until - datetime.fromisoformat(short["started_at"]) == timedelta(minutes=5)
    assert until > utc_now()


@pytest.mark.parametrize("reason", ["", "   ", "x", None])
async def test_a_visit_needs_a_reason(world: World, root: httpx.AsyncClient, reason: str | None) -> None:
    assert (await enter(root, world.a, reason=reason)).status_code == 422
    assert (await root.get("/api/company")).status_code == 403
    assert (await enter(root, world.a)).status_code == 200


async def test_one_company_at_a_time_for_each_session(
    world: World, client: httpx.AsyncClient, root: httpx.AsyncClient
) -> None:
    await enter(root, world.a)
    second = await enter(root, world.b)
    assert (second.status_code, second.json()["code"]) == (409, "already_inside")
    assert (await root.get("/api/company")).json()["id"] == str(world.a.company_id)
    assert await log_of(world, client, world.b) == []

    elsewhere = await world.log_in(world.super_admin)
    assert (await elsewhere.get("/api/company")).status_code == 403
    assert (await enter(elsewhere, world.b)).status_code == 200
    assert (await root.get("/api/company")).json()["id"] == str(world.a.company_id)


async def test_unknown_and_suspended_companies_are_not_entered(
    world: World, client: httpx.AsyncClient, root: httpx.AsyncClient
) -> None:
    unknown = await root.post("/api/platform/enter", json={"company_id": str(new_id()), "reason": REASON})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    path = f"/api/platform/companies/{world.a.company_id}"
    await root.patch(path, json={"status": "suspended"})
    suspended = await enter(root, world.a)
    assert (suspended.status_code, suspended.json()["code"]) == (409, "company_suspended")
    await root.patch(path, json={"status": "active"})
    assert (await enter(root, world.a)).status_code == 200

    await root.patch(path, json={"status": "suspended"})

    assert (await root.get("/api/company")).json()["code"] == "platform_only"


async def test_suspended_super_admin_is_out_at_once(world: World, root: httpx.AsyncClient) -> None:
    await enter(root, world.a)
    assert (await root.get("/api/company")).status_code == 200
    async with world.tenancy.platform() as platform:
        user = await user_queries.platform_user(platform, world.super_admin.id)
        await users.change_platform_user(platform, user=user, status="suspended")

    assert (await root.get("/api/company")).status_code == 401

    async with world.tenancy.platform() as platform:
        user = await user_queries.platform_user(platform, world.super_admin.id)
        await users.change_platform_user(platform, user=user, status="active")
    assert (await root.get("/api/company")).status_code == 401


async def test_logging_out_leaves_the_company(world: World, client: httpx.AsyncClient, root: httpx.AsyncClient) -> None:
    await enter(root, world.a)
    cookie = root.cookies[SESSION_COOKIE]
    assert (await root.post("/api/auth/logout")).status_code == 204

    root.cookies.set(SESSION_COOKIE, cookie)
    assert (await root.get("/api/company")).status_code == 401
    assert [e["action"] for e in await log_of(world, client, world.a)] == ["company.entered", "company.left"]


async def test_visitors_acts_need_the_csrf_token(world: World, root: httpx.AsyncClient) -> None:
    await enter(root, world.a)
    token = root.headers.pop(CSRF_HEADER)
    refused = await root.patch("/api/company", json={"name": "Forged"})
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf")
    root.headers[CSRF_HEADER] = token
    assert (await root.patch("/api/company", json={"name": "Real"})).status_code == 200


async def test_every_look_is_logged_once_a_visit_and_every_change_each_time(
    texting: Texting, client: httpx.AsyncClient, root: httpx.AsyncClient
) -> None:
    world = texting.world
    for _ in range(2):
        await enter(root, world.a)
        for _ in range(3):
            assert (await root.get("/api/sms/conversations")).status_code == 200
        for name in ("First", "Second"):
            assert (await root.patch("/api/company", json={"name": name})).status_code == 200
        await root.post("/api/platform/leave")

    seen = await log_of(world, client, world.a, action="visit.read")
    assert [e["target_id"] for e in seen] == ["GET /api/sms/conversations"] * 2
    changes = await log_of(world, client, world.a, action="visit.requested")
    assert [e["target_id"] for e in changes] == ["PATCH /api/company"] * 4


async def test_export_and_text_of_a_visitor_carry_the_super_admin(
    texting: Texting, client: httpx.AsyncClient, root: httpx.AsyncClient
) -> None:
    world = texting.world
    await enter(root, world.a)
    assert (await root.get("/api/audit-log/export")).status_code == 200
    sent = await root.post("/api/sms/send", json={"to": "+16025550970", "body": "A test of the operator"})
    assert sent.status_code == 202, sent.text

    actions = [e["action"] for e in await log_of(world, client, world.a)]

    assert "audit_log.exported" in actions
    assert "visit.requested" in actions
    timeline = await texting.timeline(texting.a, sent.json()["id"])
    assert (timeline[0]["detail"]["by"], timeline[0]["detail"]["by_kind"]) == (world.super_admin.name, "platform")


def refuses_visitors(route: Any) -> bool:
    calls = [inner.call for inner in route.dependant.dependencies]
    return caller._own_admin in calls


# What would outlast a visit. A person's telephone is refused inside its route, which people may call for themselves.
KEPT = {
    ("PATCH", "/api/users/{user_id}"),
    ("POST", "/api/users/{user_id}/password-reset"),
    ("POST", "/api/api-keys"),
    ("DELETE", "/api/api-keys/{key_id}"),
    ("POST", "/api/invitations"),
    ("DELETE", "/api/invitations/{invitation_id}"),
    ("POST", "/api/twilio-settings"),
    ("PUT", "/api/twilio-settings"),
    ("DELETE", "/api/twilio-settings"),
    ("POST", "/api/webhooks"),
    ("PATCH", "/api/webhooks/{endpoint_id}"),
    ("DELETE", "/api/webhooks/{endpoint_id}"),
    ("POST", "/api/webhooks/{endpoint_id}/rotate-secret"),
}
TELEPHONE = ("PUT", "/api/users/{user_id}/phone")
HARMLESS = {
    ("POST", "/api/twilio-settings/verify"): "asks Twilio whether what is stored works",
    ("POST", "/api/twilio-settings/webhooks"): "points the company's numbers back here",
    ("POST", "/api/webhooks/{endpoint_id}/ping"): "sends a test to where events go anyway",
    ("POST", "/api/webhooks/{endpoint_id}/replay"): "sends again to where events go anyway",
    ("POST", "/api/webhooks/{endpoint_id}/deliveries/{delivery_id}/replay"): "sends again to where events go anyway",
}


def test_what_outlasts_a_visit_is_refused_to_visitors(world: World) -> None:
    unsafe = [(method, path, route) for method, path, route in routes_of(world.app) if method != "GET"]

    assert {(method, path) for method, path, route in unsafe if refuses_visitors(route)} == KEPT
    lasting = ("/api/users", "/api/api-keys", "/api/invitations", "/api/twilio-settings", "/api/webhooks")
    assert {(m, p) for m, p, _ in unsafe if p.startswith(lasting)} == KEPT | {TELEPHONE} | HARMLESS.keys()


async def test_visitor_changes_no_people_keys_or_credentials(texting: Texting, root: httpx.AsyncClient) -> None:
    world = texting.world
    ids = {
        "user_id": world.a.agent.id,
        "key_id": world.a.key_ids["read"],
        "invitation_id": new_id(),
        "endpoint_id": new_id(),
    }
    bodies = {
        "/api/twilio-settings": {"account_sid": texting.a.account_sid, "auth_token": "ab" * 16},
        "/api/api-keys": {"name": "Back door", "scope": "admin"},
        "/api/invitations": {"email": "back@door.example", "role": "company_admin"},
        "/api/users/{user_id}/phone": {"phone": "+16025550199"},
        "/api/webhooks": {"url": "https://192.168.1.1/", "kinds": ["message.received"]},
        "/api/webhooks/{endpoint_id}": {"description": "Mine"},
    }
    await enter(root, world.a)
    own = await world.log_in(world.a.admin)
    # Last what disconnects the account.
    for method, path in sorted(KEPT | {TELEPHONE}, key=lambda route: route[1] == "/api/twilio-settings"):
        request = {} if method == "DELETE" else {"json": bodies.get(path, {"role": "manager"})}
        address = path.format(**ids)

        refused = await root.request(method, address, **request)

        assert (refused.status_code, refused.json()["code"]) == (403, "visiting"), (method, path)
        allowed = await own.request(method, address, **request)
        assert allowed.status_code not in {401, 403}, (method, path, allowed.text)


async def test_visits_end_with_their_session_in_the_database(texting: Texting, root: httpx.AsyncClient) -> None:
    await enter(root, texting.world.a)
    with psycopg.connect(texting.database.admin_url, autocommit=True) as admin:
        assert count(admin) == 1
        admin.execute("DELETE FROM platform_sessions")
        assert count(admin) == 0


def count(admin: psycopg.Connection) -> int:
    return admin.execute("SELECT count(*) FROM company_visits").fetchone()[0]  # pyright: ignore
