"""`PATCH /api/auth/me`: what people change about themselves."""

import httpx
import pytest

from ringfence.features.users.actions.sessions import FAILURES_ALLOWED
from tests.factories.people import PASSWORD
from tests.factories.world import World

NEW_PASSWORD = "another horse battery"
CHANGE = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}


async def test_own_name_is_everybodys_to_change(world: World) -> None:
    for person in (*world.a.people, world.super_admin):
        client = await world.log_in(person)
        answer = await client.patch("/api/auth/me", json={"name": f"New {person.name}"})
        assert answer.json() == (await client.get("/api/auth/me")).json()
        assert answer.json()["name"] == f"New {person.name}"
    entries = (
        await (await world.log_in(world.a.admin)).get("/api/audit-log", params={"action": "user.changed"})
    ).json()["items"]
    assert {entry["actor_id"] for entry in entries} == {str(person.id) for person in world.a.people}
    people_of_b = (await (await world.log_in(world.b.admin)).get("/api/users")).json()["items"]
    assert {item["name"] for item in people_of_b} == {person.name for person in world.b.people}


@pytest.mark.parametrize("who", ["agent", "super_admin"])
async def test_new_password_ends_all_other_sessions(world: World, who: str) -> None:
    person = world.super_admin if who == "super_admin" else world.a.agent
    other, own, colleague = await world.log_in(person), await world.log_in(person), await world.log_in(world.a.admin)

    assert (await own.patch("/api/auth/me", json=CHANGE)).status_code == 200

    assert (await other.get("/api/auth/me")).status_code == 401
    for client in (own, colleague):
        assert (await client.get("/api/auth/me")).status_code == 200
    for password, expected in ((PASSWORD, 401), (NEW_PASSWORD, 200)):
        body = {"email": person.email, "password": password}
        assert (await (await world.connect()).post("/api/auth/login", json=body)).status_code == expected


async def test_wrong_current_password_changes_nothing_and_counts(world: World) -> None:
    client = await world.log_in(world.a.agent)
    wrong = {"current_password": "wrong password", "new_password": NEW_PASSWORD, "name": "Renamed"}
    for _ in range(FAILURES_ALLOWED):
        refused = await client.patch("/api/auth/me", json=wrong)
        assert (refused.status_code, refused.json()["code"]) == (403, "wrong_password")
    assert (await client.patch("/api/auth/me", json=CHANGE)).status_code == 429
    assert (await client.get("/api/auth/me")).json()["name"] == world.a.agent.name
    elsewhere = await world.log_in(world.a.agent, address="10.0.0.9")
    assert (await elsewhere.patch("/api/auth/me", json=CHANGE)).status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"new_password": NEW_PASSWORD}, "invalid"),
        ({"current_password": PASSWORD}, "invalid"),
        ({**CHANGE, "new_password": "short"}, "weak_password"),
        ({"role": "company_admin"}, "invalid"),
        ({"email": "x@y.example"}, "invalid"),
        ({"name": " "}, "invalid"),
    ],
)
async def test_bad_input(world: World, body: dict[str, str], code: str) -> None:
    client = await world.log_in(world.a.agent)
    before = (await client.get("/api/auth/me")).json()
    answer = await client.patch("/api/auth/me", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await client.get("/api/auth/me")).json() == before
    assert (await client.patch("/api/auth/me", json=CHANGE)).status_code == 200


async def test_a_key_is_nobody(world: World, client: httpx.AsyncClient) -> None:
    answer = await client.patch("/api/auth/me", json={"name": "Key"}, headers=world.a.headers("admin"))
    assert (answer.status_code, answer.json()["code"]) == (403, "no_person")
    assert (await (await world.log_in(world.a.agent)).patch("/api/auth/me", json={})).status_code == 200
