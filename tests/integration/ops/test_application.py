"""What every answer of the application has in common, and what operators ask it."""

import re
from html.parser import HTMLParser

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

import ringfence
from ringfence.api.health import Release
from ringfence.api.site import Landing, Link
from ringfence.dispatch.lease import Lease
from ringfence.migrations import runner
from ringfence.tenancy.sessions import Tenancy
from tests.factories.cluster import Database
from tests.factories.world import World
from tests.integration.jobs.jobs_world import as_admin


@pytest.fixture
def more_services() -> tuple[object, ...]:
    links = (Link("Customers' <phones>", "http://127.0.0.1:9/phones", "see & answer"),)
    return Release(ringfence.__version__, runner.head()), Landing(links)


async def test_health_is_the_process_alone(client: httpx.AsyncClient) -> None:
    answer = await client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "version": ringfence.__version__})


async def test_ready_names_the_part_that_is_not(
    client: httpx.AsyncClient, tenancy: Tenancy, database: Database
) -> None:
    never = await client.get("/readyz")
    await Lease(tenancy, life_seconds=8).take()
    ready = await client.get("/readyz")
    await as_admin(database, "UPDATE dispatcher_lease SET beat_at = now() - interval '31 seconds'")
    asleep = await client.get("/readyz")
    await Lease(tenancy, life_seconds=8).take()
    await as_admin(database, "UPDATE dispatcher_lease SET beat_at = now()")
    await as_admin(database, "UPDATE alembic_version SET version_num = '20200101_0000'")
    old = await client.get("/readyz")

    assert [answer.status_code for answer in (never, ready, asleep, old)] == [503, 200, 503, 503]
    assert all(part["ready"] for part in ready.json()["parts"].values())
    failing = [
        [name for name, part in answer.json()["parts"].items() if not part["ready"]] for answer in (never, asleep, old)
    ]
    assert failing == [["dispatcher"], ["dispatcher"], ["migrations"]]


async def test_ready_says_so_when_the_database_is_gone(
    client: httpx.AsyncClient, tenancy: Tenancy, database: Database
) -> None:
    await tenancy.close()
    await as_admin(database, f"ALTER DATABASE {database.name} CONNECTION LIMIT 0")
    answer = await client.get("/readyz")
    alive = await client.get("/healthz")

    assert answer.status_code == 503
    assert answer.json()["parts"]["database"]["ready"] is False
    assert alive.status_code == 200


async def test_metrics_count_by_template_and_name_nobody(client: httpx.AsyncClient, world: World) -> None:
    company, headers = world.a, world.a.headers("admin")
    made = await client.post(
        "/api/contacts", json={"first_name": "Zelda", "phone_number": "+16025550131"}, headers=headers
    )
    assert made.status_code == 201, made.text
    await client.get(f"/api/contacts/{made.json()['id']}", headers=headers)

    text = (await client.get("/metrics")).text

    template = 'route="/api/contacts/{contact_id}",status="200"'
    assert re.search(rf'ringfence_http_request_seconds_count{{method="GET",{re.escape(template)}}} [1-9]', text)
    for secret in ("Zelda", "5550131", str(company.company_id), made.json()["id"], company.name):
        assert secret not in text
    for name in ("ringfence_sends_total", "ringfence_lanes_due 0.0", "ringfence_webhook_refusals_total"):
        assert name in text


async def test_metrics_show_what_waits_to_be_sent(client: httpx.AsyncClient, world: World, database: Database) -> None:
    await as_admin(
        database,
        "INSERT INTO lane (company_id, sender_id, next_due, segments_per_second)"
        " VALUES (%s, gen_random_uuid(), now() - interval '42 seconds', 1),"
        " (%s, gen_random_uuid(), now() + interval '1 hour', 1)",
        world.a.company_id,
        world.b.company_id,
    )

    text = (await client.get("/metrics")).text

    assert "ringfence_lanes_due 1.0" in text
    [oldest] = re.findall(r"^ringfence_oldest_due_seconds ([0-9.]+)$", text, re.M)
    assert 42 <= float(oldest) < 60


@pytest.mark.parametrize("path", ["/", "/invite", "/healthz", "/api/contacts", "/nothing/here", "/openapi.json"])
async def test_every_answer_has_the_headers(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"X-Request-Id": "my-request-1"})

    assert answer.headers["x-request-id"] == "my-request-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "strict-transport-security" not in answer.headers
    if path.startswith("/api/"):
        assert answer.headers["cache-control"] == "no-store"


async def test_a_fault_of_ours_is_one_problem_with_its_id_in_answer_and_log(app: FastAPI, world: World) -> None:
    @app.get("/api/broken")
    async def broken() -> None:
        raise RuntimeError("to +16025550131")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        with capture_logs(processors=[]) as events:
            answer = await client.get("/api/broken", headers={"X-Request-Id": "my-request-2"})

    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == "my-request-2"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["code"] == "internal"
    assert "5550131" not in answer.text
    assert [event["event"] for event in events] == ["request.failed", "request.done"]


class _Page(HTMLParser):
    """What a page loads and what it carries inline."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self.links.append(given.get("href") or "")
        elif tag in {"script", "link", "img", "iframe"}:
            address = given.get("src") or given.get("href")
            (self.loaded.append(address) if address else self.inline.append(tag))
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style":
            self.inline.append(tag)


@pytest.mark.parametrize("path", ["/", "/invite"])
async def test_pages_load_their_own_files_only(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    page = _Page(answer.text)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert page.inline == []
    assert page.loaded
    for address in page.loaded:
        assert address.startswith("/")
        assert (await client.get(address)).status_code == 200


async def test_the_first_page_leads_on_and_escapes_what_it_is_given(client: httpx.AsyncClient) -> None:
    text = (await client.get("/")).text

    assert _Page(text).links == ["http://127.0.0.1:9/phones", "/openapi.json", "/readyz", "/metrics"]
    assert "Customers&#x27; &lt;phones&gt;" in text
    assert "see &amp; answer" in text


async def test_the_description_says_who_may_call(client: httpx.AsyncClient) -> None:
    description = (await client.get("/openapi.json")).json()

    assert description["openapi"].startswith("3.1")
    assert description["paths"]["/api/contacts"]["get"]["security"] == [{"api_key": []}, {"session": [], "csrf": []}]
    assert "security" not in description["paths"]["/api/auth/login"]["post"]
    assert not [path for path in description["paths"] if path.startswith("/webhooks")]
    assert (await client.get("/docs")).status_code == 404
