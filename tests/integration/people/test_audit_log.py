"""The audit log: what is written, what is left out, who reads it."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import httpx

from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import SYSTEM
from tests.factories.world import World

SECRETS = {
    "auth_token": "s3cret-1",
    "AuthToken": "s3cret-2",
    "sealed_auth_token": "s3cret-3",
    "client_secret": "s3cret-4",
    "password": "s3cret-5",
    "password_hash": b"s3cret-6",
    "token_hash": "s3cret-7",
    "credentials": {"user": "s3cret-8"},
    "key": "s3cret-9",
    "api_key": "s3cret-10",
    "link": "s3cret-11",
    "Authorization": "s3cret-12",
}


async def test_entry_keeps_what_changed_and_drops_every_secret(world: World, client: httpx.AsyncClient) -> None:
    shown = {
        "name": "Main line",
        "auth_token_last4": "9f3a",
        "key_last_four": "aaaa",
        "at": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "id": UUID(int=7),
        "rate": Decimal("1.5"),
        "count": 3,
        "active": True,
        "nothing": None,
        "tags": ("a", "b"),
        "raw": b"s3cret-13",
    }
    async with world.tenancy.tenant(world.a.company_id) as session:
        record(
            session,
            actor=SYSTEM,
            action="test.changed",
            target_kind="test",
            target_id=UUID(int=7),
            before={**SECRETS, **shown},
            after={"deep": {"list": [{**SECRETS, **shown}]}},
        )

    answer = await client.get("/api/audit-log", params={"action": "test.changed"}, headers=world.a.headers("admin"))

    assert "s3cret" not in answer.text
    entry = answer.json()["items"][0]
    plain = {
        "name": "Main line",
        "auth_token_last4": "9f3a",
        "key_last_four": "aaaa",
        "at": "2026-03-01 12:00:00+00:00",
        "id": str(UUID(int=7)),
        "rate": "1.5",
        "count": 3,
        "active": True,
        "nothing": None,
        "tags": ["a", "b"],
        "raw": None,
    }
    assert entry["before"] == plain
    assert entry["after"] == {"deep": {"list": [plain]}}
    assert (entry["actor_kind"], entry["actor_id"], entry["target_id"]) == ("system", None, str(UUID(int=7)))


async def test_list_is_newest_first_with_cursors_bound_to_the_filter(world: World, client: httpx.AsyncClient) -> None:
    headers = world.a.headers("admin")
    everything = (await client.get("/api/audit-log", headers=headers)).json()["items"]
    assert [item["at"] for item in everything] == sorted((item["at"] for item in everything), reverse=True)
    seen: list[dict[str, object]] = []
    params: dict[str, str] = {"limit": "3"}
    while True:
        page = (await client.get("/api/audit-log", params=params, headers=headers)).json()
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == everything
    filtered = {"limit": "3", "action": "user.created"}
    assert len((await client.get("/api/audit-log", params=filtered, headers=headers)).json()["items"]) == 3
    wrong = await client.get("/api/audit-log", params={**params, "action": "user.created"}, headers=headers)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_cursor")


async def test_entry_goes_with_its_act(world: World, client: httpx.AsyncClient) -> None:
    """An act that is rolled back leaves no entry."""
    headers = world.a.headers("admin")
    before = (await client.get("/api/audit-log", headers=headers)).json()
    refused = await client.patch(f"/api/users/{world.a.admin.id}", json={"role": "agent"}, headers=headers)
    assert refused.status_code == 409
    assert (await client.get("/api/audit-log", headers=headers)).json() == before
    done = await client.patch(f"/api/users/{world.a.agent.id}", json={"name": "Changed"}, headers=headers)
    assert done.status_code == 200
    assert len((await client.get("/api/audit-log", headers=headers)).json()["items"]) == len(before["items"]) + 1
