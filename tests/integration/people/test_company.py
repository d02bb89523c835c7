"""A company's own settings."""

import httpx
import pytest

from ringfence.kit.ids import new_id
from tests.factories.world import World

CHANGE = {"name": "Cactus & Sons", "time_zone": "Europe/Rome", "default_region": "it", "opt_out_scope": "pair"}


async def test_admin_changes_settings_with_one_entry_of_what_changed(world: World) -> None:
    admin, agent = await world.log_in(world.a.admin), await world.log_in(world.a.agent)

    changed = await admin.patch("/api/company", json=CHANGE)

    assert changed.status_code == 200
    expected = {**CHANGE, "default_region": "IT"}
    assert changed.json() | expected == changed.json()
    assert (await agent.get("/api/company")).json() == changed.json()
    assert (await admin.patch("/api/company", json=CHANGE)).status_code == 200
    entries = (await admin.get("/api/audit-log", params={"action": "company.changed"})).json()["items"]
    assert [entry["after"] for entry in entries] == [expected]
    assert entries[0]["before"] == {
        "name": world.a.name,
        "time_zone": "America/Phoenix",
        "default_region": "US",
        "opt_out_scope": "company",
    }
    other = await (await world.log_in(world.b.admin)).get("/api/company")
    assert other.json()["name"] == world.b.name


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"time_zone": "Mars/Olympus"}, "unknown_time_zone"),
        ({"time_zone": "../../etc/passwd"}, "unknown_time_zone"),
        ({"time_zone": ""}, "unknown_time_zone"),
        ({"time_zone": "localtime"}, "unknown_time_zone"),
        ({"default_region": "ZZ"}, "unknown_region"),
        ({"default_region": "USA"}, "invalid"),
        ({"opt_out_scope": "nobody"}, "invalid"),
        ({"name": "   "}, "invalid"),
        ({"name": "x" * 201}, "invalid"),
        ({"company_id": str(new_id())}, "invalid"),
        ({"id": str(new_id())}, "invalid"),
        ({"status": "active"}, "invalid"),
    ],
)
async def test_wrong_setting_changes_nothing(
    world: World, client: httpx.AsyncClient, change: dict[str, str], code: str
) -> None:
    headers = world.a.headers("admin")
    before = (await client.get("/api/company", headers=headers)).json()

    answer = await client.patch("/api/company", json={"name": "Never", **change}, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await client.get("/api/company", headers=headers)).json() == before
    assert (await client.patch("/api/company", json={"name": "Now"}, headers=headers)).json()["name"] == "Now"
