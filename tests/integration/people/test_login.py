"""Log-in, sessions and CSRF through the HTTP door."""

import httpx

from tests.factories.world import World


async def test_log_in_and_me(world: World, client: httpx.AsyncClient) -> None:
    for person in (*world.a.people, *world.b.people, world.super_admin):
        logged_in = await world.log_in(person)
        me = (await logged_in.get("/api/auth/me")).json()
        assert me["id"] == str(person.id)
        assert me["role"] == person.role

    assert (await client.get("/api/auth/me")).status_code == 401
    key = (await client.get("/api/auth/me", headers=world.a.headers("send"))).json()
    assert key["level"] == "send"
