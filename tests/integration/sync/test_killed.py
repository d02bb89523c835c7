"""A real worker is killed in the middle of a sync: the next one goes on at its page."""

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ringfence.features.audit_log.values import COMMAND_LINE
from ringfence.features.sync.actions import runs
from tests.factories.cluster import Database
from tests.factories.processes import running, settings_of
from tests.factories.stage import SECRET_KEY, Stage, open_stage
from tests.factories.syncing import LONG_AGO, text_in, text_out
from tests.factories.waiting import eventually

COUNT = 4000


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    async with open_stage(database) as stage:
        yield stage


async def ask(stage: Stage) -> None:
    async with stage.tenancy.tenant(stage.a.company_id) as session:
        await runs.ask(session, kind="messages", since=None, whole=False, actor=COMMAND_LINE)


def run(stage: Stage) -> dict[str, Any]:
    (row,) = stage.look("SELECT * FROM sync_runs WHERE NOT standing")
    return row


async def test_a_killed_worker_leaves_the_run_at_its_page(stage: Stage, tmp_path: Path) -> None:
    ours = stage.a.numbers[0]
    texts: list[dict[str, Any]] = []
    for n in range(COUNT):
        customer, at = f"+1480777{n % 1000:04}", LONG_AGO + timedelta(minutes=n)
        texts.append(text_in(customer, ours, at) if n % 2 else text_out(ours, customer, at))
    body = {"account_sid": stage.a.account_sid, "texts": texts}
    assert (await stage.twilio.post("/emulator/history", json=body)).status_code == 201
    await stage.twilio.post("/emulator/faults", json={"kind": "slow", "operation": "read", "delay_seconds": 0.3})
    settings = settings_of(
        stage.database,
        RINGFENCE_SECRET_KEYS=SECRET_KEY,
        RINGFENCE_PUBLIC_URL=stage.runtime.settings.public_url,
        RINGFENCE_TWILIO_API_URL=stage.runtime.settings.twilio_api_url,
    )
    await ask(stage)

    async def pages(at_least: int) -> None:
        async def done() -> bool:
            return run(stage)["step"] >= at_least

        await eventually(done, within=90)

    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running("work", settings, tmp_path))
        await pages(2)
        first.signal(signal.SIGKILL)
        await first.ended()
        stood = run(stage)
        second = await stack.enter_async_context(running("work", settings, tmp_path))
        await second.says("worker.started")
        # Asking again does not wait until the dead worker is found out.
        await ask(stage)

        async def ended() -> bool:
            return run(stage)["finished_at"] is not None

        await eventually(ended, within=90)

    assert 0 < stood["counts"]["messages"]["seen"] < COUNT
    after = run(stage)
    assert (after["state"], after["counts"]["messages"]["seen"], after["counts"]["messages"]["added"]) == (
        "done",
        COUNT,
        COUNT,
    )
    (stored,) = stage.look("SELECT count(*) AS n, count(DISTINCT twilio_sid) AS sids FROM sms_messages")
    assert (stored["n"], stored["sids"]) == (COUNT, COUNT)
