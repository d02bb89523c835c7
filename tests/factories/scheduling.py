"""Scheduled texts through the door, and what the worker does with those that are due."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from ringfence.features.scheduling.jobs import SendDueHandler
from ringfence.features.scheduling.values import SendDue
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.clock import utc_now
from tests.factories.people import Scope
from tests.factories.texts import CUSTOMER, Line, Texting


def in_hours(hours: float) -> str:
    """So many hours from now, as a request says it."""
    return (utc_now() + timedelta(hours=hours)).isoformat()


async def schedule(
    texting: Texting, line: Line, *, scope: Scope = "send", key: str | None = None, **what: Any
) -> httpx.Response:
    body: dict[str, Any] = {"to": CUSTOMER, **what}
    if "template_id" not in body:
        body.setdefault("body", "See you tomorrow")
    if "local_time" not in body:
        body.setdefault("scheduled_at", in_hours(24))
    headers = {"Idempotency-Key": key} if key else {}
    return await texting.call("POST", "/api/sms/schedule", line, scope=scope, json=body, headers=headers)


async def scheduled(texting: Texting, line: Line, **what: Any) -> dict[str, Any]:
    """A text that was scheduled, which must work."""
    answer = await schedule(texting, line, **what)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def look(texting: Texting, line: Line, scheduled_id: str) -> dict[str, Any]:
    return await texting.get(f"/api/sms/scheduled/{scheduled_id}", line)


async def send_due(texting: Texting, company_id: UUID) -> None:
    """What the worker does with a company's turn."""
    await SendDueHandler()(JobContext(texting.world.tenancy, company_id), SendDue())


def make_due(texting: Texting, line: Line, *, ago: timedelta = timedelta(seconds=1)) -> None:
    """The time of all the company's pending texts has come, so long ago."""
    texting.change(
        "UPDATE scheduled_sms SET due_at = %s WHERE company_id = %s AND status = 'pending'",
        utc_now() - ago,
        line.company_id,
    )


def directory(texting: Texting) -> dict[UUID, datetime]:
    """Which companies are to be looked at, and when."""
    return {
        row["company_id"]: row["next_due"]
        for line in (texting.a, texting.b)
        for row in texting.stored(line, "schedule_due")["schedule_due"]
    }
