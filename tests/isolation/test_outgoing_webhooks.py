"""Outgoing webhooks across the fence: tables, ids, jobs, and what two companies' receivers get under load."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from aiohttp import web
from psycopg import sql

from ringfence.features.outgoing_webhooks.actions.claiming import claim
from ringfence.features.outgoing_webhooks.actions.outcomes import Outcome, report
from ringfence.features.outgoing_webhooks.actions.planning import plan
from ringfence.features.outgoing_webhooks.jobs import trim_webhooks
from ringfence.features.outgoing_webhooks.values.jobs import TrimWebhooks
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.hooks import Hooks, outgoing_client
from tests.factories.receivers import receiving
from tests.factories.texts import make_texting, texting_services
from tests.factories.waiting import eventually
from tests.factories.world import World

TABLES = ("webhook_endpoints", "webhook_deliveries", "event_readers", "webhook_due")
SECRET = "canary-of-a-77d1"


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return (*texting_services(tmp_path / "media"), outgoing_client())


@pytest.fixture
async def hooks(world: World, client: httpx.AsyncClient, database: Database) -> Hooks:
    return Hooks(await make_texting(world, client, database))


async def with_delivery(hooks: Hooks) -> tuple[str, str]:
    """An endpoint of a's and a delivery to it."""
    made = await hooks.endpoint(hooks.a, description=SECRET, kinds=["message.received"])
    await hooks.texting.inbound(hooks.a, body=SECRET)
    await hooks.planned(hooks.a)
    return made["id"], (await hooks.log(hooks.a, made["id"]))[0]["id"]


async def test_tables_are_fenced_by_the_database_itself(hooks: Hooks, database: Database) -> None:
    await with_delivery(hooks)
    a, b = hooks.a.company_id, hooks.b.company_id
    with psycopg.connect(database.app_url) as connection:
        for table in TABLES:
            name = sql.Identifier(table)
            for company, visible in ((b, 0), (a, 1)):
                connection.execute(sql.SQL("SET LOCAL ringfence.company_id = {}").format(sql.Literal(str(company))))
                seen = connection.execute(sql.SQL("SELECT company_id FROM {}").format(name)).rowcount
                same = sql.SQL("UPDATE {} SET {} = {} WHERE company_id = %s").format(
                    name, *[sql.Identifier("next_due" if table == "webhook_due" else "company_id")] * 2
                )
                changed = connection.execute(same, [a]).rowcount
                assert (seen, changed) == (visible, visible), table
            connection.rollback()


async def test_the_platform_role_sees_when_something_is_due_and_never_what(hooks: Hooks, database: Database) -> None:
    await with_delivery(hooks)
    with psycopg.connect(database.platform_url, autocommit=True) as platform:
        assert platform.execute("SELECT company_id FROM webhook_due").fetchall() == [(hooks.a.company_id,)]
        platform.execute(sql.SQL("SET ringfence.company_id = {}").format(sql.Literal(str(hooks.a.company_id))))
        for table in TABLES[:3]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                platform.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))


async def test_a_delivery_cannot_go_to_another_companys_endpoint(hooks: Hooks) -> None:
    _, delivery = await with_delivery(hooks)
    of_b = await hooks.endpoint(hooks.b)
    another = await hooks.endpoint(hooks.a)
    change = "UPDATE webhook_deliveries SET endpoint_id = %s WHERE id = %s"

    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        hooks.texting.change(change, of_b["id"], delivery)
    hooks.texting.change(change, another["id"], delivery)


async def test_ids_of_another_company_are_as_unknown_as_invented_ones(hooks: Hooks) -> None:
    endpoint, delivery = await with_delivery(hooks)
    of_b = (await hooks.endpoint(hooks.b))["id"]
    since: Any = {"since": "2026-01-01T00:00:00Z"}
    before = hooks.texting.stored(hooks.a, *TABLES)
    for method, path, body in (
        ("GET", "/api/webhooks/{id}", None),
        ("PATCH", "/api/webhooks/{id}", {"description": "mine"}),
        ("PATCH", "/api/webhooks/{id}", {"url": "http://127.0.0.1:9/mine"}),
        ("DELETE", "/api/webhooks/{id}", None),
        ("POST", "/api/webhooks/{id}/rotate-secret", None),
        ("POST", "/api/webhooks/{id}/ping", None),
        ("POST", "/api/webhooks/{id}/replay", since),
        ("GET", "/api/webhooks/{id}/deliveries", None),
        ("GET", f"/api/webhooks/{{id}}/deliveries/{delivery}", None),
        ("POST", f"/api/webhooks/{{id}}/deliveries/{delivery}/replay", None),
        ("GET", f"/api/webhooks/{of_b}/deliveries/{{delivery}}", None),
        ("POST", f"/api/webhooks/{of_b}/deliveries/{{delivery}}/replay", None),
    ):
        foreign = await hooks.texting.call(method, path.format(id=endpoint, delivery=delivery), hooks.b, json=body)
        invented = await hooks.texting.call(method, path.format(id=new_id(), delivery=new_id()), hooks.b, json=body)
        assert (foreign.status_code, foreign.content) == (404, invented.content), (method, path)
        assert SECRET not in foreign.text
    assert hooks.texting.stored(hooks.a, *TABLES) == before
    listed = await hooks.texting.get("/api/webhooks", hooks.b)
    assert [item["id"] for item in listed["items"]] == [of_b]
    for method, path in (("GET", f"/api/webhooks/{endpoint}"), ("POST", f"/api/webhooks/{endpoint}/ping")):
        assert (await hooks.texting.call(method, path, hooks.a)).is_success


async def test_a_cursor_is_good_for_its_own_list_only(hooks: Hooks) -> None:
    endpoint, _ = await with_delivery(hooks)
    await hooks.texting.inbound(hooks.a)
    await hooks.planned(hooks.a)
    of_b = (await hooks.endpoint(hooks.b))["id"]
    path = "/api/webhooks/{}/deliveries"
    page = await hooks.texting.get(path.format(endpoint), hooks.a, limit=1)
    cursor = {"cursor": page["next_cursor"], "limit": 1}

    assert len((await hooks.texting.get(path.format(endpoint), hooks.a, **cursor))["items"]) == 1
    refused = await hooks.texting.call("GET", path.format(of_b), hooks.b, params=cursor)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_cursor")


async def test_jobs_and_the_courier_in_b_s_name_do_nothing_to_a(hooks: Hooks) -> None:
    await with_delivery(hooks)
    tenancy = hooks.texting.world.tenancy
    hooks.texting.change("UPDATE webhook_deliveries SET created_at = now() - interval '40 days'")
    async with tenancy.tenant(hooks.a.company_id) as session:
        [of_a] = (await claim(session, most=9, lease=timedelta(minutes=1))).claimed
    before = hooks.texting.stored(hooks.a, *TABLES)
    outcome = Outcome(status=200, excerpt="mine", failure=None, took=timedelta())

    for _ in range(2):
        async with tenancy.tenant(hooks.b.company_id) as session:
            await plan(session)
            assert (await claim(session, most=9, lease=timedelta(minutes=1))).claimed == []
            await report(session, of_a, outcome)
    await trim_webhooks(JobContext(tenancy, hooks.b.company_id), TrimWebhooks())
    assert hooks.texting.stored(hooks.a, *TABLES) == before

    async with tenancy.tenant(hooks.a.company_id) as session:
        await report(session, of_a, outcome)
    assert [row["state"] for row in hooks.rows(hooks.a)] == ["delivered"]
    await trim_webhooks(JobContext(tenancy, hooks.a.company_id), TrimWebhooks())
    assert hooks.rows(hooks.a) == []


async def test_a_sealed_secret_of_a_does_not_open_in_b(hooks: Hooks) -> None:
    made = await hooks.endpoint(hooks.a)
    async with receiving() as receiver, hooks.couriering():
        of_b = await hooks.endpoint(hooks.b, receiver)
        stolen = hooks.texting.stored(hooks.a, "webhook_endpoints")["webhook_endpoints"][0]["sealed_secret"]
        own = hooks.texting.stored(hooks.b, "webhook_endpoints")["webhook_endpoints"][0]["sealed_secret"]
        change = "UPDATE webhook_endpoints SET sealed_secret = %s WHERE id = %s"
        hooks.texting.change(change, stolen, of_b["id"])
        await hooks.texting.call("POST", f"/api/webhooks/{of_b['id']}/ping", hooks.b)
        [failed] = await hooks.logged(hooks.b, of_b["id"], "failed")
        assert receiver.got == []
        hooks.texting.change(change, own, of_b["id"])
        await hooks.texting.call("POST", f"/api/webhooks/{of_b['id']}/ping", hooks.b)
        await receiver.receives(1)

    assert failed["failure"] == "secret_unreadable"
    assert made["secret"] != of_b["secret"]


async def test_under_load_each_receiver_gets_its_own_companys_events_and_all_of_them(hooks: Hooks) -> None:
    """Texts of both companies interleaved, two couriers, one receiver of a that fails every third time."""
    async with receiving() as of_a, receiving() as also_of_a, receiving() as of_b:
        counts = iter(range(10_000))

        async def moody(_request: Any) -> Any:
            return web.Response(status=500 if next(counts) % 3 == 0 else 200)

        also_of_a.behave = moody
        for receiver, line in ((of_a, hooks.a), (also_of_a, hooks.a), (of_b, hooks.b)):
            await hooks.endpoint(line, receiver, kinds=["message.received"])
        async with hooks.couriering(), hooks.couriering():
            for number in range(30):
                await asyncio.gather(
                    hooks.texting.inbound(hooks.a, body=f"a {number}", sender=f"+1602555{1000 + number}"),
                    hooks.texting.inbound(hooks.b, body=f"b {number}", sender=f"+1602555{1000 + number}"),
                )
            await of_a.receives(30)
            await of_b.receives(30)

            async def settled() -> bool:
                pending = await asyncio.to_thread(
                    lambda: [row for row in hooks.rows(hooks.a) if row["state"] == "pending"]
                )
                await hooks.hurry(hooks.a)
                return not pending and len(set(also_of_a.ids)) == 30

            await eventually(settled, within=60)

    for receiver, line, letter in ((of_a, hooks.a, "a"), (also_of_a, hooks.a, "a"), (of_b, hooks.b, "b")):
        wanted = {f"{letter} {number}" for number in range(30)}
        assert {item.body["data"]["body"] for item in receiver.got} == wanted
        assert {item.body["company_id"] for item in receiver.got} == {str(line.company_id)}
        own = {str(row["id"]) for row in hooks.texting.stored(line, "sms_messages")["sms_messages"]}
        assert {item.body["data"]["id"] for item in receiver.got} == own
    assert len(of_a.ids) == len(set(of_a.ids)) == 30
    assert {UUID(item.id.removeprefix("evt_")) for item in of_b.got}.isdisjoint(
        UUID(item.id.removeprefix("evt_")) for item in of_a.got
    )
