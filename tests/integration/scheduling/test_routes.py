"""Scheduling, listing, changing and taking back, through the door."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from tests.factories.scheduling import directory, in_hours, look, schedule, scheduled
from tests.factories.texts import CUSTOMER, Texting

NOON = datetime(2026, 6, 2, 19, 0, tzinfo=UTC)


async def test_a_text_is_kept_for_its_time_and_nothing_else_happens(texting: Texting) -> None:
    due = in_hours(30)

    kept = await scheduled(texting, texting.a, to="(602) 555-0990", scheduled_at=due, from_number=texting.a.numbers[1])

    assert (kept["status"], kept["to_number"], kept["from_number"]) == ("pending", CUSTOMER, texting.a.numbers[1])
    assert datetime.fromisoformat(kept["due_at"]) == datetime.fromisoformat(due)
    assert (kept["local_time"], kept["zones"], kept["message_id"], kept["actor_name"]) == (None, [], None, "send key")
    assert await look(texting, texting.a, kept["id"]) == kept
    assert not any(texting.stored(texting.a, "sms_messages", "outbox", "conversations").values())
    assert directory(texting) == {texting.a.company_id: datetime.fromisoformat(due)}


@pytest.mark.parametrize(
    ("to", "wall", "due"),
    [
        (CUSTOMER, "2026-07-01T09:00", "2026-07-01T16:00+00:00"),
        ("+12125550990", "2026-07-01T09:00:30", "2026-07-01T13:00:30+00:00"),
        ("+12125550990", "2027-03-14T02:30", "2027-03-14T07:00+00:00"),
        ("+12125550990", "2026-11-01T01:30", "2026-11-01T05:30+00:00"),
        ("+919876543210", "2026-07-01T09:00", "2026-07-01T03:30+00:00"),
        # May be anywhere from the Cocos Islands to Lord Howe: it is nine everywhere once it is nine in the west.
        ("+61412345678", "2026-07-01T09:00", "2026-07-01T02:30+00:00"),
        # The number says nothing: the company is in Phoenix.
        ("+15551234567", "2026-07-01T09:00", "2026-07-01T16:00+00:00"),
    ],
)
async def test_local_time_is_the_recipients_clock(texting: Texting, to: str, wall: str, due: str) -> None:
    with time_machine.travel(NOON):
        kept = await scheduled(texting, texting.a, to=to, local_time=wall)

    assert datetime.fromisoformat(kept["due_at"]) == datetime.fromisoformat(due)
    assert datetime.fromisoformat(kept["local_time"]) == datetime.fromisoformat(wall)
    assert kept["zones"]


async def test_local_time_is_that_of_the_contact_whose_zone_is_known(texting: Texting) -> None:
    known, other = [
        (await texting.call("POST", "/api/contacts", texting.a, json=contact)).json()
        for contact in (
            {"phone_number": CUSTOMER, "time_zone": "Europe/London"},
            {"first_name": "No number", "time_zone": "Asia/Tokyo"},
        )
    ]
    with time_machine.travel(NOON):
        by_number = await scheduled(texting, texting.a, local_time="2026-07-01T09:00")
        by_contact = await scheduled(texting, texting.a, local_time="2026-07-01T09:00", contact_id=other["id"])
        of_b = await scheduled(texting, texting.b, local_time="2026-07-01T09:00")

    assert known["time_zone"] == "Europe/London"
    assert [(item["zones"], item["due_at"][:16]) for item in (by_number, by_contact, of_b)] == [
        (["Europe/London"], "2026-07-01T08:00"),
        (["Asia/Tokyo"], "2026-07-01T00:00"),
        (["America/Phoenix"], "2026-07-01T16:00"),
    ]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"scheduled_at": None}, "invalid"),
        ({"local_time": "2030-01-01T09:00"}, "invalid"),
        ({"scheduled_at": "2030-01-01T09:00"}, "invalid"),
        ({"scheduled_at": None, "local_time": "2030-01-01T09:00Z"}, "invalid"),
        ({"scheduled_at": "2020-01-01T09:00Z"}, "in_the_past"),
        ({"scheduled_at": None, "local_time": "2020-01-01T09:00"}, "in_the_past"),
        ({"scheduled_at": "2099-01-01T09:00Z"}, "too_far_ahead"),
        ({"scheduled_at": None, "local_time": "9999-12-31T23:59"}, "too_far_ahead"),
        ({"body": ""}, "empty_body"),
        ({"body": "a" * 1601}, "body_too_long"),
        ({"to": "nobody"}, "invalid_number"),
        ({"from_number": "+14155550201"}, "unknown_sender"),
        ({"contact_id": "0193b3a0-0000-7000-8000-000000000000"}, "not_found"),
        ({"body": "", "template_id": "0193b3a0-0000-7000-8000-000000000000"}, "not_found"),
        ({"template_id": "0193b3a0-0000-7000-8000-000000000000"}, "invalid"),
        ({"variables": {"a": "b"}}, "invalid"),
        ({"media_urls": [f"https://files.example/{n}.jpg" for n in range(11)]}, "too_many_media"),
        ({"company_id": "0193b3a0-0000-7000-8000-000000000000"}, "invalid"),
        ({"status": "sent"}, "invalid"),
    ],
)
async def test_what_is_wrong_is_said_at_once_and_nothing_is_kept(
    texting: Texting, change: dict[str, Any], code: str
) -> None:
    right = {"to": CUSTOMER, "body": "Hello", "scheduled_at": in_hours(1)}

    wrong = await texting.call("POST", "/api/sms/schedule", texting.a, json=right | change)

    assert 400 <= wrong.status_code < 500
    assert wrong.json()["code"] == code
    assert not any(texting.stored(texting.a, "scheduled_sms", "schedule_due").values())
    assert (await texting.call("POST", "/api/sms/schedule", texting.a, json=right)).status_code == 201


async def test_same_key_same_scheduled_text(texting: Texting) -> None:
    at = in_hours(5)

    first = await schedule(texting, texting.a, key="one", scheduled_at=at)
    again = await schedule(texting, texting.a, key="one", scheduled_at=at)
    other = await schedule(texting, texting.a, key="one", scheduled_at=in_hours(6))
    of_b = await schedule(texting, texting.b, key="one", scheduled_at=at)

    assert (first.status_code, again.json()) == (201, first.json())
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert of_b.status_code == 201
    assert len(texting.stored(texting.a, "scheduled_sms")["scheduled_sms"]) == 1


async def test_list_is_by_time_and_filtered_page_by_page(texting: Texting) -> None:
    kept = [await scheduled(texting, texting.a, scheduled_at=in_hours(n), body=f"In {n}") for n in (3, 1, 2)]
    other = await scheduled(texting, texting.a, to="+16025550991", scheduled_at=in_hours(4))
    await texting.call("DELETE", f"/api/sms/scheduled/{kept[2]['id']}", texting.a)
    await scheduled(texting, texting.b)

    async def bodies(**params: Any) -> list[str]:
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = await texting.get(
                "/api/sms/scheduled", texting.a, limit=1, **params, **({"cursor": cursor} if cursor else {})
            )
            found += [item["body"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    assert await bodies(status="pending") == ["In 1", "In 3", other["body"]]
    assert await bodies() == [other["body"], "In 3", "In 2", "In 1"]
    assert await bodies(status="canceled") == ["In 2"]
    assert await bodies(number="602 555 0991") == [other["body"]]
    assert await bodies(due_from=in_hours(1.5), due_to=in_hours(3.5)) == ["In 3", "In 2"]
    page = await texting.get("/api/sms/scheduled", texting.a, limit=1)
    for line, params in ((texting.a, {"status": "pending"}), (texting.b, {})):
        wrong = await texting.call("GET", "/api/sms/scheduled", line, params={"cursor": page["next_cursor"], **params})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_cursor")


async def test_a_pending_text_is_changed_and_looked_at_earlier_if_it_has_to_be(texting: Texting) -> None:
    kept = await scheduled(texting, texting.a, from_number=texting.a.number)
    path = f"/api/sms/scheduled/{kept['id']}"

    async def change(**what: Any) -> Any:
        return await texting.call("PATCH", path, texting.a, scope="send", json=what)

    sooner = in_hours(2)
    changed = (await change(body="Changed", scheduled_at=sooner, cancel_if_reply=True)).json()
    by_clock = (await change(local_time=in_wall_clock(72))).json()
    no_sender = (await change(from_number=None)).json()

    assert (changed["body"], changed["cancel_if_reply"]) == ("Changed", True)
    assert datetime.fromisoformat(changed["due_at"]) == datetime.fromisoformat(sooner)
    assert by_clock["zones"] == ["America/Phoenix"]
    assert (no_sender["from_number"], no_sender["body"]) == (None, "Changed")
    assert directory(texting) == {texting.a.company_id: datetime.fromisoformat(sooner)}
    for wrong, code in (
        ({"body": " "}, "empty_body"),
        ({"scheduled_at": "2020-01-01T00:00Z"}, "in_the_past"),
        ({"from_number": "+14155550201"}, "unknown_sender"),
        ({"to": "+16025550991"}, "invalid"),
        ({"scheduled_at": in_hours(1), "local_time": in_wall_clock(1)}, "invalid"),
    ):
        assert (await change(**wrong)).json()["code"] == code
    assert (await look(texting, texting.a, kept["id"]))["body"] == "Changed"


async def test_a_text_that_is_over_is_neither_changed_nor_sent(texting: Texting) -> None:
    kept = await scheduled(texting, texting.a)
    path = f"/api/sms/scheduled/{kept['id']}"

    canceled = await texting.call("DELETE", path, texting.a, scope="send")

    assert (canceled.status_code, canceled.json()["status"], canceled.json()["code"]) == (200, "canceled", "by_person")
    for method, tail, body in (("PATCH", "", {"body": "New"}), ("DELETE", "", None), ("POST", "/send-now", None)):
        answer = await texting.call(method, path + tail, texting.a, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_pending")
    assert texting.stored(texting.a, "sms_messages") == {"sms_messages": []}


async def test_send_now_hands_it_in_at_once_and_only_once(texting: Texting) -> None:
    kept = await scheduled(texting, texting.a, body="Now please")

    sent = await texting.call("POST", f"/api/sms/scheduled/{kept['id']}/send-now", texting.a, scope="send")

    assert (sent.status_code, sent.json()["status"]) == (200, "sent")
    text = await texting.message(texting.a, sent.json()["message_id"])
    assert (text["status"], text["source"], text["body"]) == ("queued", "scheduled", "Now please")
    again = await texting.call("POST", f"/api/sms/scheduled/{kept['id']}/send-now", texting.a)
    assert again.status_code == 409
    assert len(texting.stored(texting.a, "outbox")["outbox"]) == 1


async def test_send_now_that_the_gate_refuses_says_why(texting: Texting) -> None:
    kept = await scheduled(texting, texting.a)
    await texting.inbound(texting.a, body="STOP")

    answer = await texting.call("POST", f"/api/sms/scheduled/{kept['id']}/send-now", texting.a)

    assert (answer.json()["status"], answer.json()["code"]) == ("failed", "opted_out")
    assert (await texting.message(texting.a, answer.json()["message_id"]))["status"] == "refused"


PATHS = (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/send-now"))


@pytest.mark.parametrize(("method", "tail"), PATHS)
async def test_another_companys_text_is_an_unknown_one(texting: Texting, method: str, tail: str) -> None:
    kept = await scheduled(texting, texting.a)
    body = {"body": "Mine now"} if method == "PATCH" else None

    foreign = await texting.call(method, f"/api/sms/scheduled/{kept['id']}{tail}", texting.b, json=body)
    unknown = await texting.call(method, f"/api/sms/scheduled/{texting.a.company_id}{tail}", texting.b, json=body)

    assert (foreign.status_code, foreign.content) == (404, unknown.content)
    assert await look(texting, texting.a, kept["id"]) == kept
    assert (await texting.call(method, f"/api/sms/scheduled/{kept['id']}{tail}", texting.a, json=body)).is_success


async def test_nothing_of_another_company_can_be_named(texting: Texting) -> None:
    contact = await texting.call("POST", "/api/contacts", texting.b, json={"phone_number": CUSTOMER})
    template = await texting.call("POST", "/api/sms/templates", texting.b, json={"name": "Hi", "body": "Hi"})
    assert (contact.status_code, template.status_code) == (201, 201)

    for what in ({"contact_id": contact.json()["id"]}, {"template_id": template.json()["id"]}):
        assert (await schedule(texting, texting.a, **what)).json()["code"] == "not_found"
        assert (await schedule(texting, texting.b, **what)).status_code == 201
    mine = await texting.get("/api/sms/scheduled", texting.a, contact_id=contact.json()["id"])
    assert mine["items"] == []


async def test_readers_only_read_and_agents_change_only_their_own(texting: Texting) -> None:
    of_key = await scheduled(texting, texting.a)
    agent = await texting.world.log_in(texting.world.a.agent)
    manager = await texting.world.log_in(texting.world.a.manager)
    mine = (
        await agent.post("/api/sms/schedule", json={"to": CUSTOMER, "body": "Mine", "scheduled_at": in_hours(3)})
    ).json()

    assert (await schedule(texting, texting.a, scope="read")).status_code == 403
    for method, tail in PATHS[1:]:
        body = {"body": "Read"} if method == "PATCH" else None
        path = f"/api/sms/scheduled/{of_key['id']}{tail}"
        assert (await texting.call(method, path, texting.a, scope="read", json=body)).status_code == 403
        refused = await agent.request(method, path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_yours")
    assert mine["actor_name"] == texting.world.a.agent.name
    assert (await agent.patch(f"/api/sms/scheduled/{mine['id']}", json={"body": "Still mine"})).status_code == 200
    assert (await manager.patch(f"/api/sms/scheduled/{mine['id']}", json={"body": "Better"})).status_code == 200
    assert (await manager.delete(f"/api/sms/scheduled/{of_key['id']}")).status_code == 200
    assert (await texting.client.get("/api/sms/scheduled")).status_code == 401


def in_wall_clock(hours: float) -> str:
    """So many hours from now on a clock in Phoenix."""
    return (datetime.now(UTC) + timedelta(hours=hours - 7)).replace(tzinfo=None).isoformat()
