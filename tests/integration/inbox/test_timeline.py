"""Notes, and texts, notes and calls of a conversation in one order."""

from typing import Any

import psycopg

from ringfence.kit.ids import new_id
from tests.factories.scheduling import scheduled
from tests.factories.texts import CUSTOMER
from tests.integration.inbox.conftest import Desk


def put_call(desk: Desk, thread: str, notes: str) -> None:
    """A call between the numbers of the conversation, now."""
    with psycopg.connect(desk.texting.database.admin_url, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO calls (company_id, id, direction, status, source, phone_number_id, our_number,"
            " outside_number, notes, created_at, updated_at)"
            " SELECT company_id, %s, 'inbound', 'completed', 'webhook', phone_number_id, %s, outside_number, %s,"
            " clock_timestamp(), clock_timestamp() FROM conversations WHERE id = %s",
            [new_id(), desk.texting.a.number, notes, thread],
        )


def words(item: dict[str, Any]) -> str:
    inner = item[item["kind"]]
    return inner["notes"] if item["kind"] == "call" else inner["body"]


async def test_timeline_merges_texts_notes_and_calls_page_by_page(desk: Desk) -> None:
    thread = await desk.text(body="1 text")
    path = f"/api/sms/conversations/{thread}"
    assert (await desk.ari.post(f"{path}/notes", json={"body": "2 note"})).status_code == 201
    put_call(desk, thread, "3 call")
    assert (await desk.ari.post("/api/sms/send", json={"to": CUSTOMER, "body": "4 answer"})).status_code == 202
    assert (await desk.olga.post(f"{path}/notes", json={"body": "5 note"})).status_code == 201
    later = await scheduled(desk.texting, desk.texting.a, body="6 later")
    other = await scheduled(desk.texting, desk.texting.a, body="elsewhere", from_number=desk.texting.a.numbers[1])
    for limit in (1, 2, 3, 50):
        seen: list[str] = []
        pinned: list[str] = []
        params: dict[str, Any] = {"limit": limit}
        while True:
            page = (await desk.ari.get(f"{path}/timeline", params=params)).json()
            seen += [words(item) for item in page["items"]]
            pinned += [item["id"] for item in page["scheduled"]]
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]
        assert seen == ["5 note", "4 answer", "3 call", "2 note", "1 text"], limit
        assert pinned == [later["id"]], limit
    assert other["status"] == "pending"


async def test_notes_are_for_colleagues_and_ones_own_to_change(desk: Desk) -> None:
    thread = await desk.text()
    path = f"/api/sms/conversations/{thread}/notes"
    outbox = desk.texting.stored(desk.texting.a, "outbox", "sms_messages")
    note = (await desk.ari.post(path, json={"body": "  call back  "})).json()
    assert (note["body"], note["actor_name"]) == ("call back", desk.people["ari"].name)
    assert desk.texting.stored(desk.texting.a, "outbox", "sms_messages") == outbox
    own = f"{path}/{note['id']}"
    assert (await desk.ari.patch(own, json={"body": "called back"})).json()["body"] == "called back"
    for client in (desk.olga, desk.mo):
        assert (await client.patch(own, json={"body": "mine"})).json()["code"] == "not_yours"
    assert (await desk.olga.delete(own)).json()["code"] == "not_yours"
    assert [item["body"] for item in (await desk.olga.get(path)).json()["items"]] == ["called back"]
    assert (await desk.mo.delete(own)).status_code == 204
    assert (await desk.mo.delete(own)).status_code == 404
    assert (await desk.olga.get(path)).json()["items"] == []
    assert desk.texting.stored(desk.texting.a, "conversation_notes")["conversation_notes"][0]["body"] == ""
    for body in ({"body": " "}, {"body": "x" * 5001}, {}, {"body": "x", "company_id": thread}):
        assert (await desk.ari.post(path, json=body)).status_code == 422, body
    key = await desk.texting.call("POST", path, desk.texting.a, scope="read", json={"body": "x"})
    assert key.status_code == 403
