"""Bulk sends through the door, lists for them, and what the worker does."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx

from ringfence.features.bulk.jobs.sends import rehearse_bulk, run_bulk
from ringfence.features.bulk.model.lists import ListParcel, RecipientList
from ringfence.features.bulk.values.lists import PARCEL
from ringfence.features.bulk.values.sends import RehearseBulk, RunBulk
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import Tenancy
from tests.factories.people import Scope
from tests.factories.texts import Line, Texting

Row = tuple[str, Mapping[str, str]]
"""A number and the variables that the file has for it."""


def customers(count: int, *, first: int = 0) -> list[str]:
    """So many numbers that nobody has texted."""
    return [f"+1480{n:07}" for n in range(5550000 + first, 5550000 + first + count)]


async def make_list(tenancy: Tenancy, company_id: UUID, rows: Sequence[Row | str]) -> UUID:
    """A list that has been read from a file; the first row's variables name the columns."""
    given = [(row, {}) if isinstance(row, str) else row for row in rows]
    names = list(given[0][1]) if given else []
    now, list_id = utc_now(), new_id()
    async with tenancy.tenant(company_id) as session:
        session.add(
            RecipientList(
                id=list_id,
                name="Customers",
                source="file",
                status="ready",
                file_name="customers.csv",
                file_kind="csv",
                columns=["Phone", *names],
                mapping={"0": "phone_number"} | {str(at): name for at, name in enumerate(names, 1)},
                region="US",
                rows_total=len(given),
                rows_done=len(given),
                recipients_count=len(given),
                created_by=None,
                created_at=now,
                updated_at=now,
                finished_at=now,
            )
        )
        await session.flush()
        for start in range(0, len(given), PARCEL):
            part = given[start : start + PARCEL]
            session.add(
                ListParcel(
                    id=new_id(),
                    list_id=list_id,
                    begins_at=start,
                    last_position=start + len(part),
                    recipients_count=len(part),
                    rejected_count=0,
                    recipients=json.dumps(
                        [
                            [line, number, *(values.get(name, "") for name in names)]
                            for line, (number, values) in enumerate(part, start + 2)
                        ]
                    ),
                    rejected="[]",
                )
            )
    return list_id


async def create(
    texting: Texting, line: Line, *, scope: Scope = "manage", key: str | None = None, **what: Any
) -> httpx.Response:
    what.setdefault("name", "Spring sale")
    if "template_id" not in what:
        what.setdefault("body", "Sale on Friday")
    headers = {"Idempotency-Key": key} if key else {}
    return await texting.call("POST", "/api/sms/bulk", line, scope=scope, json=what, headers=headers)


async def created(
    texting: Texting, line: Line, rows: Sequence[Row | str], *, rehearse: bool = True, **what: Any
) -> dict[str, Any]:
    """A bulk send to a new list, rehearsed."""
    list_id = await make_list(texting.world.tenancy, line.company_id, rows)
    what.setdefault("from_numbers", [line.number])
    answer = await create(texting, line, list_id=str(list_id), **what)
    assert answer.status_code == 201, answer.text
    if rehearse:
        await rehearsed(texting, line, answer.json()["id"])
    return await look(texting, line, answer.json()["id"])


async def started(texting: Texting, line: Line, rows: Sequence[Row | str], **what: Any) -> dict[str, Any]:
    """A bulk send that runs, without a canary unless one is asked for; its lanes have been filled once."""
    what.setdefault("canary", False)
    made = await created(texting, line, rows, **what)
    await act(texting, line, made["id"], "start")
    await turn(texting, line)
    return await look(texting, line, made["id"])


async def act(texting: Texting, line: Line, bulk_send_id: str, what: str, **more: Any) -> dict[str, Any]:
    """`POST …/{what}`, which must work."""
    answer = await texting.call("POST", f"/api/sms/bulk/{bulk_send_id}/{what}", line, scope="manage", **more)
    assert answer.is_success, answer.text
    return answer.json()


async def look(texting: Texting, line: Line, bulk_send_id: str) -> dict[str, Any]:
    return await texting.get(f"/api/sms/bulk/{bulk_send_id}", line)


async def rehearsed(texting: Texting, line: Line, bulk_send_id: str) -> None:
    """What the worker does with a rehearsal."""
    context = JobContext(texting.world.tenancy, line.company_id)
    await rehearse_bulk(context, RehearseBulk(bulk_send_id=UUID(bulk_send_id)))


async def turn(texting: Texting, line: Line) -> None:
    """What the worker does with a company's turn."""
    await run_bulk(JobContext(texting.world.tenancy, line.company_id), RunBulk())


def texts_of(texting: Texting, line: Line, bulk_send_id: str) -> list[dict[str, Any]]:
    """The texts of a bulk send, in the order of the list."""
    stored = texting.stored(line, "sms_messages", "bulk_recipients")
    texts = {row["id"]: row for row in stored["sms_messages"] if row["bulk_send_id"] == UUID(bulk_send_id)}
    rows = sorted(stored["bulk_recipients"], key=lambda row: row["position"])
    return [texts[row["message_id"]] for row in rows if row["message_id"] in texts]


async def delivered(texting: Texting, line: Line, texts: Sequence[dict[str, Any]], word: str = "delivered") -> None:
    """Twilio took these texts and delivered them (or says `word`)."""
    for text in texts:
        sid = f"SM{text['id'].hex}"
        await texting.settle(line, str(text["id"]), sid)
        texting.change("DELETE FROM outbox WHERE message_id = %s", text["id"])
        fields = {"ErrorCode": "30005"} if word in {"undelivered", "failed"} else {}
        answer = await texting.status(line, str(text["id"]), sid, word, fields=fields)
        assert answer.status_code == 200, answer.text


def recount(texting: Texting, line: Line, bulk_send_id: str) -> dict[str, int]:
    """How many recipients stand where, counted one by one behind the application's back."""
    counts: dict[str, int] = {}
    with_text = {text["id"]: text["status"] for text in texts_of(texting, line, bulk_send_id)}
    for row in texting.stored(line, "bulk_recipients")["bulk_recipients"]:
        if row["bulk_send_id"] == UUID(bulk_send_id):
            status = with_text.get(row["message_id"], row["state"])
            counts[status] = counts.get(status, 0) + 1
    return counts
