"""Changing people, and the rule that a company keeps an active admin."""

import asyncio

import httpx
import pytest

from tests.factories.people import PASSWORD
from tests.factories.world import World


async def test_admin_changes_name_role_and_status_with_an_entry_each(world: World) -> None:
    admin = await world.log_in(world.a.admin)
    path = f"/api/users/{world.a.agent.id}"

    for change in ({"name": "Ari Renamed"}, {"role": "manager"}, {"status": "suspended"}, {"status": "active"}):
        answer = await admin.patch(path, json=change)
        assert answer.status_code == 200
        assert answer.json() | change == answer.json()
    assert (await admin.patch(path, json={"name": "Ari Renamed", "role": None})).status_code == 200

    entries = (await admin.get("/api/audit-log", params={"limit": 4})).json()["items"]
    assert [(entry["action"], entry["before"], entry["after"]) for entry in entries] == [
        ("user.activated", {"status": "suspended"}, {"status": "active"}),
        ("user.suspended", {"status": "active"}, {"status": "suspended"}),
        ("user.changed", {"role": "agent"}, {"role": "manager"}),
        ("user.changed", {"name": world.a.agent.name}, {"name": "Ari Renamed"}),
    ]
    assert {entry["actor_id"] for entry in entries} == {str(world.a.admin.id)}
    assert {entry["target_id"] for entry in entries} == {str(world.a.agent.id)}
    assert all(entry["address"] == "127.0.0.1" and entry["request_id"] for entry in entries)


@pytest.mark.parametrize("change", [{"role": "agent"}, {"status": "suspended"}])
async def test_last_active_admin_stays(world: World, change: dict[str, str]) -> None:
    admin = await world.log_in(world.a.admin)
    path = f"/api/users/{world.a.admin.id}"

    answer = await admin.patch(path, json=change)

    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert (await admin.patch(path, json={"name": "Still admin"})).json()["role"] == "company_admin"
    other = f"/api/users/{world.a.manager.id}"
    assert (await admin.patch(other, json={"role": "company_admin", "status": "suspended"})).status_code == 200
    assert (await admin.patch(path, json=change)).status_code == 409, "a suspended admin does not count"
    assert (await admin.patch(other, json={"status": "active"})).status_code == 200
    assert (await admin.patch(path, json=change)).status_code == 200


async def test_two_admins_who_demote_each_other_at_once_leave_one(world: World, client: httpx.AsyncClient) -> None:
    headers = world.a.headers("admin")
    await client.patch(f"/api/users/{world.a.manager.id}", json={"role": "company_admin"}, headers=headers)

    answers = await asyncio.gather(
        *(
            client.patch(f"/api/users/{person.id}", json={"role": "agent"}, headers=headers)
            for person in (world.a.admin, world.a.manager)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    users = (await client.get("/api/users", headers=headers)).json()["items"]
    assert [user["role"] for user in users].count("company_admin") == 1


async def test_people_are_listed_newest_first_page_by_page(world: World, client: httpx.AsyncClient) -> None:
    headers = world.a.headers("admin")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/api/users", params=params, headers=headers)).json()
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == [str(person.id) for person in reversed(world.a.people)]


async def test_nothing_ever_answers_a_password_or_its_hash(world: World, client: httpx.AsyncClient) -> None:
    admin = await world.log_in(world.a.admin)
    for path in ("/api/users", "/api/audit-log", "/api/auth/me", "/api/company", "/api/api-keys", "/api/invitations"):
        body = (await admin.get(path)).text
        assert "argon2" not in body
        assert PASSWORD not in body
        assert "password_hash" not in body
    assert world.a.admin.email in (await admin.get("/api/users")).text
