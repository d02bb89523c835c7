"""API keys: shown once, stored as hashes, revocable, and noted when used."""

from datetime import timedelta

import httpx
from sqlalchemy import select, text, update

from ringfence.db.engine import create_engine
from ringfence.features.users.model import APIKey, DirectoryAPIKey
from ringfence.kit.clock import utc_now
from ringfence.kit.secret import token_hash
from tests.factories.cluster import Database
from tests.factories.people import bearer
from tests.factories.world import World


async def test_key_is_shown_once_and_works_until_revoked(
    world: World, client: httpx.AsyncClient, database: Database
) -> None:
    admin = await world.log_in(world.a.admin)

    made = await admin.post("/api/api-keys", json={"name": "CRM", "scope": "manage"})

    assert made.status_code == 201
    key, key_id = made.json()["key"], made.json()["id"]
    assert key.startswith("rf_")
    assert len(key) >= 46
    assert made.json()["last_four"] == key[-4:]
    assert made.json()["created_by"] == str(world.a.admin.id)
    me = await client.get("/api/auth/me", headers=bearer(key))
    assert (me.status_code, me.json()["level"], me.json()["id"]) == (200, "manage", key_id)
    for path in ("/api/api-keys", "/api/audit-log"):
        assert key not in (await admin.get(path)).text
    assert key not in await dump(database)
    async with world.tenancy.platform() as platform:
        assert await platform.get(DirectoryAPIKey, token_hash(key)) is not None

    assert (await admin.delete(f"/api/api-keys/{key_id}")).status_code == 204

    assert (await client.get("/api/auth/me", headers=bearer(key))).status_code == 401
    listed = {item["id"]: item for item in (await admin.get("/api/api-keys")).json()["items"]}
    assert listed[key_id]["revoked_at"] is not None
    async with world.tenancy.platform() as platform:
        assert await platform.get(DirectoryAPIKey, token_hash(key)) is None
    assert (await client.get("/api/auth/me", headers=world.a.headers("read"))).status_code == 200


async def dump(database: Database) -> str:
    """Every value of every table, as the database's administrator reads it."""
    engine = create_engine(database.admin_url, pool_size=1, application_name="dump")
    async with engine.connect() as connection:
        tables = await connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        rows = [
            repr((await connection.execute(text(f'SELECT t.*::text FROM "{name}" t'))).all()) for name in tables.all()
        ]
    await engine.dispose()
    return "\n".join(rows)


async def test_revoking_twice_changes_nothing(world: World) -> None:
    admin = await world.log_in(world.a.admin)
    path = f"/api/api-keys/{world.a.key_ids['read']}"
    assert (await admin.delete(path)).status_code == 204
    first = (await admin.get("/api/audit-log", params={"action": "api_key.revoked"})).json()["items"]
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get("/api/audit-log", params={"action": "api_key.revoked"})).json()["items"] == first
    assert len(first) == 1


async def test_use_is_noted_at_most_once_a_minute(world: World, client: httpx.AsyncClient) -> None:
    async def last_used() -> object:
        async with world.tenancy.tenant(world.a.company_id) as session:
            query = select(APIKey.last_used_at).where(
                APIKey.company_id == world.a.company_id, APIKey.id == world.a.key_ids["read"]
            )
            return await session.scalar(query)

    async def use() -> None:
        assert (await client.get("/api/company", headers=world.a.headers("read"))).status_code == 200

    assert await last_used() is None
    await use()
    first = await last_used()
    assert first is not None
    await use()
    assert await last_used() == first
    async with world.tenancy.tenant(world.a.company_id) as session:
        await session.execute(
            update(APIKey)
            .where(APIKey.company_id == world.a.company_id)
            .values(last_used_at=utc_now() - timedelta(minutes=2))
        )
    await use()
    assert await last_used() > first


async def test_request_does_not_wait_for_a_locked_key_row(world: World, client: httpx.AsyncClient) -> None:
    async with world.tenancy.tenant(world.a.company_id) as holder:
        await holder.execute(select(APIKey.id).where(APIKey.company_id == world.a.company_id).with_for_update())

        answer = await client.get("/api/company", headers=world.a.headers("read"), timeout=5)

        assert answer.status_code == 200
