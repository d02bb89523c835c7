"""Handing in a text: what is stored, what the gate says, and what is no text at all."""

import asyncio
from typing import Any

import pytest

from tests.factories.texts import CUSTOMER, Texting


async def test_text_is_stored_with_thread_timeline_and_outbox_row_before_the_answer(texting: Texting) -> None:
    answer = await texting.send(texting.a, to="(602) 555-0990", body="See you at 8 😀")

    assert answer.status_code == 202
    text = answer.json()
    assert (text["status"], text["to_number"], text["from_number"]) == ("queued", CUSTOMER, texting.a.number)
    assert (text["encoding"], text["num_segments"], text["source"]) == ("UCS-2", 1, "api")
    stored = texting.stored(texting.a)
    assert [str(row["message_id"]) for row in stored["outbox"]] == [text["id"]]
    assert [row["kind"] for row in stored["message_events"]] == ["queued"]
    assert [str(row["id"]) for row in stored["conversations"]] == [text["conversation_id"]]
    assert await texting.message(texting.a, text["id"]) == text
    assert not any(texting.stored(texting.b, "sms_messages", "outbox", "conversations").values())


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"to": "not a number"}, "invalid_number"),
    ({"to": "+1602555"}, "invalid_number"),
    ({"to": ""}, "invalid"),
    ({"body": ""}, "empty_body"),
    ({"body": " \n "}, "empty_body"),
    ({"body": "a" * 1601}, "body_too_long"),
    ({"body": "😀" * 801}, "body_too_long"),
    ({"body": "NUL \x00 inside"}, "invalid"),
    ({"body": 7}, "invalid"),
    ({"from_number": "+14155550201"}, "unknown_sender"),
    ({"from_number": "+16025559999"}, "unknown_sender"),
    ({"from_number": "me"}, "invalid_number"),
    ({"company_id": "0193b3a0-0000-7000-8000-000000000000"}, "invalid"),
    ({"status": "sent"}, "invalid"),
    ({"contact_id": "0193b3a0-0000-7000-8000-000000000000"}, "not_found"),
    ({"contact_id": "me"}, "invalid"),
    ({"media_urls": ["ftp://files.example/a.jpg"]}, "invalid"),
    ({"media_urls": ["javascript:alert(1)"]}, "invalid"),
    ({"media_urls": [f"https://files.example/{n}.jpg" for n in range(11)]}, "too_many_media"),
]


async def test_malformed_text_is_a_4xx_and_no_row(texting: Texting) -> None:
    right = {"to": CUSTOMER, "body": "Hello"}

    for change, code in MALFORMED:
        wrong = await texting.call("POST", "/api/sms/send", texting.a, json=right | change)
        assert 400 <= wrong.status_code < 500, change
        assert wrong.json()["code"] == code, change

    assert not any(texting.stored(texting.a, "sms_messages", "outbox", "message_events", "conversations").values())
    assert (await texting.call("POST", "/api/sms/send", texting.a, json=right)).status_code == 202


NO_JSON_TEXT = [
    (b"{not json", 400),
    (b"", 422),
    (b'["a list"]', 422),
    (b'{"to": "+16025550990", "body": "\xff\xfe"}', 400),
    (b'{"to": "+16025550990", "body": "\\ud800"}', 422),
    (b'{"to": "+16025550990", "body": "' + b"a" * 1_100_000 + b'"}', 413),
]


async def test_body_that_is_no_json_text_is_a_4xx_and_no_row(texting: Texting) -> None:
    headers = {"Content-Type": "application/json"}

    for content, status in NO_JSON_TEXT:
        answer = await texting.call("POST", "/api/sms/send", texting.a, content=content, headers=headers)
        assert answer.status_code == status, content[:60]

    assert texting.stored(texting.a, "sms_messages") == {"sms_messages": []}


async def test_longest_bodies_and_media_alone_are_texts(texting: Texting) -> None:
    assert (await texting.sent(texting.a, body="a" * 1600))["num_segments"] == 11
    assert (await texting.sent(texting.a, body="😀" * 800))["num_segments"] == 25
    with_media = await texting.sent(texting.a, body="", media_urls=["https://files.example/a.jpg"])
    assert (with_media["num_media"], with_media["media"][0]["status"]) == (1, "remote")
    judged = await texting.judge(texting.a, with_media["id"])
    assert judged.media_urls == ("https://files.example/a.jpg",)


async def test_numbers_are_read_in_the_companys_own_region(texting: Texting) -> None:
    texting.change("UPDATE company_settings SET default_region = 'GB' WHERE company_id = %s", texting.b.company_id)

    in_us = await texting.sent(texting.a, to="602 555 0990")
    in_gb = await texting.sent(texting.b, to="020 7946 0123")

    assert (in_us["to_number"], in_gb["to_number"]) == ("+16025550990", "+442079460123")
    assert (await texting.send(texting.a, to="020 7946 0123")).json()["code"] == "invalid_number"


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        ("UPDATE twilio_settings SET status = 'unverified' WHERE company_id = %s", "settings_unverified"),
        ("UPDATE twilio_settings SET status = 'suspended' WHERE company_id = %s", "account_suspended"),
        ("DELETE FROM twilio_settings WHERE company_id = %s", "not_connected"),
        ("UPDATE phone_numbers SET status = 'inactive', is_default = false WHERE company_id = %s", "no_sender"),
    ],
)
async def test_refused_text_is_kept_with_its_reason_and_never_queued(texting: Texting, prepare: str, code: str) -> None:
    texting.change(prepare, texting.a.company_id)

    refused = await texting.send(texting.a)

    assert (refused.status_code, refused.json()["code"]) == (422, code)
    kept = await texting.message(texting.a, refused.json()["message_id"])
    assert (kept["status"], kept["refusal_code"], kept["reason"]) == ("refused", code, refused.json()["detail"])
    assert [event["kind"] for event in await texting.timeline(texting.a, kept["id"])] == ["refused"]
    assert not any(texting.stored(texting.a, "outbox", "conversations").values())
    assert (await texting.send(texting.b)).status_code == 202


async def test_inactive_sender_that_is_asked_for_is_refused_and_another_one_is_not_taken(texting: Texting) -> None:
    texting.change("UPDATE phone_numbers SET status = 'inactive' WHERE phone_number = %s", texting.a.numbers[1])

    refused = await texting.send(texting.a, from_number=texting.a.numbers[1])

    assert (refused.status_code, refused.json()["code"]) == (422, "sender_inactive")
    assert (await texting.sent(texting.a))["from_number"] == texting.a.numbers[0]


async def test_same_text_again_within_seconds_is_refused_unless_allowed(texting: Texting) -> None:
    first = await texting.sent(texting.a, body="Twice?")

    again = await texting.send(texting.a, body="Twice?")

    assert (again.status_code, again.json()["code"]) == (422, "duplicate")
    await texting.sent(texting.a, body="Twice?", allow_duplicate=True)
    await texting.sent(texting.a, body="Something else")
    await texting.sent(texting.a, body="Twice?", to="+16025550991")
    await texting.sent(texting.b, body="Twice?")
    texting.change("UPDATE sms_messages SET created_at = created_at - interval '11 seconds'")
    assert (await texting.sent(texting.a, body="Twice?"))["id"] != first["id"]


async def test_two_equal_texts_at_once_are_one(texting: Texting) -> None:
    answers = await asyncio.gather(*(texting.send(texting.a, body="At once") for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [202, 422, 422, 422]
    assert len(texting.stored(texting.a, "outbox")["outbox"]) == 1


async def test_person_is_answered_from_the_number_they_texted_and_first(texting: Texting) -> None:
    await texting.inbound(texting.a, to=texting.a.numbers[1], body="Are you open?")

    reply = await texting.sent(texting.a, body="Yes")
    later = await texting.sent(texting.a, body="Until 8")

    assert reply["from_number"] == later["from_number"] == texting.a.numbers[1]
    rows = texting.stored(texting.a, "outbox")["outbox"]
    assert {str(row["message_id"]): row["priority"] for row in rows} == {reply["id"]: 0, later["id"]: 1}


async def test_senders_take_turns_for_new_people(texting: Texting) -> None:
    senders = [(await texting.sent(texting.a, to=f"+1602555091{n}"))["from_number"] for n in range(4)]

    assert sorted(senders[:2]) == sorted(texting.a.numbers)
    assert senders[:2] == senders[2:]


async def test_contact_is_linked_by_number_and_a_contact_with_another_number_is_refused(texting: Texting) -> None:
    contact = (await texting.call("POST", "/api/contacts", texting.a, json={"phone_number": CUSTOMER})).json()
    other = (await texting.call("POST", "/api/contacts", texting.a, json={"phone_number": "+16025550991"})).json()

    assert (await texting.sent(texting.a))["contact_id"] == contact["id"]
    assert (await texting.sent(texting.a, body="2", contact_id=contact["id"]))["contact_id"] == contact["id"]
    assert (await texting.send(texting.a, body="3", contact_id=other["id"])).json()["code"] == "contact_mismatch"


async def test_text_that_waits_is_canceled_by_delete_and_never_goes_out(texting: Texting) -> None:
    text = await texting.sent(texting.a)

    canceled = await texting.call("DELETE", f"/api/sms/messages/{text['id']}", texting.a, scope="send")

    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert texting.stored(texting.a, "outbox") == {"outbox": []}
    assert await texting.judge(texting.a, text["id"]) is None
    assert [event["kind"] for event in await texting.timeline(texting.a, text["id"])] == ["queued", "canceled"]


async def test_text_under_way_is_neither_deleted_nor_sent_again(texting: Texting) -> None:
    text = await texting.sent(texting.a)
    texting.change("UPDATE outbox SET state = 'unknown'")

    deleted = await texting.call("DELETE", f"/api/sms/messages/{text['id']}", texting.a)
    again = await texting.call("POST", f"/api/sms/messages/{text['id']}/retry", texting.a)

    assert (deleted.status_code, deleted.json()["code"]) == (409, "under_way")
    assert (again.status_code, again.json()["code"]) == (409, "under_way")
    assert len(texting.stored(texting.a, "sms_messages")["sms_messages"]) == 1


async def test_finished_text_is_removed_with_its_content_by_managers_only(texting: Texting) -> None:
    before = await texting.sent(texting.a, body="The one before")
    await texting.inbound(texting.a, body="My secret is canary-7", sid="SM" + "7" * 32)
    secret = (await texting.get("/api/sms/messages", texting.a, direction="inbound"))["items"][0]
    path = f"/api/sms/messages/{secret['id']}"

    assert (await texting.call("DELETE", path, texting.a, scope="send")).status_code == 403
    removed = await texting.call("DELETE", path, texting.a, scope="manage")
    assert (removed.status_code, removed.content, removed.headers.get("content-length")) == (204, b"", None)

    assert "canary-7" not in repr(texting.stored(texting.a))
    assert (await texting.call("GET", path, texting.a)).status_code == 404
    assert (await texting.call("GET", f"{path}/timeline", texting.a)).status_code == 404
    thread = (await texting.get("/api/sms/conversations", texting.a))["items"][0]
    assert thread["last_preview"] == "The one before"
    assert [item["id"] for item in (await texting.get("/api/sms/messages", texting.a))["items"]] == [before["id"]]
    entries = (await texting.get("/api/audit-log", texting.a, action="message.deleted"))["items"]
    assert [entry["target_id"] for entry in entries] == [secret["id"]]
    # Twilio tells of it again: what was deleted does not come back.
    assert (await texting.inbound(texting.a, body="My secret is canary-7", sid="SM" + "7" * 32)).status_code == 200
    assert "canary-7" not in repr(texting.stored(texting.a))


async def test_failed_text_is_sent_again_as_a_new_one_and_only_once(texting: Texting) -> None:
    text = await texting.sent(texting.a)
    path = f"/api/sms/messages/{text['id']}/retry"
    await texting.settle(texting.a, text["id"], error_code=21614)

    again = await texting.call("POST", path, texting.a, scope="send")
    third = await texting.call("POST", path, texting.a, scope="send")

    assert again.status_code == 202
    assert (again.json()["retry_of"], again.json()["source"]) == (text["id"], "retry")
    assert (again.json()["body"], again.json()["from_number"]) == (text["body"], text["from_number"])
    assert (third.status_code, third.json()["code"]) == (409, "retried")
    assert third.json()["message_id"] == again.json()["id"]
    delivered = again.json()["id"]
    await texting.settle(texting.a, delivered, "SM" + "8" * 32)
    await texting.status(texting.a, delivered, "SM" + "8" * 32, "delivered")
    refused = await texting.call("POST", f"/api/sms/messages/{delivered}/retry", texting.a)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_retryable")


async def test_sending_needs_the_right_to_send(texting: Texting) -> None:
    body = {"to": CUSTOMER, "body": "Hello"}

    reader = await texting.call("POST", "/api/sms/send", texting.a, scope="read", json=body)
    nobody = await texting.client.post("/api/sms/send", json=body)

    assert (reader.status_code, nobody.status_code) == (403, 401)
    assert texting.stored(texting.a, "sms_messages") == {"sms_messages": []}
    agent = await texting.world.log_in(texting.a.company.agent)
    answer = await agent.post("/api/sms/send", json=body)
    assert (answer.status_code, answer.json()["source"]) == (202, "console")
    assert answer.json()["created_by"] == str(texting.a.company.agent.id)
