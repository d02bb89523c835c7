"""How a company telephones, and whose telephone is whose: who may see and change it."""

from tests.factories.telephone import Telephone


async def test_settings_have_defaults_and_are_the_admins(still: Telephone) -> None:
    a, b = still.a, still.b
    first = await still.get("/api/call-settings", a)
    assert first == {
        "record_calls": False,
        "block_opted_out": False,
        "ring_seconds": 20,
        "voicemail_greeting": "",
        "ring_order": [],
    }
    for scope in ("read", "send", "manage"):
        answer = await still.call("PATCH", "/api/call-settings", a, scope=scope, json={"record_calls": True})
        assert answer.status_code == 403, scope
    people = [str(person.id) for person in a.company.people]
    wrong = [
        ({"ring_seconds": 4}, "invalid"),
        ({"ring_seconds": 121}, "invalid"),
        ({"company_id": str(b.company_id)}, "invalid"),
        ({"ring_order": [people[0], people[0]]}, "ring_order"),
        ({"ring_order": [str(b.company.agent.id)]}, "ring_order"),
        ({"ring_order": ["0193b3a0-0000-7000-8000-000000000000"]}, "ring_order"),
    ]
    for body, code in wrong:
        answer = await still.call("PATCH", "/api/call-settings", a, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code), body
    assert await still.get("/api/call-settings", a) == first

    await still.set_up(a, ring_order=people, ring_seconds=30)
    await still.set_up(a, ring_order=people[::-1], record_calls=True)
    changed = await still.get("/api/call-settings", a)
    assert (changed["ring_order"], changed["ring_seconds"], changed["record_calls"]) == (people[::-1], 30, True)
    assert await still.get("/api/call-settings", b) == first
    entries = (await still.get("/api/audit-log", a))["items"]
    assert sum(entry["action"] == "call_settings.changed" for entry in entries) == 2


async def test_a_phone_is_set_by_its_owner_or_an_admin(still: Telephone) -> None:
    a, b = still.a, still.b
    agent, manager = a.company.agent, a.company.manager
    login = await still.client.post("/api/auth/login", json={"email": agent.email, "password": agent.password})
    csrf = {"X-CSRF-Token": login.json()["csrf_token"]}
    mine = await still.client.put(f"/api/users/{agent.id}/phone", json={"phone": "(602) 555-0188"}, headers=csrf)
    assert (mine.status_code, mine.json()["phone"]) == (200, "+16025550188")
    others = await still.client.put(f"/api/users/{manager.id}/phone", json={"phone": None}, headers=csrf)
    unknown = await still.client.put(f"/api/users/{b.company.agent.id}/phone", json={"phone": None}, headers=csrf)
    assert (others.status_code, unknown.status_code) == (403, 403)
    listed = {item["id"]: item["phone"] for item in (await still.client.get("/api/users")).json()["items"]}
    assert listed[str(agent.id)] == "+16025550188"
    assert listed[str(manager.id)] is None
    still.client.cookies.clear()

    path = f"/api/users/{b.company.agent.id}/phone"
    assert (await still.call("PUT", path, a, json={"phone": "+16025550189"})).status_code == 404
    assert (await still.call("PUT", path, b, json={"phone": "what"})).json()["code"] == "invalid_number"
    assert (await still.call("PUT", path, b, scope="manage", json={"phone": None})).status_code == 403
    entry = (await still.get("/api/audit-log", a))["items"][0]
    assert (entry["action"], entry["after"]) == ("user.phone_changed", {"phone": "…0188"})
