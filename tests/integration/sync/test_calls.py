"""Calls and recordings from Twilio's log, and numbers under the same face."""

from datetime import timedelta
from typing import Any

from ringfence.features.calls.jobs import FetchRecordingHandler
from ringfence.features.calls.values.jobs import FetchRecording
from ringfence.features.messages.actions.media_store import MediaStore
from ringfence.kit.clock import utc_now
from tests.factories.syncing import LONG_AGO, Syncing, text_in
from tests.factories.texts import CUSTOMER

AGENT = "+16025550171"
PICTURE = "data:image/png;base64,iVBORw0KGgpub3QgbXVjaCBvZiBhIHBpY3R1cmU="


def call(sender: str, to: str, direction: str = "inbound", **more: Any) -> dict[str, Any]:
    what = {"status": "completed", "at": LONG_AGO.isoformat(), "seconds": 65, "price": "-0.01700"}
    return {"from": sender, "to": to, "direction": direction, **what, **more}


async def test_calls_of_both_directions_come_with_lengths_prices_and_sound(syncing: Syncing, tmp_path: Any) -> None:
    line = syncing.a
    leg = call(CUSTOMER, AGENT, "outbound-dial", seconds=60, price="-0.01400")
    later = (LONG_AGO + timedelta(hours=1)).isoformat()
    await syncing.history(
        line,
        calls=[
            call(CUSTOMER, line.number, legs=[leg], recordings=[60]),
            call(line.number, CUSTOMER, "outbound-api", status="busy", seconds=0, price=None, at=later),
            call(CUSTOMER, line.number, at=later, voicemail=True, recordings=[8]),
        ],
    )

    run = await syncing.sync(line, "calls", page_size=1)

    counts = {stage["name"]: stage for stage in run["stages"]}
    assert (run["status"], counts["calls"]["seen"], counts["calls"]["added"]) == ("done", 4, 3)
    assert counts["recordings"]["added"] == 2
    items = (await syncing.texting.get("/api/calls", line))["items"]
    talk = next(item for item in items if len(item["legs"]) == 2)
    assert (talk["direction"], talk["status"], talk["duration_seconds"]) == ("inbound", "completed", 60)
    assert (talk["price_micros"], talk["price_currency"], talk["source"]) == (31000, "USD", "sync")
    assert talk["created_at"] == "2026-01-05T09:00:00Z"
    assert [part["number"] for part in talk["legs"]] == [CUSTOMER, AGENT]
    others = {(item["direction"], item["status"], item["reason"]) for item in items if item is not talk}
    assert others == {("outbound", "busy", None), ("inbound", "no_answer", "voicemail")}

    handler = FetchRecordingHandler(syncing.gateway, syncing.texting.world.keyring, MediaStore(tmp_path))
    for row in syncing.texting.stored(line, "call_recordings")["call_recordings"]:
        await handler(syncing.context(line), FetchRecording(recording_id=row["id"]))
    shown = (await syncing.texting.get(f"/api/calls/{talk['id']}", line))["recordings"]
    assert [(item["kind"], item["status"]) for item in shown] == [("call", "stored")]

    again = await syncing.sync(line, "calls", whole=True)
    assert [stage["added"] for stage in again["stages"]] == [0, 0]
    assert len((await syncing.texting.get("/api/calls", line))["items"]) == 3


async def test_a_call_that_lasts_or_is_being_made_is_left_alone(syncing: Syncing) -> None:
    line, texting = syncing.a, syncing.texting
    texting.change(
        "INSERT INTO calls (company_id, id, direction, status, source, phone_number_id, our_number, outside_number,"
        " attempted_at, created_at, updated_at)"
        " SELECT company_id, gen_random_uuid(), 'outbound', 'queued', 'api', id, phone_number, %s, now(), now(), now()"
        " FROM phone_numbers WHERE company_id = %s AND phone_number = %s",
        CUSTOMER,
        line.company_id,
        line.number,
    )
    texting.change(
        "INSERT INTO call_legs (company_id, id, call_id, position, role, number, created_at)"
        " SELECT company_id, gen_random_uuid(), id, 0, 'user', %s, now() FROM calls WHERE company_id = %s",
        AGENT,
        line.company_id,
    )
    now = utc_now().isoformat()
    await syncing.history(
        line,
        calls=[
            call(line.number, AGENT, "outbound-api", at=now),
            call(line.number, CUSTOMER, "outbound-api", at=now),
        ],
    )

    run = await syncing.sync(line, "calls")

    assert run["stages"][0]["skipped"] == {"outcome_awaited": 1}
    assert run["stages"][0]["added"] == 1


async def test_full_does_everything_and_fetches_pictures_later(syncing: Syncing) -> None:
    line = syncing.a
    await syncing.history(
        line,
        [text_in(CUSTOMER, line.number, LONG_AGO, "Look", media=[PICTURE, PICTURE])],
        [call(CUSTOMER, line.number)],
    )

    run = await syncing.sync(line, "full")

    stages = [(stage["name"], stage["seen"], stage["added"]) for stage in run["stages"]]
    assert stages == [
        ("phone_numbers", 2, 0),
        ("messages", 1, 1),
        ("media", 1, 2),
        ("calls", 1, 1),
        ("recordings", 0, 0),
    ]
    (text,) = await syncing.messages(line)
    assert [item["status"] for item in text["media"]] == ["pending", "pending"]
    assert [item["content_type"] for item in text["media"]] == ["image/png", "image/png"]


async def test_numbers_are_synced_under_the_same_face(syncing: Syncing) -> None:
    line = syncing.a
    body = {"phone_number": "+16025550103"}
    added = await syncing.twilio.post(f"/emulator/accounts/{line.account_sid}/numbers", json=body)
    assert added.status_code == 201, added.text

    run = await syncing.sync(line, "phone-numbers")

    assert (run["kind"], run["status"], run["stages"][0]["added"]) == ("phone_numbers", "done", 1)
    status = await syncing.status(line)
    assert (status["connection"], status["phone_numbers"]["active"]) == ("verified", 3)
    assert status["phone_numbers"]["last_synced_at"] is not None
