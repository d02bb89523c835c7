"""What becomes of scheduled texts when their time has come."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
import time_machine
from sqlalchemy.exc import DBAPIError

from ringfence.features.scheduling.actions import due
from ringfence.features.scheduling.queries import COMPANIES_DUE
from tests.factories.scheduling import directory, in_hours, look, make_due, schedule, scheduled, send_due
from tests.factories.texts import CUSTOMER, Texting

NIGHT = {"from": "21:00", "to": "08:00"}


async def test_a_due_text_becomes_one_text_of_its_company_in_its_authors_name(texting: Texting) -> None:
    contact = await texting.call("POST", "/api/contacts", texting.a, json={"phone_number": CUSTOMER})
    due = await scheduled(
        texting,
        texting.a,
        body="It is time",
        from_number=texting.a.numbers[1],
        contact_id=contact.json()["id"],
        media_urls=["https://files.example/a.jpg"],
    )
    later = await scheduled(texting, texting.a, to="+16025550991")
    of_b = await scheduled(texting, texting.b)
    texting.change("UPDATE scheduled_sms SET due_at = now() - interval '1 second' WHERE id = %s", due["id"])

    for _ in range(2):
        await send_due(texting, texting.a.company_id)

    [message] = texting.stored(texting.a, "sms_messages")["sms_messages"]
    assert (message["body"], message["source"], message["priority"], message["status"]) == (
        "It is time",
        "scheduled",
        2,
        "queued",
    )
    assert (message["from_number"], message["num_media"]) == (texting.a.numbers[1], 1)
    assert str(message["contact_id"]) == contact.json()["id"]
    done = await look(texting, texting.a, due["id"])
    assert (done["status"], done["message_id"], done["code"]) == ("sent", str(message["id"]), None)
    [line] = await texting.timeline(texting.a, done["message_id"])
    assert (line["detail"]["by"], line["detail"]["source"]) == ("send key", "scheduled")
    assert (await look(texting, texting.a, later["id"]))["status"] == "pending"
    assert (await look(texting, texting.b, of_b["id"]))["status"] == "pending"
    assert not any(texting.stored(texting.b, "sms_messages").values())
    assert directory(texting) == {
        texting.a.company_id: datetime.fromisoformat(later["due_at"]),
        texting.b.company_id: datetime.fromisoformat(of_b["due_at"]),
    }


async def test_the_directory_forgets_a_company_that_has_nothing_left(texting: Texting) -> None:
    await scheduled(texting, texting.a)
    make_due(texting, texting.a)
    assert await companies_due(texting) == []
    texting.change("UPDATE schedule_due SET next_due = now() WHERE company_id = %s", texting.a.company_id)
    assert await companies_due(texting) == [texting.a.company_id]

    await send_due(texting, texting.a.company_id)

    assert directory(texting) == {}


async def test_a_suspended_company_is_not_looked_at(texting: Texting) -> None:
    for line in (texting.a, texting.b):
        await scheduled(texting, line)
        make_due(texting, line)
    texting.change("UPDATE schedule_due SET next_due = now()")
    texting.change("UPDATE companies SET status = 'suspended' WHERE id = %s", texting.a.company_id)

    assert await companies_due(texting) == [texting.b.company_id]


async def companies_due(texting: Texting) -> list[UUID]:
    async with texting.world.tenancy.platform() as session:
        return list(await session.scalars(COMPANIES_DUE, {"after": None, "limit": 100}))


@pytest.mark.parametrize("change", ["released_at = now()", "status = 'inactive'"])
async def test_the_sender_must_still_be_the_companys_and_active(texting: Texting, change: str) -> None:
    due = await scheduled(texting, texting.a, from_number=texting.a.number)
    fine = await scheduled(texting, texting.a, to="+16025550991", from_number=texting.a.numbers[1])
    texting.change(f"UPDATE phone_numbers SET {change}, is_default = false WHERE phone_number = %s", texting.a.number)
    make_due(texting, texting.a)

    await send_due(texting, texting.a.company_id)

    done = await look(texting, texting.a, due["id"])
    assert (done["status"], done["code"]) == ("failed", "sender_inactive")
    assert (await texting.message(texting.a, done["message_id"]))["reason"] == done["reason"]
    assert (await look(texting, texting.a, fine["id"]))["status"] == "sent"


async def test_contact_and_template_must_still_be_there(texting: Texting) -> None:
    contact = (await texting.call("POST", "/api/contacts", texting.a, json={"phone_number": CUSTOMER})).json()
    template = (
        await texting.call(
            "POST", "/api/sms/templates", texting.a, json={"name": "Hi", "body": "Hi {contact.first_name|you}"}
        )
    ).json()
    to_contact = await scheduled(texting, texting.a, contact_id=contact["id"])
    from_template = await scheduled(texting, texting.a, to="+16025550991", template_id=template["id"])
    texting.change("UPDATE contacts SET deleted_at = now() WHERE id = %s", contact["id"])
    deleted = await texting.call("DELETE", f"/api/sms/templates/{template['id']}", texting.a)
    assert deleted.is_success
    make_due(texting, texting.a)

    await send_due(texting, texting.a.company_id)

    codes = [(await look(texting, texting.a, item["id"]))["code"] for item in (to_contact, from_template)]
    assert codes == ["contact_gone", "template_gone"]
    assert texting.stored(texting.a, "sms_messages") == {"sms_messages": []}


async def test_a_template_is_filled_as_of_its_time_and_an_unresolved_field_blocks_it(texting: Texting) -> None:
    contact = (
        await texting.call("POST", "/api/contacts", texting.a, json={"first_name": "Al", "phone_number": CUSTOMER})
    ).json()
    template = (
        await texting.call(
            "POST",
            "/api/sms/templates",
            texting.a,
            json={"name": "Order", "body": "{contact.first_name|}, order {number|} is ready"},
        )
    ).json()
    unresolved = await schedule(texting, texting.a, template_id=template["id"])
    kept = await scheduled(texting, texting.a, template_id=template["id"], variables={"number": "7"})
    nameless = await scheduled(texting, texting.a, template_id=template["id"], variables={"number": "8"})
    await texting.call("PATCH", f"/api/contacts/{contact['id']}", texting.a, json={"first_name": "Alma"})
    texting.change("UPDATE scheduled_sms SET due_at = now() - interval '1 second' WHERE id = %s", kept["id"])
    await send_due(texting, texting.a.company_id)
    texting.change("UPDATE contacts SET first_name = '' WHERE id = %s", contact["id"])
    make_due(texting, texting.a)
    await send_due(texting, texting.a.company_id)

    assert (unresolved.status_code, unresolved.json()["code"]) == (422, "unresolved_field")
    [message] = texting.stored(texting.a, "sms_messages")["sms_messages"]
    assert message["body"] == "Alma, order 7 is ready"
    failed = await look(texting, texting.a, nameless["id"])
    assert (failed["status"], failed["code"]) == ("failed", "unresolved_field")
    assert "contact.first_name" in failed["reason"]


async def test_the_gate_speaks_when_the_time_comes(texting: Texting) -> None:
    opted_out = await scheduled(texting, texting.a)
    twins = [await scheduled(texting, texting.a, to="+16025550991", body="Twice") for _ in range(2)]
    await texting.inbound(texting.a, body="STOP")
    make_due(texting, texting.a)

    await send_due(texting, texting.a.company_id)

    refused = await look(texting, texting.a, opted_out["id"])
    assert (refused["status"], refused["code"]) == ("failed", "opted_out")
    assert (await texting.message(texting.a, refused["message_id"]))["status"] == "refused"
    ends = sorted([(await look(texting, texting.a, twin["id"]))["status"] for twin in twins])
    assert ends == ["failed", "sent"]


async def test_quiet_hours_hold_a_scheduled_text_even_as_an_answer(texting: Texting) -> None:
    answer = await texting.call("PATCH", "/api/company", texting.a, json={"texting": {"quiet_hours": NIGHT}})
    assert answer.status_code == 200
    with time_machine.travel(datetime(2026, 6, 2, 4, 0, tzinfo=UTC)):
        due = await scheduled(texting, texting.a, scheduled_at="2026-06-02T04:30Z")
        await texting.inbound(texting.a, body="When?")
    with time_machine.travel(datetime(2026, 6, 2, 4, 31, tzinfo=UTC)):
        await send_due(texting, texting.a.company_id)
        done = await look(texting, texting.a, due["id"])
        text = await texting.message(texting.a, done["message_id"])

    assert done["status"] == "sent"
    assert (text["status"], text["refusal_code"]) == ("held", "quiet_hours")
    assert datetime.fromisoformat(text["not_before"]) == datetime(2026, 6, 2, 15, 0, tzinfo=UTC)


async def test_late_ones_go_out_up_to_the_companys_limit_and_expire_after_it(texting: Texting) -> None:
    within, after = [await scheduled(texting, texting.a, to=f"+1602555099{n}") for n in (1, 2)]
    of_b = await scheduled(texting, texting.b)
    patience = await texting.call("PATCH", "/api/company", texting.b, json={"texting": {"schedule_late_minutes": 600}})
    assert patience.status_code == 200
    for item, minutes in ((within, 119), (after, 121), (of_b, 300)):
        texting.change(
            "UPDATE scheduled_sms SET due_at = now() - %s WHERE id = %s", timedelta(minutes=minutes), item["id"]
        )

    for line in (texting.a, texting.b):
        await send_due(texting, line.company_id)

    assert (await look(texting, texting.a, within["id"]))["status"] == "sent"
    late = await look(texting, texting.a, after["id"])
    assert (late["status"], late["code"], late["message_id"]) == ("expired", "late", None)
    assert (await look(texting, texting.b, of_b["id"]))["status"] == "sent"


async def test_a_reply_cancels_what_waits_for_one_in_the_same_transaction(texting: Texting) -> None:
    async def plan(line: Any = texting.a, **what: Any) -> dict[str, Any]:
        return await scheduled(texting, line, **{"cancel_if_reply": True, **what})

    any_number = await plan()
    this_number = await plan(from_number=texting.a.number)
    other_number = await plan(from_number=texting.a.numbers[1])
    regardless = await plan(cancel_if_reply=False)
    other_person = await plan(to="+16025550991")
    of_b = await plan(texting.b)

    answer = await texting.inbound(texting.a, body="Yes please", to=texting.a.number)

    assert answer.status_code == 200
    canceled = [await look(texting, texting.a, item["id"]) for item in (any_number, this_number)]
    assert [(item["status"], item["code"]) for item in canceled] == [("canceled", "replied")] * 2
    for item in (other_number, regardless, other_person):
        assert (await look(texting, texting.a, item["id"]))["status"] == "pending"
    assert (await look(texting, texting.b, of_b["id"]))["status"] == "pending"


async def test_a_reply_that_was_only_found_later_cancels_too(texting: Texting) -> None:
    waiting = await scheduled(texting, texting.a, cancel_if_reply=True)
    unanswered = await scheduled(texting, texting.a, to="+16025550991", cancel_if_reply=True)
    await texting.inbound(texting.a, body="Before")
    texting.change(
        "UPDATE scheduled_sms SET status = 'pending', code = NULL, settled_at = NULL WHERE id = %s", waiting["id"]
    )
    make_due(texting, texting.a)

    await send_due(texting, texting.a.company_id)

    assert (await look(texting, texting.a, waiting["id"]))["code"] == "replied"
    assert (await look(texting, texting.a, unanswered["id"]))["status"] == "sent"


async def test_an_earlier_text_of_theirs_is_no_reply(texting: Texting) -> None:
    await texting.inbound(texting.a, body="Hello?")
    waiting = await scheduled(texting, texting.a, cancel_if_reply=True)
    make_due(texting, texting.a)

    await send_due(texting, texting.a.company_id)

    assert (await look(texting, texting.a, waiting["id"]))["status"] == "sent"


BREAK = """
CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$;
CREATE TRIGGER broken BEFORE INSERT ON sms_messages FOR EACH ROW WHEN (NEW.body = 'Broken') EXECUTE FUNCTION broken();
"""


async def test_a_text_that_cannot_be_dealt_with_stays_and_keeps_nobody_else_back(texting: Texting) -> None:
    broken = await scheduled(texting, texting.a, body="Broken")
    fine = await scheduled(texting, texting.a, to="+16025550991")
    make_due(texting, texting.a)
    with psycopg.connect(texting.database.admin_url) as connection:
        connection.execute(BREAK)

    with pytest.raises(DBAPIError, match="broken"):
        await send_due(texting, texting.a.company_id)

    statuses = [(await look(texting, texting.a, item["id"]))["status"] for item in (broken, fine)]
    assert statuses == ["pending", "sent"]
    assert list(directory(texting)) == [texting.a.company_id]
    with psycopg.connect(texting.database.admin_url) as connection:
        connection.execute("DROP TRIGGER broken ON sms_messages")
    await send_due(texting, texting.a.company_id)
    assert (await look(texting, texting.a, broken["id"]))["status"] == "sent"


async def test_changing_and_sending_at_once_end_in_one_text(texting: Texting) -> None:
    for _ in range(3):
        kept = await scheduled(texting, texting.a, body=f"Race at {in_hours(0)}")
        make_due(texting, texting.a)
        path = f"/api/sms/scheduled/{kept['id']}"

        ends = await asyncio.gather(
            send_due(texting, texting.a.company_id),
            texting.call("POST", path + "/send-now", texting.a),
            texting.call("DELETE", path, texting.a),
        )

        done = await look(texting, texting.a, kept["id"])
        texts = [
            row for row in texting.stored(texting.a, "sms_messages")["sms_messages"] if row["body"] == kept["body"]
        ]
        assert len(texts) == (1 if done["status"] == "sent" else 0), ends
        assert done["status"] in {"sent", "canceled"}


async def test_a_text_that_was_settled_after_it_was_found_due_is_left_as_it_is(texting: Texting) -> None:
    """The worker reads what is due first and takes each text later: what happened in between counts."""
    canceled = await scheduled(texting, texting.a, body="Taken back")
    sent = await scheduled(texting, texting.a, to="+16025550991", body="Already gone")
    pending = await scheduled(texting, texting.a, to="+16025550992", body="Still waiting")
    make_due(texting, texting.a)
    for method, item, tail in (("DELETE", canceled, ""), ("POST", sent, "/send-now")):
        answer = await texting.call(method, f"/api/sms/scheduled/{item['id']}{tail}", texting.a)
        assert answer.is_success, answer.text

    for item in (canceled, sent, pending):
        async with texting.world.tenancy.tenant(texting.a.company_id) as session:
            await due.send_due(session, UUID(item["id"]))

    bodies = [row["body"] for row in texting.stored(texting.a, "sms_messages")["sms_messages"]]
    assert sorted(bodies) == ["Already gone", "Still waiting"]
    assert (await look(texting, texting.a, canceled["id"]))["status"] == "canceled"
