"""Company B through company A's doors: people, keys, invitations, settings and audit log."""

from collections.abc import Iterable

import httpx
import pytest

from ringfence.features.users.routes.authenticator import SESSION_COOKIE
from ringfence.kit.ids import new_id
from tests.factories.people import PASSWORD
from tests.factories.world import World

LISTS = ["/api/users", "/api/api-keys", "/api/invitations", "/api/audit-log"]


def seen(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    headers = sorted((name, value) for name, value in answer.headers.items() if name != "x-request-id")
    return answer.status_code, answer.content, headers


async def invite(world: World, company: str, email: str) -> tuple[str, str]:
    admin = await world.log_in(getattr(world, company).admin)
    answer = await admin.post("/api/invitations", json={"email": email, "role": "company_admin"})
    return answer.json()["id"], answer.json()["link"].partition("#")[2]


async def test_foreign_and_unknown_ids_answer_byte_for_byte_the_same(world: World, client: httpx.AsyncClient) -> None:
    foreign_invitation, _ = await invite(world, "b", "n@elsewhere.example")
    own_invitation, _ = await invite(world, "a", "m@elsewhere.example")
    cases = [
        ("PATCH", "/api/users/{}", {"name": "Taken over"}, world.b.agent.id, world.a.agent.id),
        ("PATCH", "/api/users/{}", {"role": "company_admin"}, world.b.agent.id, world.a.agent.id),
        ("PATCH", "/api/users/{}", {"status": "suspended"}, world.b.admin.id, world.a.manager.id),
        ("DELETE", "/api/api-keys/{}", None, world.b.key_ids["read"], world.a.key_ids["read"]),
        ("DELETE", "/api/invitations/{}", None, foreign_invitation, own_invitation),
    ]
    for method, path, body, foreign, own in cases:
        answers = [
            await client.request(method, path.format(item), json=body, headers=world.a.headers("admin"))
            for item in (foreign, new_id())
        ]
        assert answers[0].status_code == 404
        assert seen(answers[0]) == seen(answers[1])
        done = await client.request(method, path.format(own), json=body, headers=world.a.headers("admin"))
        assert done.is_success, path

    people = (await client.get("/api/users", headers=world.b.headers("admin"))).json()["items"]
    assert {(item["name"], item["role"], item["status"]) for item in people} == {
        (person.name, person.role, "active") for person in world.b.people
    }
    assert (await client.get("/api/company", headers=world.b.headers("read"))).status_code == 200
    left = (await client.get("/api/invitations", headers=world.b.headers("admin"))).json()["items"]
    assert [item["status"] for item in left] == ["open"]


async def test_nothing_of_b_shows_in_any_list_of_a(world: World, client: httpx.AsyncClient) -> None:
    invitation, _ = await invite(world, "b", "n@elsewhere.example")
    canaries = [
        world.b.name,
        str(world.b.company_id),
        invitation,
        "n@elsewhere.example",
        *(str(person.id) for person in world.b.people),
        *(person.email for person in world.b.people),
        *(str(key_id) for key_id in world.b.key_ids.values()),
    ]
    for path in (*LISTS, "/api/company", "/api/auth/me"):
        of_a = (await client.get(path, params={"limit": 200}, headers=world.a.headers("admin"))).text
        assert found(canaries, of_a) == [], path
    of_b = "".join(
        [(await client.get(path, headers=world.b.headers("admin"))).text for path in (*LISTS, "/api/company")]
    )
    assert found(canaries, of_b) == canaries


def found(canaries: Iterable[str], text: str) -> list[str]:
    return [canary for canary in canaries if canary in text]


@pytest.mark.parametrize("path", LISTS)
async def test_growth_of_b_leaves_a_as_it_was(world: World, client: httpx.AsyncClient, path: str) -> None:
    headers = world.a.headers("admin")
    before = (await client.get(path, headers=headers)).content
    size_of_b = len((await client.get(path, headers=world.b.headers("admin"))).json()["items"])
    for number in range(3):
        _, token = await invite(world, "b", f"{number}@elsewhere.example")
        joined = {"token": token, "name": "New", "password": PASSWORD}
        accepted = await (await world.connect()).post("/api/auth/invitations/accept", json=joined)
        assert accepted.status_code == 201
        key = {"name": "More", "scope": "read"}
        assert (await client.post("/api/api-keys", json=key, headers=world.b.headers("admin"))).status_code == 201

    grown = (await client.get(path, headers=world.b.headers("admin"))).json()["items"]
    assert len(grown) >= size_of_b + 3
    # The key's own use is noted once a minute; nothing else may differ.
    assert without_use((await client.get(path, headers=headers)).json()) == without_use(
        httpx.Response(200, content=before).json()
    )


def without_use(page: dict[str, list[dict[str, object]]]) -> object:
    return [{name: value for name, value in item.items() if name != "last_used_at"} for item in page["items"]]


@pytest.mark.parametrize("path", LISTS)
async def test_cursor_of_b_is_refused_in_a(world: World, client: httpx.AsyncClient, path: str) -> None:
    for company in ("a", "b"):
        for number in range(2):
            await invite(world, company, f"{company}{number}@elsewhere.example")
    cursor = (await client.get(path, params={"limit": 1}, headers=world.b.headers("admin"))).json()["next_cursor"]

    refused = await client.get(path, params={"limit": 1, "cursor": cursor}, headers=world.a.headers("admin"))

    assert (refused.status_code, refused.json()["code"]) == (422, "bad_cursor")
    good = await client.get(path, params={"limit": 1, "cursor": cursor}, headers=world.b.headers("admin"))
    assert good.status_code == 200
    assert len(good.json()["items"]) == 1


async def test_invitation_of_a_cannot_be_used_to_join_b(world: World, client: httpx.AsyncClient) -> None:
    _, token = await invite(world, "a", "n@elsewhere.example")
    body = {"token": token, "name": "N", "password": PASSWORD}
    admin_of_b = await world.log_in(world.b.admin)

    for extra in ({"company_id": str(world.b.company_id)}, {"company": str(world.b.company_id)}):
        assert (await admin_of_b.post("/api/auth/invitations/accept", json={**body, **extra})).status_code == 422
    # Even with B's own session and key at hand the link decides.
    joined = await admin_of_b.post("/api/auth/invitations/accept", json=body, headers=world.b.headers("admin"))

    assert joined.status_code == 201
    assert joined.json()["company"]["id"] == str(world.a.company_id)
    people_of_b = (await client.get("/api/users", headers=world.b.headers("admin"))).json()["items"]
    assert len(people_of_b) == 3
    people_of_a = (await client.get("/api/users", headers=world.a.headers("admin"))).json()["items"]
    assert "n@elsewhere.example" in {item["email"] for item in people_of_a}


async def test_company_comes_from_the_credential_alone(world: World, client: httpx.AsyncClient) -> None:
    agent = await world.log_in(world.a.agent)
    smuggled = {
        "X-Company-Id": str(world.b.company_id),
        "X-Tenant-Id": str(world.b.company_id),
        "X-Forwarded-For": "10.9.9.9",
        "Host": f"{world.b.company_id}.ringfence.test",
    }
    params = {"company_id": str(world.b.company_id), "company": str(world.b.company_id)}
    for caller, headers in ((agent, smuggled), (client, {**smuggled, **world.a.headers("read")})):
        answer = await caller.get("/api/company", params=params, headers=headers)
        assert answer.json()["id"] == str(world.a.company_id)
    answer = await client.get("/api/company", headers=world.b.headers("read"))
    assert answer.json()["id"] == str(world.b.company_id)


async def test_session_of_a_with_csrf_token_of_b_changes_nothing(world: World) -> None:
    admin_of_a, admin_of_b = await world.log_in(world.a.admin), await world.log_in(world.b.admin)
    own = dict(admin_of_a.headers)
    admin_of_a.headers["X-CSRF-Token"] = admin_of_b.headers["X-CSRF-Token"]
    assert (await admin_of_a.patch("/api/company", json={"name": "Mixed"})).status_code == 403
    admin_of_a.headers["X-CSRF-Token"] = own["x-csrf-token"]
    assert (await admin_of_a.patch("/api/company", json={"name": "Own"})).status_code == 200
    assert (await admin_of_b.get("/api/company")).json()["name"] == world.b.name


async def test_log_out_of_a_leaves_b_logged_in(world: World) -> None:
    of_a, of_b = await world.log_in(world.a.agent), await world.log_in(world.b.agent)
    cookie = of_a.cookies[SESSION_COOKIE]
    assert (await of_a.post("/api/auth/logout")).status_code == 204
    of_a.cookies.set(SESSION_COOKIE, cookie)
    assert (await of_a.get("/api/auth/me")).status_code == 401
    assert (await of_b.get("/api/auth/me")).status_code == 200


async def test_last_admin_rule_counts_own_admins_only(world: World, client: httpx.AsyncClient) -> None:
    """B's admins must not make A's last one dispensable."""
    own = await client.patch(f"/api/users/{world.a.admin.id}", json={"role": "agent"}, headers=world.a.headers("admin"))
    assert own.status_code == 409
    await client.patch(
        f"/api/users/{world.a.manager.id}", json={"role": "company_admin"}, headers=world.a.headers("admin")
    )
    own = await client.patch(f"/api/users/{world.a.admin.id}", json={"role": "agent"}, headers=world.a.headers("admin"))
    assert own.status_code == 200
