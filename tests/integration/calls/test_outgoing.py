"""Click-to-call with both sides played: what rings, what is stored, and that nothing is dialled twice."""

from typing import Any
from uuid import UUID

import pytest

from ringfence.features.calls.values.jobs import PlaceCall, SweepCalls
from tests.factories.telephone import CONTACT, STRANGER, Telephone
from tests.factories.waiting import eventually


async def test_the_users_phone_rings_first_and_then_the_contact_sees_the_companys_number(
    telephone: Telephone,
) -> None:
    a, agent = telephone.a, telephone.a.company.agent
    made = await telephone.call("POST", "/api/contacts", a, json={"first_name": "Ana", "phone_number": CONTACT})
    asked = await telephone.place(a, contact_id=made.json()["id"], to=None)
    assert (asked["status"], asked["direction"], asked["source"]) == ("queued", "outbound", "api")
    assert (asked["from_number"], asked["to_number"]) == (a.number, CONTACT)

    call = await telephone.ended(a, asked["id"])
    assert (call["contact_id"], call["user_id"]) == (made.json()["id"], str(agent.id))
    assert call["duration_seconds"] >= 1
    assert call["created_at"] <= call["answered_at"] <= call["ended_at"]
    assert [(leg["role"], leg["number"], leg["status"]) for leg in call["legs"]] == [
        ("user", a.phones[2], "completed"),
        ("contact", CONTACT, "completed"),
    ]
    child, parent = await telephone.legs()
    assert (parent["from"], parent["to"], parent["direction"]) == (a.number, a.phones[2], "outbound-api")
    assert (child["from"], child["to"], child["parent_sid"]) == (a.number, CONTACT, parent["sid"])
    assert parent["recordings"] == []
    creates = (await telephone.twilio.get("/emulator/call-creates")).json()
    assert creates["creates"][asked["id"]] | {"sids": 0} == {"received": 1, "accepted": 1, "sids": 0, "attempts": {}}


@pytest.mark.parametrize(
    ("who", "manners", "status", "reason"),
    [
        ("user", {"no_answer": True}, "no_answer", "user_no_answer"),
        ("user", {"busy": True}, "busy", "user_busy"),
        ("contact", {"busy": True}, "busy", "contact_busy"),
        ("contact", {"no_answer": True}, "no_answer", "contact_no_answer"),
    ],
)
async def test_somebody_does_not_answer(
    telephone: Telephone, who: str, manners: dict[str, Any], status: str, reason: str
) -> None:
    a = telephone.a
    await telephone.set_up(a, ring_seconds=5)
    await telephone.behave(a.phones[2] if who == "user" else CONTACT, **manners)
    call = await telephone.until(a, (await telephone.place(a))["id"], status)
    assert (call["reason"], call["answered_at"], call["duration_seconds"]) == (reason, None, None)
    assert [leg["role"] for leg in call["legs"]] == (["user"] if who == "user" else ["user", "contact"])


async def test_recording_is_the_companys_choice_and_stays_with_it(telephone: Telephone) -> None:
    a, b = telephone.a, telephone.b
    await telephone.set_up(a, record_calls=True)
    call_id = (await telephone.place(a))["id"]
    recording = await telephone.sound(a, call_id)
    assert (recording["kind"], recording["content_type"], recording["duration_seconds"]) == ("call", "audio/mpeg", 1)
    sound = await telephone.call("GET", recording["url"], a, scope="read")
    assert (sound.status_code, sound.headers["content-type"]) == (200, "audio/mpeg")
    assert sound.headers["x-content-type-options"] == "nosniff"
    assert sound.content[:2] == b"\xff\xfb"
    assert (await telephone.call("GET", recording["url"], b)).status_code == 404
    assert (await telephone.client.get(recording["url"])).status_code == 401

    other = await telephone.until(b, (await telephone.place(b))["id"], "completed")
    assert other["recordings"] == []
    assert (await telephone.call("GET", f"/api/calls/{other['id']}/recording", b)).status_code == 404

    assert (await telephone.call("DELETE", f"/api/calls/{call_id}", a, scope="send")).status_code == 403
    assert (await telephone.call("DELETE", f"/api/calls/{call_id}", a, scope="manage")).status_code == 204
    assert (await telephone.call("GET", recording["url"], a)).status_code == 404
    path = telephone.runtime.media.path(a.company_id, UUID(recording["id"]))

    async def removed() -> bool:
        return not path.exists()

    await eventually(removed)


async def test_a_call_is_ended_by_hanging_up_here(telephone: Telephone) -> None:
    a = telephone.a
    await telephone.behave(CONTACT, hang_up_after=60)
    call_id = (await telephone.place(a))["id"]
    await telephone.until(a, call_id, "in_progress")
    agent = await telephone.client.post(f"/api/calls/{call_id}/hang-up", headers=telephone.b.company.headers("admin"))
    assert agent.status_code == 404
    # A key of scope send is nobody's telephone: it may not end what others talk about.
    assert (await telephone.call("POST", f"/api/calls/{call_id}/hang-up", a, scope="send")).status_code == 403
    assert (await telephone.call("POST", f"/api/calls/{call_id}/hang-up", a, scope="manage")).status_code == 202
    await telephone.until(a, call_id, "completed")
    # The length comes with the last telephone's own word, which may be later than that the call is over.
    assert (await telephone.ended(a, call_id))["duration_seconds"] >= 1
    again = await telephone.call("POST", f"/api/calls/{call_id}/hang-up", a)
    assert (again.status_code, again.json()["code"]) == (409, "over")


async def test_calling_again_goes_to_the_same_person_from_the_same_number(telephone: Telephone) -> None:
    a = telephone.a
    first = await telephone.until(a, (await telephone.place(a))["id"], "completed")
    body = {"user_id": str(a.company.manager.id)}
    again = await telephone.call("POST", f"/api/calls/{first['id']}/redial", a, scope="send", json=body)
    assert again.status_code == 202
    call = await telephone.until(a, again.json()["id"], "completed")
    assert (call["redial_of"], call["source"]) == (first["id"], "redial")
    assert (call["from_number"], call["to_number"], call["legs"][0]["number"]) == (a.number, CONTACT, a.phones[1])


async def test_calls_that_are_refused_leave_no_row(still: Telephone) -> None:
    a, b = still.a, still.b
    nobody = "0193b3a0-0000-7000-8000-000000000000"
    await still.call("PUT", f"/api/users/{a.company.manager.id}/phone", a, json={"phone": None})
    tried = [
        ({"to": "not a number"}, 422, "invalid_number"),
        ({"to": None}, 422, "nobody"),
        ({"user_id": None}, 422, "user_needed"),
        ({"user_id": nobody}, 404, "not_found"),
        ({"user_id": str(b.company.agent.id)}, 404, "not_found"),
        ({"user_id": str(a.company.manager.id)}, 422, "no_phone"),
        ({"contact_id": nobody}, 404, "not_found"),
        ({"from_number": b.number}, 422, "unknown_sender"),
        ({"from_number": "+16025559999"}, 422, "unknown_sender"),
        ({"to": a.phones[2]}, 422, "own_number"),
        ({"status": "completed"}, 422, "invalid"),
        ({"company_id": str(b.company_id)}, 422, "invalid"),
    ]
    for change, status, code in tried:
        answer = await still.ask_for(a, **change)
        assert (answer.status_code, answer.json()["code"]) == (status, code), change
    assert (await still.call("POST", "/api/calls", a, scope="read", json={"to": CONTACT})).status_code == 403
    assert still.stored(a, "calls")["calls"] == []
    assert (await still.ask_for(a)).status_code == 202


async def test_two_clicks_are_one_call(still: Telephone) -> None:
    first = await still.place(still.a)
    second = await still.ask_for(still.a)
    assert (second.status_code, second.json()["code"]) == (409, "call_under_way")
    assert second.json()["call_id"] == first["id"]
    assert (await still.ask_for(still.a, to=STRANGER)).status_code == 202
    assert (await still.ask_for(still.b)).status_code == 202


async def test_an_opt_out_stops_calls_only_by_explicit_rule(still: Telephone) -> None:
    a = still.a
    await still.call("POST", "/api/sms/opt-outs", a, json={"outside_number": CONTACT})
    call = await still.place(a)
    await still.set_up(a, block_opted_out=True)
    # The rule holds for the call that already waits, too.
    await still.run(a, PlaceCall(call_id=UUID(call["id"])))
    ended = await still.get(f"/api/calls/{call['id']}", a)
    assert (ended["status"], ended["reason"]) == ("failed", "opted_out")
    refused = await still.ask_for(a)
    assert (refused.status_code, refused.json()["code"]) == (422, "opted_out")
    assert await still.legs() == []


async def test_a_worker_that_dies_between_intent_and_deed_leaves_a_call_nobody_dials(still: Telephone) -> None:
    a = still.a
    call_id = UUID((await still.place(a))["id"])
    # The intent is committed, and then nothing: as after kill -9.
    await still.change("UPDATE calls SET attempted_at = now() WHERE id = %s", call_id)
    await still.run(a, PlaceCall(call_id=call_id))
    assert await still.legs() == []
    assert (await still.get(f"/api/calls/{call_id}", a))["status"] == "queued"
    await still.change("UPDATE calls SET updated_at = now() - interval '1 hour' WHERE id = %s", call_id)
    await still.run(a, SweepCalls())
    call = await still.get(f"/api/calls/{call_id}", a)
    assert (call["status"], call["reason"]) == ("unconfirmed", "unconfirmed")
    # The control: another call is dialled, once, however often its job runs.
    other = UUID((await still.place(a, to=STRANGER))["id"])
    await still.run(a, PlaceCall(call_id=other))
    await still.run(a, PlaceCall(call_id=other))
    assert len([leg for leg in await still.legs() if leg["direction"] == "outbound-api"]) == 1


@pytest.mark.parametrize("kind", ["503_after_accept", "accept_then_reset", "empty_201"])
async def test_a_call_whose_answer_is_lost_is_adopted_by_its_callback_and_never_dialled_again(
    telephone: Telephone, kind: str
) -> None:
    await telephone.fault(kind, count=1)
    call_id = (await telephone.place(telephone.a))["id"]
    await telephone.until(telephone.a, call_id, "completed")
    creates = (await telephone.twilio.get("/emulator/call-creates")).json()["creates"]
    assert creates[call_id]["received"] == 1


async def test_a_call_whose_answer_and_callbacks_are_lost_is_found_in_twilios_list(still: Telephone) -> None:
    a = still.a
    await still.fault("503_after_accept", count=1)
    await still.fault("callback_drop", count=1)
    await still.behave(a.phones[2], no_answer=True)
    await still.set_up(a, ring_seconds=5)
    call_id = UUID((await still.place(a))["id"])
    await still.run(a, PlaceCall(call_id=call_id))
    assert (await still.get(f"/api/calls/{call_id}", a))["status"] == "unconfirmed"
    await still.change("UPDATE calls SET updated_at = now() - interval '1 hour' WHERE id = %s", call_id)
    await still.run(a, SweepCalls())
    assert (await still.get(f"/api/calls/{call_id}", a))["status"] in {"initiated", "ringing"}


@pytest.mark.parametrize(
    ("kind", "reason", "code"), [("429", "twilio_busy", None), ("21210", "refused_by_twilio", 21210)]
)
async def test_a_call_that_was_certainly_not_made_has_failed(
    still: Telephone, kind: str, reason: str, code: int | None
) -> None:
    await still.fault(kind, count=1)
    call_id = UUID((await still.place(still.a))["id"])
    await still.run(still.a, PlaceCall(call_id=call_id))
    call = await still.get(f"/api/calls/{call_id}", still.a)
    assert (call["status"], call["reason"], call["error_code"]) == ("failed", reason, code)
    assert await still.legs() == []


async def test_calls_that_wait_are_canceled_without_twilio(still: Telephone) -> None:
    call_id = UUID((await still.place(still.a))["id"])
    answer = await still.call("POST", f"/api/calls/{call_id}/hang-up", still.a)
    assert answer.json()["status"] == "canceled"
    await still.run(still.a, PlaceCall(call_id=call_id))
    assert await still.legs() == []
