"""The worker: each job in its company's name, retried, refused, released, and taken up again after a death."""

import asyncio
import json
from dataclasses import replace

import pytest

from ringfence.jobqueue.fanout import every
from ringfence.jobqueue.jobs import AbandonedJobError
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import Tenancy
from tests.factories.cluster import Database
from tests.factories.waiting import eventually
from tests.integration.jobs.jobs_world import (
    QUICK,
    Note,
    Recorder,
    as_admin,
    make_company,
    stored_jobs,
    working,
)


async def states(database: Database) -> list[str]:
    return [job["status"] for job in await stored_jobs(database)]


async def test_each_job_runs_once_in_its_companys_name_and_leaves_nothing(tenancy: Tenancy, database: Database) -> None:
    a, b = await make_company(tenancy), await make_company(tenancy)
    jobs = {a: Note(thing_id=new_id(), times=2), b: Note(thing_id=new_id())}
    recorder = Recorder()
    async with working(tenancy, database, {Note: recorder}) as outcomes:
        for company, job in jobs.items():
            async with tenancy.tenant(company) as session:
                await enqueue(session, job)

        async def empty() -> bool:
            return len(recorder.seen) >= 2 and not await stored_jobs(database)

        await eventually(empty)

    assert sorted(recorder.seen, key=str) == sorted(jobs.items(), key=str)
    assert outcomes == [("tests.note", "done")] * 2


async def test_a_failing_job_is_retried_until_it_succeeds(tenancy: Tenancy, database: Database) -> None:
    company, recorder = await make_company(tenancy), Recorder()
    recorder.failures = [ConnectionError("once"), ConnectionError("twice")]
    async with tenancy.tenant(company) as session:
        await enqueue(session, Note(thing_id=new_id()))
    async with working(tenancy, database, {Note: recorder}):
        await eventually(lambda: _is_empty(database))

    assert len(recorder.seen) == 3


async def test_a_job_that_keeps_failing_is_set_aside_after_its_last_attempt(
    tenancy: Tenancy, database: Database
) -> None:
    company, recorder = await make_company(tenancy), Recorder()
    recorder.failures = [ConnectionError(str(n)) for n in range(10)]
    async with tenancy.tenant(company) as session:
        await enqueue(session, Note(thing_id=new_id()))
    async with working(tenancy, database, {Note: recorder}):
        await eventually(lambda: _all_are(database, "failed"))

    assert len(recorder.seen) == QUICK.max_attempts


async def test_an_abandoned_job_is_not_tried_again(tenancy: Tenancy, database: Database) -> None:
    company, recorder = await make_company(tenancy), Recorder()
    recorder.failures = [AbandonedJobError("the thing is gone")]
    async with tenancy.tenant(company) as session:
        await enqueue(session, Note(thing_id=new_id()))
    async with working(tenancy, database, {Note: recorder}):
        await eventually(lambda: _all_are(database, "failed"))

    assert len(recorder.seen) == 1


@pytest.mark.parametrize(
    "args",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"fields": {"thing_id": str(new_id())}}, id="no company"),
        pytest.param({"company_id": "everybody", "fields": {"thing_id": str(new_id())}}, id="no id"),
        pytest.param({"company_id": None, "fields": {"thing_id": str(new_id())}}, id="null"),
        pytest.param({"company_id": str(new_id()), "fields": {"thing_id": str(new_id())}}, id="unknown company"),
        pytest.param({"company_id": "own", "fields": {"thing_id": "x"}}, id="unusable field"),
        pytest.param({"company_id": "own", "fields": {"thing_id": str(new_id()), "body": "hi"}}, id="foreign field"),
        pytest.param({"company_id": "own"}, id="no fields"),
    ],
)
async def test_a_job_without_a_valid_company_or_fields_is_refused(
    tenancy: Tenancy, database: Database, args: dict
) -> None:
    company, recorder = await make_company(tenancy), Recorder()
    stored = args | ({"company_id": str(company)} if args.get("company_id") == "own" else {})
    await as_admin(
        database,
        "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('default', 'tests.note', %s)",
        json.dumps(stored),
    )
    async with tenancy.tenant(company) as session:
        await enqueue(session, Note(thing_id=new_id()))
    async with working(tenancy, database, {Note: recorder}):
        await eventually(lambda: _all_are(database, "failed"))

    assert [seen for seen, _ in recorder.seen] == [company]


async def test_a_job_of_unknown_kind_fails_and_the_next_one_runs(tenancy: Tenancy, database: Database) -> None:
    company, recorder = await make_company(tenancy), Recorder()
    await as_admin(
        database, "INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('default', 'tests.unknown')"
    )
    async with tenancy.tenant(company) as session:
        await enqueue(session, Note(thing_id=new_id()))
    async with working(tenancy, database, {Note: recorder}):
        await eventually(lambda: _all_are(database, "failed"))

    assert len(recorder.seen) == 1
    assert [job["task_name"] for job in await stored_jobs(database)] == ["tests.unknown"]


async def test_stop_lets_a_running_job_finish(tenancy: Tenancy, database: Database) -> None:
    company, recorder = await make_company(tenancy), Recorder()
    recorder.gate.clear()
    async with tenancy.tenant(company) as session:
        await enqueue(session, Note(thing_id=new_id()))
    async with working(tenancy, database, {Note: recorder}):
        await recorder.started.wait()
        asyncio.get_running_loop().call_later(0.05, recorder.gate.set)

    assert len(recorder.seen) == 1
    assert await stored_jobs(database) == []


async def test_stop_releases_a_job_that_does_not_finish_and_the_next_worker_does_it(
    tenancy: Tenancy, database: Database
) -> None:
    company, recorder = await make_company(tenancy), Recorder()
    recorder.gate.clear()
    async with tenancy.tenant(company) as session:
        await enqueue(session, Note(thing_id=new_id()))
    async with working(tenancy, database, {Note: recorder}) as outcomes:
        await recorder.started.wait()

    assert outcomes == [("tests.note", "released")]
    assert recorder.seen == []
    assert await states(database) == ["todo"]

    recorder.gate.set()
    async with working(tenancy, database, {Note: recorder}):
        await eventually(lambda: _is_empty(database))
    assert len(recorder.seen) == 1


async def test_a_dead_workers_job_is_taken_up_again(tenancy: Tenancy, database: Database) -> None:
    company, recorder = await make_company(tenancy), Recorder()
    async with tenancy.tenant(company) as session:
        await enqueue(session, Note(thing_id=new_id()), once_key="x")
    await _die_holding_everything(database)
    async with working(tenancy, database, {Note: recorder}):
        await eventually(lambda: _is_empty(database))

    assert len(recorder.seen) == 1


async def test_a_job_that_kills_its_workers_is_set_aside_in_the_end(tenancy: Tenancy, database: Database) -> None:
    company, recorder = await make_company(tenancy), Recorder()
    async with tenancy.tenant(company) as session:
        await enqueue(session, Note(thing_id=new_id()))
    await _die_holding_everything(database, attempts=QUICK.max_attempts - 1)
    async with working(tenancy, database, {Note: recorder}):
        await eventually(lambda: _all_are(database, "failed"))

    assert recorder.seen == []


async def test_dead_workers_twins_come_back_as_one_job(tenancy: Tenancy, database: Database) -> None:
    """Two killed workers held jobs of one once key while a third waits: one of them runs, none blocks the others."""
    company, recorder = await make_company(tenancy), Recorder()
    for _ in range(2):
        async with tenancy.tenant(company) as session:
            await enqueue(session, Note(thing_id=new_id()), once_key="x")
        await _die_holding_everything(database)
    async with tenancy.tenant(company) as session:
        await enqueue(session, Note(thing_id=new_id()), once_key="x")
    async with working(tenancy, database, {Note: recorder}):
        await eventually(lambda: _all_are(database, "aborted"))

    assert len(recorder.seen) == 1


async def test_a_failing_job_hands_its_turn_to_a_waiting_twin(tenancy: Tenancy, database: Database) -> None:
    company, recorder = await make_company(tenancy), Recorder()
    recorder.failures = [ConnectionError("once")]
    recorder.gate.clear()
    first, second = Note(thing_id=new_id()), Note(thing_id=new_id())
    async with working(tenancy, database, {Note: recorder}, config=replace(QUICK, concurrency=1)):
        async with tenancy.tenant(company) as session:
            await enqueue(session, first, once_key="x")
        await recorder.started.wait()
        async with tenancy.tenant(company) as session:
            await enqueue(session, second, once_key="x")
        recorder.gate.set()
        await eventually(lambda: _all_are(database, "aborted"))

    assert [job for _, job in recorder.seen] == [first, second]


async def test_a_lost_database_connection_stops_nothing(tenancy: Tenancy, database: Database) -> None:
    """Every connection of the worker is cut, also while a job runs: its end is recorded, and the next job is done."""
    company, recorder = await make_company(tenancy), Recorder()
    recorder.gate.clear()
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ringfence-jobs'"
    async with working(tenancy, database, {Note: recorder}):
        async with tenancy.tenant(company) as session:
            await enqueue(session, Note(thing_id=new_id()))
        await recorder.started.wait()
        await as_admin(database, f"{cut} AND datname = current_database()")
        recorder.gate.set()
        async with tenancy.tenant(company) as session:
            await enqueue(session, Note(thing_id=new_id()))
        await eventually(lambda: _is_empty(database), within=30)

    assert len(recorder.seen) >= 2


async def test_fan_out_gives_each_active_company_one_job_a_turn(tenancy: Tenancy, database: Database) -> None:
    """Two workers share one timetable: a turn is fanned out once, and suspended companies are left out."""
    active = {await make_company(tenancy), await make_company(tenancy)}
    await make_company(tenancy, status="suspended")
    recorder, thing = Recorder(), new_id()
    periodic = [every(0.4, lambda: Note(thing_id=thing))]
    async with (
        working(tenancy, database, {Note: recorder}, periodic=periodic) as first,
        working(tenancy, database, {Note: recorder}, periodic=periodic) as second,
    ):
        await eventually(lambda: _enough(first + second, ("fanout:tests.note", "done"), 2))
        await eventually(lambda: _enough(first + second, ("tests.note", "done"), 4))
        turns = (first + second).count(("fanout:tests.note", "done"))
        runs = [company for company, _ in recorder.seen]

    assert set(runs) == active
    assert all(runs.count(company) <= turns for company in active)


async def test_ended_jobs_are_cleared_away_after_a_week(tenancy: Tenancy, database: Database) -> None:
    await as_admin(
        database,
        "WITH job AS (INSERT INTO procrastinate_jobs (queue_name, task_name, status)"
        " SELECT 'default', 'old', 'failed' FROM generate_series(1, 1500) RETURNING id)"
        " INSERT INTO procrastinate_events (job_id, type, at) SELECT id, 'failed', now() - interval '8 days' FROM job",
    )
    await as_admin(
        database,
        "WITH job AS (INSERT INTO procrastinate_jobs (queue_name, task_name, status)"
        " VALUES ('default', 'recent', 'failed') RETURNING id)"
        " INSERT INTO procrastinate_events (job_id, type, at) SELECT id, 'failed', now() - interval '6 days' FROM job",
    )
    async with working(tenancy, database, {}):
        await eventually(lambda: _all_are_named(database, "recent"))


async def _is_empty(database: Database) -> bool:
    return not await stored_jobs(database)


async def _all_are(database: Database, status: str) -> bool:
    found = await states(database)
    return bool(found) and set(found) == {status}


async def _all_are_named(database: Database, name: str) -> bool:
    return {job["task_name"] for job in await stored_jobs(database)} == {name}


async def _enough(outcomes: list[tuple[str, str]], wanted: tuple[str, str], count: int) -> bool:
    return outcomes.count(wanted) >= count


async def _die_holding_everything(database: Database, *, attempts: int = 0) -> None:
    """What a worker that was killed leaves: its row with an old heartbeat, and its jobs under way."""
    await as_admin(
        database,
        "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour')"
        " RETURNING id)"
        " UPDATE procrastinate_jobs SET status = 'doing', worker_id = dead.id, attempts = %s"
        " FROM dead WHERE status = 'todo'",
        attempts,
    )
