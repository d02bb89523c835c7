"""Calls across the fence: company b, and lower roles, try everything with what is company a's."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from ringfence.features.calls.values.jobs import (
    FetchRecording,
    HangUpCall,
    PlaceCall,
    RemoveRecordings,
    SweepCalls,
)
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.telephone import CONTACT, STRANGER, TABLES, Telephone, open_telephone

SECRET = "canary-of-a-51c2"


@pytest.fixture
async def telephone(database: Database, tmp_path: Path) -> AsyncIterator[Telephone]:
    async with open_telephone(database, tmp_path, worker=False) as telephone:
        yield telephone


async def make_things(telephone: Telephone) -> dict[str, str]:
    """Everything the room stores, all of it company a's: ids by kind."""
    a = telephone.a
    contact = await telephone.call("POST", "/api/contacts", a, json={"first_name": SECRET, "phone_number": CONTACT})
    await telephone.set_up(a, ring_order=[str(a.company.agent.id)], voicemail_greeting=SECRET)
    call_id = (await telephone.place(a))["id"]
    waiting = (await telephone.place(a, to=STRANGER))["id"]
    leg = next(
        row for row in telephone.stored(a)["call_legs"] if str(row["call_id"]) == call_id and row["position"] == 0
    )
    addresses = telephone.addresses(a)
    done = {"CallSid": "CA" + "7" * 32, "CallStatus": "completed", "SequenceNumber": "3", "CallDuration": "4"}
    assert (await telephone.webhook(a, addresses.of("call-status", UUID(call_id), leg["id"]), done)).status_code == 200
    told = {"CallSid": "CA" + "7" * 32, "RecordingSid": "RE" + "7" * 32, "RecordingStatus": "completed"}
    assert (await telephone.webhook(a, addresses.of("recording", UUID(call_id)), told)).status_code == 200
    recording = telephone.stored(a)["call_recordings"][0]["id"]
    await telephone.runtime.media.write(a.company_id, recording, SECRET.encode())
    await telephone.change(
        "UPDATE call_recordings SET status = 'stored', content_type = 'audio/mpeg' WHERE id = %s", recording
    )
    await telephone.call("PATCH", f"/api/calls/{call_id}", a, json={"notes": SECRET})
    text = {"account_sid": a.account_sid, "from": CONTACT, "to": a.number, "body": SECRET}
    assert (await telephone.twilio.post("/emulator/inbound", json=text)).status_code == 200
    thread = (await telephone.get("/api/sms/conversations", a))["items"][0]["id"]
    return {
        "call": call_id,
        "waiting": waiting,
        "recording": str(recording),
        "contact": contact.json()["id"],
        "conversation": thread,
        "user": str(a.company.agent.id),
    }


# (kind of id, method, path, body, lowest scope that may): {id} is the slot that is tried.
BY_ID: list[tuple[str, str, str, Any, str]] = [
    ("call", "GET", "/api/calls/{id}", None, "read"),
    ("call", "GET", "/api/calls/{id}/recording", None, "read"),
    ("conversation", "GET", "/api/sms/conversations/{id}/calls", None, "read"),
    ("call", "PATCH", "/api/calls/{id}", {"notes": SECRET}, "send"),
    ("user", "PUT", "/api/users/{id}/phone", {"phone": "+16025550173"}, "admin"),
    ("waiting", "POST", "/api/calls/{id}/hang-up", None, "manage"),
    ("call", "POST", "/api/calls/{id}/redial", {"user_id": "{own}"}, "send"),
    ("call", "DELETE", "/api/calls/{id}", None, "manage"),
]
LEVELS = ("read", "send", "manage", "admin")


async def test_foreign_ids_are_like_ids_nobody_has_and_lower_roles_change_nothing(telephone: Telephone) -> None:
    a, b = telephone.a, telephone.b
    things = await make_things(telephone)
    before = telephone.stored(a), telephone.stored(b)
    for kind, method, path, body, lowest in BY_ID:
        answers = []
        for tried in (things[kind], str(new_id())):
            own = {key: b.company.agent.id.__str__() for key in body} if body == {"user_id": "{own}"} else body
            answers.append(await telephone.call(method, path.format(id=tried), b, json=own))
        assert [answer.status_code for answer in answers] == [404, 404], (method, path)
        assert answers[0].content == answers[1].content, (method, path)
        for scope in LEVELS[: LEVELS.index(lowest)]:
            lower = await telephone.call(method, path.format(id=things[kind]), a, scope=scope, json=body)
            assert lower.status_code == 403, (method, path, scope)
    foreign_recording = {"recording_id": things["recording"]}
    own = (await telephone.place(b))["id"]
    answer = await telephone.call("GET", f"/api/calls/{own}/recording", b, params=foreign_recording)
    assert answer.status_code == 404
    assert telephone.stored(a) == before[0]
    for kind, method, path, body, lowest in BY_ID:
        mine = {"user_id": str(a.company.agent.id)} if body == {"user_id": "{own}"} else body
        allowed = await telephone.call(method, path.format(id=things[kind]), a, scope=lowest, json=mine)
        assert allowed.is_success, (method, path, allowed.text)


async def test_lists_and_filters_show_nothing_of_the_other_company(telephone: Telephone) -> None:
    a, b = telephone.a, telephone.b
    things = await make_things(telephone)
    for params in ({}, {"contact_id": things["contact"]}, {"user_id": things["user"]}, {"number": CONTACT}):
        listed = await telephone.call("GET", "/api/calls", b, params=params)
        assert (listed.status_code, listed.json()["items"]) == (200, []), params
        assert SECRET not in listed.text
        assert (await telephone.get("/api/calls", a, **params))["items"], params
    assert SECRET not in (await telephone.call("GET", "/api/call-settings", b)).text
    assert SECRET in (await telephone.call("GET", "/api/call-settings", a)).text


async def test_jobs_in_bs_name_with_as_ids_do_nothing(telephone: Telephone) -> None:
    a, b = telephone.a, telephone.b
    things = await make_things(telephone)
    waiting, recording = UUID(things["waiting"]), UUID(things["recording"])
    await telephone.change("UPDATE call_recordings SET status = 'pending' WHERE id = %s", recording)
    before = telephone.stored(a)
    for job in (
        PlaceCall(call_id=waiting),
        HangUpCall(call_id=waiting),
        FetchRecording(recording_id=recording),
        RemoveRecordings(call_id=UUID(things["call"])),
        SweepCalls(),
    ):
        await telephone.run(b, job)
    assert telephone.stored(a) == before
    assert telephone.runtime.media.path(a.company_id, recording).exists()
    assert await telephone.legs() == []
    await telephone.run(a, PlaceCall(call_id=waiting))
    assert len(await telephone.legs()) == 1


async def test_every_table_of_the_room_is_fenced_by_the_database_itself(
    telephone: Telephone, database: Database
) -> None:
    """With the app role and b's context, raw SQL without any WHERE sees nothing of a and moves nothing of it."""
    await make_things(telephone)
    a, b = telephone.a.company_id, telephone.b.company_id
    with psycopg.connect(database.app_url) as connection:
        for table in TABLES:
            name = sql.Identifier(table)
            count = sql.SQL("SELECT count(*) FROM {} WHERE company_id = %s").format(name)
            for company, visible in ((b, False), (a, True)):
                connection.execute(sql.SQL("SET LOCAL ringfence.company_id = {}").format(sql.Literal(str(company))))
                found = connection.execute(count, [a]).fetchone()
                assert found is not None
                assert (found[0] > 0) is visible, table
            connection.execute(sql.SQL("SET LOCAL ringfence.company_id = {}").format(sql.Literal(str(b))))
            moved = connection.execute(sql.SQL("DELETE FROM {} WHERE company_id = %s").format(name), [a])
            assert moved.rowcount == 0, table
