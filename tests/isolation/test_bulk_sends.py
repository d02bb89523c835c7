"""Bulk sends across the fence: tables, routes, jobs and references of two companies, and of lower roles."""

from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg import sql

from ringfence.features.bulk.jobs.sends import rehearse_bulk, run_bulk
from ringfence.features.bulk.values.sends import RehearseBulk, RunBulk
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.ids import new_id
from tests.factories.bulk import create, created, customers, look, make_list, started, texts_of
from tests.factories.cluster import Database
from tests.factories.texts import Texting, make_texting, texting_services
from tests.factories.world import World

CONTENT = ("bulk_sends", "bulk_senders", "bulk_recipients", "bulk_counts", "bulk_count_changes", "segment_prices")
PRICES = {"prices": [{"country": "US", "micros": 7900, "currency": "USD"}]}
ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("GET", "", None),
    ("PATCH", "", {"name": "Mine now"}),
    ("DELETE", "", None),
    ("POST", "/rehearse", None),
    ("POST", "/test", {"to": "+16025550999"}),
    ("POST", "/start", None),
    ("POST", "/pause", None),
    ("POST", "/resume", None),
    ("POST", "/stop", None),
    ("POST", "/retry", None),
    ("GET", "/recipients", None),
    ("GET", "/results", None),
)


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return texting_services(tmp_path)


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)


async def test_tables_are_fenced_by_the_database_itself(texting: Texting, database: Database) -> None:
    """With the app role and b's context, raw SQL sees nothing of a and changes nothing of it."""
    await texting.call("PUT", "/api/sms/bulk/prices", texting.a, json=PRICES)
    made = await started(texting, texting.a, customers(130))
    text = texts_of(texting, texting.a, made["id"])[0]
    await texting.call("DELETE", f"/api/sms/messages/{text['id']}", texting.a)
    a, b = texting.a.company_id, texting.b.company_id
    with psycopg.connect(database.app_url) as connection:
        for table in (*reversed(CONTENT), "bulk_due"):
            name = sql.Identifier(table)
            connection.execute(sql.SQL("SET LOCAL ringfence.company_id = {}").format(sql.Literal(str(b))))
            seen = connection.execute(sql.SQL("SELECT company_id FROM {}").format(name)).rowcount
            gone = connection.execute(sql.SQL("DELETE FROM {} WHERE company_id = %s").format(name), [a]).rowcount
            assert (seen, gone) == (0, 0), table
            connection.execute(sql.SQL("SET LOCAL ringfence.company_id = {}").format(sql.Literal(str(a))))
            assert connection.execute(sql.SQL("SELECT company_id FROM {}").format(name)).rowcount > 0, table
        connection.rollback()


async def test_the_platform_role_sees_when_something_is_due_and_never_what(
    texting: Texting, database: Database
) -> None:
    await started(texting, texting.a, customers(2))
    with psycopg.connect(database.platform_url, autocommit=True) as platform:
        assert platform.execute("SELECT company_id FROM bulk_due").fetchall() == [(texting.a.company_id,)]
        # Even with a company's context it has no right to the tables with content.
        platform.execute(sql.SQL("SET ringfence.company_id = {}").format(sql.Literal(str(texting.a.company_id))))
        for table in CONTENT:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                platform.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))


async def test_references_cannot_cross_companies(texting: Texting) -> None:
    a, b = texting.a, texting.b
    of_a, of_b = await started(texting, a, customers(1)), await started(texting, b, customers(1))
    text_of_a = texts_of(texting, a, of_a["id"])[0]["id"]
    (number_of_a, *_) = texting.stored(a, "phone_numbers")["phone_numbers"]
    company = b.company_id
    for statement, foreign in (
        ("UPDATE bulk_sends SET list_id = %s WHERE company_id = %s", of_a["list_id"]),
        ("UPDATE bulk_sends SET retry_of = %s WHERE company_id = %s", of_a["id"]),
        ("UPDATE bulk_senders SET phone_number_id = %s WHERE company_id = %s", number_of_a["id"]),
        ("UPDATE bulk_recipients SET message_id = %s WHERE company_id = %s", text_of_a),
        ("UPDATE sms_messages SET bulk_send_id = %s WHERE company_id = %s", of_a["id"]),
    ):
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            texting.change(statement, foreign, company)
    texting.change("UPDATE bulk_sends SET retry_of = %s WHERE company_id = %s", of_b["id"], company)


async def test_another_companys_bulk_send_is_an_unknown_one(texting: Texting) -> None:
    a, b = texting.a, texting.b
    made = await created(texting, a, customers(1))
    before = texting.stored(a, *CONTENT)
    for method, tail, body in ROUTES:
        request = {} if body is None else {"json": body}
        foreign = await texting.call(method, f"/api/sms/bulk/{made['id']}{tail}", b, **request)
        unknown = await texting.call(method, f"/api/sms/bulk/{new_id()}{tail}", b, **request)
        assert (foreign.status_code, unknown.status_code) == (404, 404), (method, tail)
        assert foreign.content == unknown.content, (method, tail)
    assert texting.stored(a, *CONTENT) == before
    for method, tail, body in sorted(ROUTES, key=lambda route: route[0] == "DELETE"):
        request = {} if body is None else {"json": body}
        own = await texting.call(method, f"/api/sms/bulk/{made['id']}{tail}", a, **request)
        assert own.status_code != 404, (method, tail)


async def test_agents_and_keys_to_send_do_nothing_in_bulk(texting: Texting) -> None:
    a = texting.a
    made = await created(texting, a, customers(1))
    agent, manager = await texting.world.log_in(a.company.agent), await texting.world.log_in(a.company.manager)
    paths = [(method, f"/{made['id']}{tail}", body) for method, tail, body in ROUTES if method != "DELETE"]
    paths += [("GET", "", None), ("POST", "", {}), ("GET", "/prices", None), ("PUT", "/prices", PRICES)]
    for method, tail, body in paths:
        request = {} if body is None else {"json": body}
        answer = await agent.request(method, f"/api/sms/bulk{tail}", **request)
        by_key = await texting.call(method, f"/api/sms/bulk{tail}", a, scope="send", **request)
        assert (answer.status_code, by_key.status_code) == (403, 403), (method, tail)
        assert (await manager.request(method, f"/api/sms/bulk{tail}", **request)).status_code != 403, (method, tail)


async def test_lists_templates_and_numbers_of_others_are_unknown(texting: Texting) -> None:
    a, b = texting.a, texting.b
    list_of_a = str(await make_list(texting.world.tenancy, a.company_id, customers(1)))
    template = await texting.call("POST", "/api/sms/templates", a, json={"name": "Hi", "body": "Hi"})
    template_id = template.json()["id"]
    own = str(await make_list(texting.world.tenancy, b.company_id, customers(1)))
    assert (await create(texting, b, list_id=list_of_a)).status_code == 404
    assert (await create(texting, b, list_id=own, template_id=template_id)).status_code == 404
    assert (await create(texting, b, list_id=own, from_numbers=[a.number])).json()["code"] == "unknown_sender"
    assert (await create(texting, a, list_id=list_of_a, template_id=template_id)).status_code == 201


async def test_jobs_of_one_company_leave_the_others_alone(texting: Texting) -> None:
    a, b = texting.a, texting.b
    made = await started(texting, a, customers(130))
    waiting = await created(texting, a, customers(2), rehearse=False)
    context = JobContext(texting.world.tenancy, b.company_id)
    before = texting.stored(a, *CONTENT, "sms_messages", "outbox")
    await rehearse_bulk(context, RehearseBulk(bulk_send_id=UUID(waiting["id"])))
    texting.change("DELETE FROM outbox WHERE company_id = %s", a.company_id)
    await run_bulk(context, RunBulk())
    assert texting.stored(a, *CONTENT, "sms_messages") == {key: before[key] for key in (*CONTENT, "sms_messages")}
    await run_bulk(JobContext(texting.world.tenancy, a.company_id), RunBulk())
    assert (await look(texting, a, made["id"]))["remaining"] == 0


async def test_cursors_and_prices_are_the_companys_own(texting: Texting) -> None:
    a, b = texting.a, texting.b
    await texting.call("PUT", "/api/sms/bulk/prices", a, json=PRICES)
    assert (await texting.get("/api/sms/bulk/prices", b))["items"] == []
    for _ in range(2):
        await created(texting, a, customers(1))
        await created(texting, b, customers(1))
    cursor = (await texting.get("/api/sms/bulk", a, limit=1))["next_cursor"]
    foreign = await texting.call("GET", "/api/sms/bulk", b, params={"cursor": cursor, "limit": 1})
    assert (foreign.status_code, foreign.json()["code"]) == (422, "bad_cursor")
    assert len((await texting.get("/api/sms/bulk", a, cursor=cursor, limit=1))["items"]) == 1
