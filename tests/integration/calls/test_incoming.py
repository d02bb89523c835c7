"""Calls that come in: who is rung, in which order, and the message that is left when nobody answers."""

from uuid import UUID

from ringfence.features.calls.values.jobs import FetchRecording
from tests.factories.telephone import CONTACT, Line, Telephone


async def ring(telephone: Telephone, line: Line, *people: int) -> None:
    """Ring these of admin, manager, agent (0, 1, 2), in this order."""
    order = [str(line.company.people[index].id) for index in people]
    await telephone.set_up(line, ring_order=order, ring_seconds=5)


async def test_the_second_in_the_ring_order_answers_when_the_first_does_not(telephone: Telephone) -> None:
    a = telephone.a
    await ring(telephone, a, 2, 1, 0)
    await telephone.behave(a.phones[2], busy=True)
    sid = await telephone.dial_in(a)
    call_id = await telephone.only(a)
    call = await telephone.ended(a, call_id)
    assert (call["status"], call["direction"], call["reason"]) == ("completed", "inbound", None)
    assert (call["from_number"], call["to_number"]) == (CONTACT, a.number)
    assert call["user_id"] == str(a.company.manager.id)
    assert call["duration_seconds"] >= 1
    assert [(leg["role"], leg["number"], leg["status"]) for leg in call["legs"]] == [
        ("contact", CONTACT, "completed"),
        ("user", a.phones[2], "busy"),
        ("user", a.phones[1], "completed"),
    ]
    # The agents' telephones show who is calling.
    children = [leg for leg in await telephone.legs() if leg["parent_sid"] == sid]
    assert {leg["from"] for leg in children} == {CONTACT}
    assert (await telephone.get("/api/calls", telephone.b))["items"] == []


async def test_nobody_answers_and_a_message_is_left_that_only_the_company_hears(telephone: Telephone) -> None:
    a, b = telephone.a, telephone.b
    await ring(telephone, a, 2)
    await telephone.set_up(a, voicemail_greeting="Grüezi & <hello>")
    await telephone.behave(a.phones[2], busy=True)
    await telephone.behave(CONTACT, leave_voicemail=0.05, speak="Please call me back")
    await telephone.dial_in(a)
    call_id = await telephone.only(a)
    call = await telephone.until(a, call_id, "no_answer")
    recording = await telephone.sound(a, call_id)
    assert recording["kind"] == "voicemail"
    call = await telephone.get(f"/api/calls/{call_id}", a)
    assert (call["reason"], call["user_id"], call["answered_at"]) == ("voicemail", None, None)

    own = await telephone.call("GET", f"/api/calls/{call_id}/recording", a, scope="read")
    assert (own.status_code, own.headers["content-type"]) == (200, "audio/mpeg")
    foreign = await telephone.call("GET", f"/api/calls/{call_id}/recording", b)
    unknown = await telephone.call("GET", f"/api/calls/{recording['id']}/recording", b)
    assert (foreign.status_code, foreign.content) == (404, unknown.content)
    # b's worker, handed a's recording, finds nothing to fetch.
    before = telephone.stored(a)
    await telephone.run(b, FetchRecording(recording_id=UUID(recording["id"])))
    assert telephone.stored(a) == before
    assert not telephone.runtime.media.path(b.company_id, UUID(recording["id"])).exists()


async def test_a_caller_who_leaves_no_message_is_a_missed_call(telephone: Telephone) -> None:
    a = telephone.a
    await telephone.behave(CONTACT, leave_voicemail=0)
    await telephone.dial_in(a)
    call = await telephone.until(a, await telephone.only(a), "no_answer")
    assert (call["reason"], call["recordings"]) == ("missed", [])
    assert [leg["role"] for leg in call["legs"]] == ["contact"]


async def test_who_is_suspended_or_has_no_phone_is_not_rung(telephone: Telephone) -> None:
    a = telephone.a
    await ring(telephone, a, 2, 1, 0)
    agent, manager = a.company.agent.id, a.company.manager.id
    await telephone.call("PATCH", f"/api/users/{agent}", a, json={"status": "suspended"})
    await telephone.call("PUT", f"/api/users/{manager}/phone", a, json={"phone": None})
    await telephone.dial_in(a)
    call = await telephone.ended(a, await telephone.only(a))
    assert call["user_id"] == str(a.company.admin.id)
    assert [leg["number"] for leg in call["legs"]] == [CONTACT, a.phones[0]]


async def test_calls_appear_with_contact_and_conversation_and_carry_notes(telephone: Telephone) -> None:
    a, b = telephone.a, telephone.b
    contact = await telephone.call("POST", "/api/contacts", a, json={"first_name": "Ana", "phone_number": CONTACT})
    text = {"account_sid": a.account_sid, "from": CONTACT, "to": a.number, "body": "Call me"}
    assert (await telephone.twilio.post("/emulator/inbound", json=text)).status_code == 200
    thread = (await telephone.get("/api/sms/conversations", a))["items"][0]["id"]
    await ring(telephone, a, 2)
    await telephone.dial_in(a)
    call_id = await telephone.only(a)
    call = await telephone.ended(a, call_id)
    assert (call["contact_id"], call["conversation_id"]) == (contact.json()["id"], thread)
    shown = await telephone.get(f"/api/sms/conversations/{thread}/calls", a)
    assert [item["id"] for item in shown["items"]] == [call_id]
    assert (await telephone.call("GET", f"/api/sms/conversations/{thread}/calls", b)).status_code == 404

    noted = await telephone.call("PATCH", f"/api/calls/{call_id}", a, scope="send", json={"notes": "Wants a quote"})
    assert noted.json()["notes"] == "Wants a quote"
    assert (
        await telephone.call("PATCH", f"/api/calls/{call_id}", a, scope="read", json={"notes": ""})
    ).status_code == 403

    outgoing = await telephone.ended(a, (await telephone.place(a))["id"])
    for filters, expected in (
        ({}, [outgoing["id"], call_id]),
        ({"direction": "inbound"}, [call_id]),
        ({"status": "busy"}, []),
        ({"number": "(602) 555-0990"}, [outgoing["id"], call_id]),
        ({"number": "+16025550000"}, []),
        ({"contact_id": contact.json()["id"], "direction": "outbound"}, [outgoing["id"]]),
        ({"user_id": str(a.company.agent.id)}, [outgoing["id"], call_id]),
        ({"user_id": str(a.company.admin.id)}, []),
        ({"created_from": outgoing["created_at"]}, [outgoing["id"]]),
        ({"created_to": outgoing["created_at"]}, [call_id]),
    ):
        items = (await telephone.get("/api/calls", a, **filters))["items"]
        assert [item["id"] for item in items] == expected, filters
    first = await telephone.get("/api/calls", a, limit=1)
    second = await telephone.get("/api/calls", a, limit=1, cursor=first["next_cursor"])
    assert [item["id"] for item in first["items"] + second["items"]] == [outgoing["id"], call_id]
    stolen = await telephone.call("GET", "/api/calls", b, params={"limit": 1, "cursor": first["next_cursor"]})
    assert (stolen.status_code, stolen.json()["code"]) == (422, "bad_cursor")
