"""Enqueueing: in the caller's transaction, for the caller's company only, and blind."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from ringfence.jobqueue.queue import enqueue
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import Tenancy
from tests.factories.cluster import Database
from tests.integration.jobs.jobs_world import Note, make_company, stored_jobs


async def test_job_is_there_after_commit_with_its_company_and_ids(tenancy: Tenancy, database: Database) -> None:
    company, thing, later = await make_company(tenancy), new_id(), datetime(2030, 1, 1, tzinfo=UTC)
    async with tenancy.tenant(company) as session:
        await enqueue(session, Note(thing_id=thing), run_at=later, once_key="x")

    [job] = await stored_jobs(database)
    assert job["task_name"] == "tests.note"
    assert job["args"] == {"company_id": str(company), "fields": {"thing_id": str(thing), "times": 1}}
    assert job["queueing_lock"] == f"{company}:x"
    assert job["scheduled_at"] == later


async def test_job_of_a_failed_transaction_never_exists(tenancy: Tenancy, database: Database) -> None:
    company = await make_company(tenancy)

    async def fail_after_enqueue() -> None:
        async with tenancy.tenant(company) as session:
            await enqueue(session, Note(thing_id=new_id()))
            raise RuntimeError("after the enqueue")

    with pytest.raises(RuntimeError, match="after the enqueue"):
        await fail_after_enqueue()

    assert await stored_jobs(database) == []


async def test_once_key_lets_one_job_wait_for_each_company(tenancy: Tenancy, database: Database) -> None:
    a, b = await make_company(tenancy), await make_company(tenancy)
    for company in (a, a, b):
        async with tenancy.tenant(company) as session:
            await enqueue(session, Note(thing_id=new_id()), once_key="sweep")
            await enqueue(session, Note(thing_id=new_id()))

    keys = [job["queueing_lock"] for job in await stored_jobs(database)]
    assert sorted(keys, key=str) == sorted([f"{a}:sweep", None, None, f"{b}:sweep", None], key=str)


OWN = "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('default', 't', %(own)s)"
OWN_AND = "INSERT INTO procrastinate_jobs (queue_name, task_name, args, {}) VALUES ('default', 't', %(own)s, {})"


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("SELECT args FROM procrastinate_jobs", id="read args"),
        pytest.param("SELECT id FROM procrastinate_jobs", id="read ids"),
        pytest.param(OWN + " RETURNING args", id="read back"),
        pytest.param("SELECT count(*) FROM procrastinate_events", id="read history"),
        pytest.param("SELECT last_value FROM procrastinate_jobs_id_seq", id="read the sequence"),
        pytest.param("UPDATE procrastinate_jobs SET status = 'todo'", id="change"),
        pytest.param("DELETE FROM procrastinate_jobs", id="delete"),
        pytest.param("SELECT * FROM procrastinate_fetch_job_v2(NULL, 1)", id="fetch"),
        pytest.param("SELECT * FROM procrastinate_register_worker_v1()", id="be a worker"),
        pytest.param(OWN.replace("%(own)s", "%(other)s"), id="for another company"),
        pytest.param(OWN.replace("%(own)s", "'{}'"), id="for no company"),
        pytest.param(OWN_AND.format("queueing_lock", "%(other_key)s"), id="hold another company's once key"),
        pytest.param(OWN_AND.format("lock", "'x'"), id="block others by a lock"),
    ],
)
async def test_app_role_can_enqueue_for_its_company_and_nothing_else(
    tenancy: Tenancy, database: Database, sql: str
) -> None:
    """On a bare connection as the app role: no guard of the application stands between."""
    a, b = await make_company(tenancy), await make_company(tenancy)
    values = {"own": f'{{"company_id": "{a}"}}', "other": f'{{"company_id": "{b}"}}', "other_key": f"{b}:sweep"}

    async with await psycopg.AsyncConnection.connect(database.app_url) as bare:
        await bare.execute(f"SET LOCAL ringfence.company_id = '{a}'")
        await bare.execute(OWN, values)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await bare.execute(sql, values)


async def test_a_company_may_wait_longer_and_never_jumps_the_queue(tenancy: Tenancy, database: Database) -> None:
    a = await make_company(tenancy)
    values = {"own": f'{{"company_id": "{a}"}}'}
    async with await psycopg.AsyncConnection.connect(database.app_url) as bare:
        await bare.execute(f"SET ringfence.company_id = '{a}'")
        await bare.execute(OWN_AND.format("priority", "-10"), values)
        with pytest.raises(psycopg.errors.CheckViolation):
            await bare.execute(OWN_AND.format("priority", "1"), values)


async def test_app_role_cannot_enqueue_without_a_company(tenancy: Tenancy, database: Database) -> None:
    a = await make_company(tenancy)
    async with await psycopg.AsyncConnection.connect(database.app_url) as bare:
        with pytest.raises(psycopg.errors.UndefinedObject):
            await bare.execute(OWN, {"own": f'{{"company_id": "{a}"}}'})
        await bare.rollback()
        await bare.execute(f"SET LOCAL ringfence.company_id = '{a}'")
        await bare.execute(OWN, {"own": f'{{"company_id": "{a}"}}'})


async def test_run_at_is_an_instant_not_a_wall_clock(tenancy: Tenancy, database: Database) -> None:
    company: UUID = await make_company(tenancy)
    when = datetime.fromisoformat("2030-01-01T09:00:00+02:00")
    async with tenancy.tenant(company) as session:
        await enqueue(session, Note(thing_id=new_id()), run_at=when)

    [job] = await stored_jobs(database)
    assert job["scheduled_at"] - datetime(2030, 1, 1, 7, tzinfo=UTC) == timedelta(0)
