"""The platform's list of companies: adding, suspending, and how each is doing without what is in it."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from ringfence.features.companies.values import RefreshHealth
from ringfence.features.platform.jobs import refresh_health
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from tests.factories.texts import CUSTOMER, Line, Texting, new_sid
from tests.factories.world import World


async def look(texting: Texting, line: Line) -> None:
    """What the worker does with a company's turn."""
    await refresh_health(JobContext(texting.world.tenancy, line.company_id), RefreshHealth())


async def health_of(root: httpx.AsyncClient, company_id: UUID) -> Any:
    answer = await root.get(f"/api/platform/companies/{company_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()["health"]


async def test_super_admin_adds_lists_suspends_and_resumes_companies(world: World, root: httpx.AsyncClient) -> None:
    made = await root.post(
        "/api/platform/companies", json={"name": "Dune Hotel", "time_zone": "Africa/Cairo", "default_region": "EG"}
    )

    assert made.status_code == 201
    first = (await root.get("/api/platform/companies", params={"limit": 2})).json()
    assert [item["name"] for item in first["items"]] == ["Dune Hotel", world.b.name]
    second = (await root.get("/api/platform/companies", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert ([item["name"] for item in second["items"]], second["next_cursor"]) == ([world.a.name], None)
    assert set(made.json()) == {"id", "name", "status", "time_zone", "created_at", "health"}
    assert made.json()["health"] is None
    path = f"/api/platform/companies/{made.json()['id']}"
    for status in ("suspended", "suspended", "active"):
        assert (await root.patch(path, json={"status": status})).json()["status"] == status
        assert (await root.get(path)).json()["status"] == status


async def test_unknown_company_is_404(root: httpx.AsyncClient) -> None:
    path = f"/api/platform/companies/{new_id()}"
    for answer in (await root.get(path), await root.patch(path, json={"status": "suspended"})):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("wrong", [{"time_zone": "Nowhere"}, {"default_region": "ZZ"}, {"name": ""}, {"id": "x"}])
async def test_company_is_made_whole_or_not_at_all(root: httpx.AsyncClient, wrong: dict[str, str]) -> None:
    before = (await root.get("/api/platform/companies")).json()

    answer = await root.post("/api/platform/companies", json={"name": "Half", **wrong})

    assert answer.status_code == 422
    assert (await root.get("/api/platform/companies")).json() == before
    assert (await root.post("/api/platform/companies", json={"name": "Whole"})).status_code == 201


async def test_health_of_a_company_that_has_done_nothing(world: World, root: httpx.AsyncClient) -> None:
    await refresh_health(JobContext(world.tenancy, world.a.company_id), RefreshHealth())

    health = await health_of(root, world.a.company_id)

    assert (health["twilio_settings"]["state"], health["numbers"], health["queued"]) == ("none", 0, 0)
    assert health["waiting_since"] is health["last_error"] is health["last_activity_at"] is None
    assert await health_of(root, world.b.company_id) is None


async def test_health_shows_settings_numbers_queue_error_and_activity(
    texting: Texting, root: httpx.AsyncClient
) -> None:
    before = utc_now()
    waiting = await texting.sent(texting.a, body="first in the queue")
    failed = await texting.sent(texting.a, to="+16025550981", body="will fail")
    sid = new_sid()
    await texting.settle(texting.a, failed["id"], sid)
    reported = await texting.status(texting.a, failed["id"], sid, "undelivered", fields={"ErrorCode": "30006"})
    assert reported.status_code == 200, reported.text
    for line in (texting.a, texting.b):
        await look(texting, line)

    health = await health_of(root, texting.a.company_id)

    assert health["twilio_settings"]["state"] == "verified"
    assert health["numbers"] == len(texting.a.numbers)
    assert health["queued"] == len(texting.stored(texting.a, "outbox")["outbox"])
    assert datetime.fromisoformat(health["waiting_since"]) >= before
    assert datetime.fromisoformat(health["waiting_since"]) <= datetime.fromisoformat(waiting["created_at"])
    assert health["last_error"]["code"] == 30006
    assert "landline" in health["last_error"]["meaning"]
    assert datetime.fromisoformat(health["last_activity_at"]) >= before
    other = await health_of(root, texting.b.company_id)
    assert (other["queued"], other["last_error"], other["last_activity_at"]) == (0, None, None)
    shown = json.dumps((await root.get("/api/platform/companies")).json())
    assert "30006" in shown
    for content in (CUSTOMER, "first in the queue", *texting.a.numbers, texting.a.account_sid):
        assert content not in shown


async def test_state_of_settings_keeps_its_time_until_it_changes(texting: Texting, root: httpx.AsyncClient) -> None:
    await look(texting, texting.a)
    first = (await health_of(root, texting.a.company_id))["twilio_settings"]
    texting.change("UPDATE twilio_settings SET verified_at = now() + interval '1 hour'")
    await look(texting, texting.a)
    assert (await health_of(root, texting.a.company_id))["twilio_settings"] == first

    texting.change(
        "UPDATE twilio_settings SET status = 'unverified', status_reason = 'credentials_refused', updated_at = now()"
    )
    await look(texting, texting.a)

    changed = (await health_of(root, texting.a.company_id))["twilio_settings"]
    assert (changed["state"], changed["reason"]) == ("unverified", "credentials_refused")
    assert datetime.fromisoformat(changed["since"]) > datetime.fromisoformat(first["since"])


async def test_change_of_settings_asks_for_a_fresh_look(texting: Texting) -> None:
    def asked() -> list[UUID]:
        with psycopg.connect(texting.database.admin_url) as admin:
            rows = admin.execute("SELECT args->>'company_id' FROM procrastinate_jobs WHERE task_name = %s", [KIND])
            return [UUID(company) for (company,) in rows]

    assert sorted(asked()) == sorted([texting.a.company_id, texting.b.company_id])
    texting.change("DELETE FROM procrastinate_jobs WHERE task_name = %s", KIND)

    answer = await texting.call("DELETE", "/api/twilio-settings", texting.a)

    assert answer.status_code == 204
    assert asked() == [texting.a.company_id]


KIND = RefreshHealth.kind


async def test_held_text_is_queued_and_does_not_wait(texting: Texting, root: httpx.AsyncClient) -> None:
    await texting.sent(texting.a, undo_seconds=60)
    await look(texting, texting.a)

    health = await health_of(root, texting.a.company_id)

    assert (health["queued"], health["waiting_since"]) == (1, None)
    texting.change("UPDATE outbox SET due_at = now() - interval '5 minutes'")
    await look(texting, texting.a)
    since = datetime.fromisoformat((await health_of(root, texting.a.company_id))["waiting_since"])
    assert timedelta(minutes=4) < utc_now() - since < timedelta(minutes=6)
