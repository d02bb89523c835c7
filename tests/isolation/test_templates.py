"""Templates stay inside their company: every route and every place for an id, from company B and from lower roles."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.texts import CUSTOMER, Texting, make_texting, texting_services
from tests.factories.world import World

TEMPLATES = "/api/sms/templates"
WRITE = {"name": "Written", "body": "x"}
# Route → the lowest level that may use it, and a body that it takes.
ROUTES: dict[tuple[str, str], tuple[str, Any]] = {
    ("GET", TEMPLATES): ("read", None),
    ("POST", TEMPLATES): ("manage", WRITE),
    ("POST", f"{TEMPLATES}/preview"): ("read", {"body": "x"}),
    ("GET", f"{TEMPLATES}/{{template_id}}"): ("read", None),
    ("POST", f"{TEMPLATES}/{{template_id}}/preview"): ("read", {}),
    ("PUT", f"{TEMPLATES}/{{template_id}}"): ("manage", WRITE | {"name": "Changed"}),
    ("DELETE", f"{TEMPLATES}/{{template_id}}"): ("manage", None),
}
RANKS = ("read", "send", "manage", "admin")


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return texting_services(tmp_path / "media")


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)


@pytest.fixture
async def of_a(texting: Texting) -> str:
    body = {"name": "Canary Name", "body": "Canary text {contact.first_name|you}", "category": "Canary kind"}
    answer = await texting.call("POST", TEMPLATES, texting.a, json=body)
    return answer.json()["id"]


def seen(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    headers = sorted((name, value) for name, value in answer.headers.items() if name != "x-request-id")
    return answer.status_code, answer.content, headers


async def test_the_matrix_has_every_route(world: World) -> None:
    found = {
        (method.upper(), path)
        for path, methods in world.app.openapi()["paths"].items()
        for method in methods
        if path.startswith(TEMPLATES)
    }
    assert found == set(ROUTES)


async def test_roles(texting: Texting, of_a: str) -> None:
    before = texting.stored(texting.a, "sms_templates", "audit_log")
    root = await texting.world.log_in(texting.world.super_admin)
    for (method, path), (level, body) in ROUTES.items():
        where = path.format(template_id=of_a)
        assert (await texting.client.request(method, where, json=body)).status_code == 401
        assert (await root.request(method, where, json=body)).status_code == 403
        for scope in RANKS[: RANKS.index(level)]:
            assert (await texting.call(method, where, texting.a, scope=scope, json=body)).status_code == 403
    agent = await texting.world.log_in(texting.world.a.agent)
    for method, path in (("POST", TEMPLATES), ("PUT", f"{TEMPLATES}/{of_a}"), ("DELETE", f"{TEMPLATES}/{of_a}")):
        assert (await agent.request(method, path, json=WRITE)).status_code == 403
    assert texting.stored(texting.a, "sms_templates", "audit_log") == before
    for (method, path), (level, body) in ROUTES.items():
        answer = await texting.call(method, path.format(template_id=of_a), texting.a, scope=level, json=body)
        assert answer.is_success, (method, path, answer.text)


async def test_a_foreign_template_is_like_none_in_every_place(texting: Texting, of_a: str) -> None:
    own = await texting.call("POST", TEMPLATES, texting.b, json=WRITE | {"name": "Own"})
    before = texting.stored(texting.a, "sms_templates", "audit_log")
    cases = [(method, path, body) for (method, path), (_, body) in ROUTES.items() if "{" in path and method != "DELETE"]
    cases.append(("POST", "/api/sms/send", {"to": CUSTOMER, "template_id": "{template_id}"}))
    cases.append(("DELETE", f"{TEMPLATES}/{{template_id}}", None))
    for method, path, body in cases:

        async def call(template_id: object, method=method, path=path, body=body) -> httpx.Response:
            filled = body and {
                key: str(template_id) if value == "{template_id}" else value for key, value in body.items()
            }
            return await texting.call(method, path.format(template_id=template_id), texting.b, json=filled)

        foreign, random = await call(of_a), await call(new_id())
        assert foreign.status_code == 404
        assert seen(foreign) == seen(random)
        assert (await call(own.json()["id"])).is_success, (method, path)
    assert texting.stored(texting.a, "sms_templates", "audit_log") == before
    assert texting.stored(texting.a, "sms_messages") == {"sms_messages": []}


async def test_a_foreign_contact_is_like_none_in_a_preview(texting: Texting) -> None:
    made = await texting.call(
        "POST", "/api/contacts", texting.a, json={"first_name": "Canary", "phone_number": CUSTOMER}
    )
    body = {"body": "{contact.first_name|nobody}"}

    async def call(line: Any, contact_id: object) -> httpx.Response:
        return await texting.call("POST", f"{TEMPLATES}/preview", line, json=body | {"contact_id": str(contact_id)})

    foreign, random = await call(texting.b, made.json()["id"]), await call(texting.b, new_id())
    assert foreign.status_code == 404
    assert seen(foreign) == seen(random)
    assert (await call(texting.a, made.json()["id"])).json()["body"] == "Canary"
    # The same number in the other company is nobody there.
    own = await texting.call("POST", TEMPLATES, texting.b, json={"name": "Own", **body})
    text = await texting.call(
        "POST", "/api/sms/send", texting.b, json={"to": CUSTOMER, "template_id": own.json()["id"]}
    )
    assert text.json()["body"] == "nobody"


async def test_nothing_of_a_shows_to_b(texting: Texting, of_a: str) -> None:
    canaries = [of_a, "Canary"]
    paths = [TEMPLATES, f"{TEMPLATES}?sort=used", f"{TEMPLATES}?category=canary%20kind", f"{TEMPLATES}?q=canary"]
    for path in (*paths, "/api/audit-log"):
        of_b = (await texting.call("GET", path, texting.b)).text
        assert not any(canary in of_b for canary in canaries), path
        of_itself = (await texting.call("GET", path, texting.a)).text
        assert all(canary in of_itself for canary in canaries), path


async def test_a_cursor_belongs_to_its_company(texting: Texting, of_a: str) -> None:
    await texting.call("POST", TEMPLATES, texting.a, json=WRITE)
    for sort in ("newest", "used"):
        cursor = (await texting.get(TEMPLATES, texting.a, limit=1, sort=sort))["next_cursor"]
        params = {"limit": 1, "sort": sort, "cursor": cursor}
        assert (await texting.call("GET", TEMPLATES, texting.a, params=params)).status_code == 200
        refused = await texting.call("GET", TEMPLATES, texting.b, params=params)
        assert (refused.status_code, refused.json()["code"]) == (422, "bad_cursor")


async def test_the_name_of_one_company_is_free_in_the_other(texting: Texting, of_a: str) -> None:
    for status in (201, 409):
        answer = await texting.call("POST", TEMPLATES, texting.b, json={"name": "Canary Name", "body": "x"})
        assert answer.status_code == status
        assert of_a not in answer.text
