"""Real workers side by side: every scheduled text becomes one text, and Twilio sees it once, whoever is killed."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ringfence.kit.clock import utc_now
from tests.factories.cluster import Database
from tests.factories.processes import running, settings_of
from tests.factories.stage import QUICK, SECRET_KEY, Line, Stage, open_stage
from tests.factories.waiting import eventually

COUNT = 200


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    async with open_stage(database) as stage:
        yield stage


async def plan(stage: Stage, line: Line, count: int) -> None:
    """Scheduled through the door, by the company's key; their time comes at once."""
    async with httpx.AsyncClient(base_url=stage.runtime.settings.public_url, timeout=60) as client:
        turn = asyncio.Semaphore(8)

        async def one(n: int) -> None:
            customer = stage.customer()
            body = {
                "to": customer,
                "body": f"Number {n} to {customer}",
                "scheduled_at": str(utc_now() + timedelta(hours=1)),
            }
            async with turn:
                answer = await client.post(
                    "/api/sms/schedule", json=body, headers={"Authorization": f"Bearer {line.api_key}"}
                )
            assert answer.status_code == 201, answer.text

        await asyncio.gather(*(one(n) for n in range(count)))


def settings(stage: Stage) -> dict[str, str]:
    chosen = {f"RINGFENCE_{name.upper()}": str(value) for name, value in QUICK.items()}
    return settings_of(
        stage.database,
        **chosen,
        RINGFENCE_SECRET_KEYS=SECRET_KEY,
        RINGFENCE_PUBLIC_URL=stage.runtime.settings.public_url,
        RINGFENCE_TWILIO_API_URL=stage.runtime.settings.twilio_api_url,
        RINGFENCE_SCHEDULE_SECONDS="0.5",
    )


async def all_due(stage: Stage) -> None:
    await stage.change("UPDATE scheduled_sms SET due_at = now()")
    await stage.change("UPDATE schedule_due SET next_due = now()")


def rows(stage: Stage) -> list[dict[str, Any]]:
    return stage.look(
        "SELECT s.company_id, s.status AS plan, m.status, m.id AS message_id, m.company_id AS of_company"
        " FROM scheduled_sms s LEFT JOIN sms_messages m ON m.id = s.message_id"
    )


async def until(stage: Stage, enough: Callable[[list[dict[str, Any]]], bool]) -> None:
    """Wait until the rows are so. In a thread and not too often: server and Twilio live in this process."""

    async def look() -> bool:
        await asyncio.sleep(0.2)
        return enough(await asyncio.to_thread(rows, stage))

    await eventually(look, within=150)


def share_done(found: list[dict[str, Any]]) -> float:
    return sum(row["plan"] != "pending" for row in found) / len(found)


async def test_two_workers_send_every_scheduled_text_once(stage: Stage, tmp_path: Path) -> None:
    await plan(stage, stage.a, COUNT - 40)
    await plan(stage, stage.b, 40)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            worker = await stack.enter_async_context(running("work", settings(stage), tmp_path))
            await worker.says("worker.started")
        await all_due(stage)
        await until(stage, lambda found: all(row["status"] == "delivered" for row in found))

    found = rows(stage)
    assert len({row["message_id"] for row in found}) == COUNT
    assert all(row["plan"] == "sent" and row["company_id"] == row["of_company"] for row in found)
    assert stage.look("SELECT count(*) AS n FROM sms_messages")[0]["n"] == COUNT
    assert await stage.doubles() == {}
    assert len(stage.accepted()) == COUNT


async def test_killed_workers_lose_nothing_and_double_nothing(stage: Stage, tmp_path: Path) -> None:
    await plan(stage, stage.a, COUNT)
    kills = 0
    async with AsyncExitStack() as stack:

        async def start() -> Any:
            worker = await stack.enter_async_context(running("work", settings(stage), tmp_path))
            await worker.says("worker.started")
            return worker

        workers = [await start(), await start()]
        await all_due(stage)
        for share in (0.2, 0.5):
            await until(stage, lambda found, share=share: share_done(found) >= share)
            workers[kills].signal(signal.SIGKILL)
            await workers[kills].ended()
            workers[kills] = await start()
            kills += 1
        await until(stage, lambda found: all(row["status"] in {"delivered", "unconfirmed"} for row in found))

    found = rows(stage)
    assert {row["plan"] for row in found} == {"sent"}
    assert len({row["message_id"] for row in found}) == COUNT
    assert stage.look("SELECT count(*) AS n FROM sms_messages")[0]["n"] == COUNT
    assert await stage.doubles() == {}
    # Only what was on its way to Twilio when a worker was killed may be left to a person.
    assert sum(row["status"] == "unconfirmed" for row in found) <= kills * stage.runtime.settings.account_in_flight
