"""Bad input at the doors of the people rooms: each a clear 4xx, and no row."""

import io
import json
import logging

import httpx
import pytest
import structlog

from ringfence.kit.ids import new_id
from tests.factories.people import PASSWORD
from tests.factories.world import World

NUL, SURROGATE = "nul \x00 in it", "lone \ud800 surrogate"
LISTS = ["/api/users", "/api/api-keys", "/api/invitations", "/api/audit-log"]
# Route → a body it accepts.
WRITES: dict[tuple[str, str], dict[str, str]] = {
    ("PATCH", "/api/company"): {"name": "Fine"},
    ("POST", "/api/api-keys"): {"name": "Fine", "scope": "read"},
    ("POST", "/api/invitations"): {"email": "fine@elsewhere.example", "role": "agent"},
    ("POST", "/api/auth/login"): {"email": "ana@cactus-plumbing.example", "password": PASSWORD},
}


async def counts(world: World) -> dict[str, int]:
    client = await world.connect()
    found = {}
    for path in LISTS:
        page = await client.get(path, params={"limit": 200}, headers=world.a.headers("admin"))
        found[path] = len(page.json()["items"])
    return found


UNREADABLE: list[tuple[bytes, int, str]] = [
    (b"", 422, "invalid"),
    (b"not json", 400, "not_json"),
    (b'{"name": "\xff\xfe"}', 400, "bad_request"),
    (b"[]", 422, "invalid"),
    (b"null", 422, "invalid"),
    (b'"text"', 422, "invalid"),
    (b"{" * 3000, 400, "not_json"),
    (b'{"name": ' + b"[" * 600 + b"]" * 600 + b"}", 422, "invalid"),
    (b'{"name": "' + b"x" * (1 << 20) + b'"}', 413, "too_large"),
]


@pytest.mark.parametrize("route", WRITES, ids=" ".join)
async def test_unreadable_body(world: World, client: httpx.AsyncClient, route: tuple[str, str]) -> None:
    before = await counts(world)
    headers = {**world.a.headers("admin"), "Content-Type": "application/json"}

    for content, status, code in UNREADABLE:
        answer = await client.request(*route, content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code), content[:20]
        assert answer.headers["content-type"] == "application/problem+json"

    assert await counts(world) == before
    good = await client.request(*route, json=WRITES[route], headers=world.a.headers("admin"))
    assert good.is_success


@pytest.mark.parametrize("route", WRITES, ids=" ".join)
async def test_unknown_field_or_unstorable_text(
    world: World, client: httpx.AsyncClient, route: tuple[str, str]
) -> None:
    before = await counts(world)
    headers = {**world.a.headers("admin"), "Content-Type": "application/json"}
    field = next(iter(WRITES[route]))
    wrong = [
        {**WRITES[route], "company_id": str(world.b.company_id)},
        {**WRITES[route], "id": str(new_id())},
        {**WRITES[route], "created_by": str(world.b.admin.id)},
        {**WRITES[route], field: NUL},
        {**WRITES[route], field: SURROGATE},
        {**WRITES[route], field: 7},
        {**WRITES[route], field: ["x"]},
        {**WRITES[route], "x\x00": "y"},
    ]
    for body in wrong:
        answer = await client.request(*route, content=json.dumps(body).encode(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), body

    assert await counts(world) == before
    assert (await client.request(*route, json=WRITES[route], headers=headers)).is_success


async def test_role_cannot_be_taken_where_it_is_not_given(world: World, client: httpx.AsyncClient) -> None:
    admin = await world.log_in(world.a.admin)
    link = (await admin.post("/api/invitations", json={"email": "n@elsewhere.example", "role": "agent"})).json()["link"]
    body = {"token": link.partition("#")[2], "name": "N", "password": PASSWORD}
    for extra in ({"role": "company_admin"}, {"company_id": str(world.b.company_id)}, {"email": "x@y.example"}):
        answer = await client.post("/api/auth/invitations/accept", json={**body, **extra})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    for change in ({"email": "x@y.example"}, {"company_id": str(world.b.company_id)}, {"role": "super_admin"}):
        answer = await admin.patch(f"/api/users/{world.a.agent.id}", json=change)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")

    accepted = await client.post("/api/auth/invitations/accept", json=body)
    assert (accepted.status_code, accepted.json()["role"]) == (201, "agent")


@pytest.mark.parametrize(
    "email", ["", "x", "x@", "@y", "a b@c.example", "a@b@c", "a@b.example\r\nBcc: c@d.example", "a" * 400]
)
async def test_malformed_email_is_not_invited(world: World, client: httpx.AsyncClient, email: str) -> None:
    before = await counts(world)
    headers = world.a.headers("admin")

    answer = await client.post("/api/invitations", json={"email": email, "role": "agent"}, headers=headers)

    assert answer.status_code == 422
    assert answer.json()["code"] in {"bad_email", "invalid"}
    assert await counts(world) == before
    good = await client.post("/api/invitations", json={"email": "a@b.example", "role": "agent"}, headers=headers)
    assert good.status_code == 201


@pytest.mark.parametrize("path", LISTS)
async def test_bad_page(world: World, client: httpx.AsyncClient, path: str) -> None:
    headers = world.a.headers("admin")
    for limit in ("0", "-1", "201", "9" * 30, "x", "1.5", ""):
        answer = await client.get(path, params={"limit": limit}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), limit
    await client.post("/api/invitations", json={"email": "1@b.example", "role": "agent"}, headers=headers)
    await client.post("/api/invitations", json={"email": "2@b.example", "role": "agent"}, headers=headers)
    good = (await client.get(path, params={"limit": 1}, headers=headers)).json()["next_cursor"]
    tampered = ("A" if good[0] != "A" else "B") + good[1:]
    for cursor in ("", "x", "x.y", "é", good[:-1], good + "0", tampered, good.partition(".")[0] + ".", "x" * 501):
        answer = await client.get(path, params={"limit": 1, "cursor": cursor}, headers=headers)
        assert answer.status_code == 422, cursor
        assert answer.json()["code"] in {"bad_cursor", "invalid"}
    assert (await client.get(path, params={"limit": 200, "cursor": good}, headers=headers)).status_code == 200


async def test_unstorable_address(world: World, client: httpx.AsyncClient) -> None:
    headers = world.a.headers("admin")
    for target in ("/api/audit-log?action=%00", "/api/audit-log?action=%ff", "/api/users/%00"):
        assert (await client.get(target, headers=headers)).status_code == 400
    for wrong in ("x", "1", "..", "%20"):
        answer = await client.patch(f"/api/users/{wrong}", json={"name": "x"}, headers=headers)
        assert answer.status_code in {404, 405, 422}
    assert (await client.get("/api/audit-log?action=x", headers=headers)).status_code == 200


async def test_logs_and_error_answers_hold_no_secrets(world: World, caplog: pytest.LogCaptureFixture) -> None:
    lines = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(lines))
    caplog.set_level(logging.DEBUG)
    try:
        client = await world.connect()
        for body in (
            {"email": world.a.agent.email, "password": "Tr0ub4dor&3-wrong"},
            {"email": world.a.agent.email, "password": "Tr0ub4dor&3\x00"},
            {"email": ["x"], "password": "Tr0ub4dor&3-list"},
            {"email": world.a.agent.email, "password": {"x": "Tr0ub4dor&3-object"}},
            {"password": "Tr0ub4dor&3-alone", "extra": "Tr0ub4dor&3-extra"},
        ):
            answer = await client.post("/api/auth/login", json=body)
            assert 400 <= answer.status_code < 500
            assert "Tr0ub4dor" not in answer.text
        key = "rf_" + "k3y" * 12
        refused = await client.get("/api/company", headers={"Authorization": f"Bearer {key}"})
        assert key not in refused.text
        structlog.get_logger().warning("test.control", shown="control-value")
    finally:
        structlog.reset_defaults()

    everything = lines.getvalue() + caplog.text
    assert "control-value" in everything
    for secret in ("Tr0ub4dor", "k3yk3y"):
        assert secret not in everything
