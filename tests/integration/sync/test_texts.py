"""Texts from Twilio's log: all pages, silently, in their order and at their times, and never a double."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from ringfence.features.sync.values import RunSync
from ringfence.kit.clock import utc_now
from tests.factories.syncing import LONG_AGO, Syncing, text_in, text_out
from tests.factories.texts import CUSTOMER, new_sid

OTHER = "+16025550991"


def a_past(number: str, count: int) -> list[dict[str, Any]]:
    """Texts in and out, oldest first, two of them in the same second each time."""
    return [
        (text_in(CUSTOMER, number, at, f"Question {n}") if n % 2 else text_out(number, CUSTOMER, at, f"Answer {n}"))
        for n in range(count)
        for at in [LONG_AGO + timedelta(seconds=n // 2)]
    ]


async def test_the_whole_history_comes_silently_in_order_and_at_its_times(syncing: Syncing) -> None:
    line = syncing.a
    past = a_past(line.number, 45)
    sids = (await syncing.history(line, past))["texts"]
    contact = await syncing.texting.call("POST", "/api/contacts", line, json={"phone_number": CUSTOMER})

    run = await syncing.sync(line)

    assert (run["status"], [stage["state"] for stage in run["stages"]]) == ("done", ["done", "done"])
    stage = run["stages"][0]
    assert (stage["seen"], stage["added"], stage["changed"], stage["skipped"]) == (45, 45, 0, {})
    texts = await syncing.messages(line)
    assert [text["twilio_sid"] for text in texts] == sids
    assert [text["body"] for text in texts] == [item["body"] for item in past]
    assert [text["created_at"][:19] for text in texts] == [item["at"][:19] for item in past]
    assert {text["source"] for text in texts} == {"sync"}
    assert {(text["direction"], text["status"], text["price_micros"]) for text in texts} == {
        ("inbound", "received", None),
        ("outbound", "delivered", 7500),
    }
    assert {text["contact_id"] for text in texts} == {contact.json()["id"]}
    thread = await syncing.thread(line)
    assert (thread["unread_count"], thread["last_preview"], thread["last_direction"]) == (0, "Answer 44", "outbound")
    assert thread["last_message_at"][:19] == past[-1]["at"][:19]
    assert [event["kind"] for event in await syncing.texting.timeline(line, texts[0]["id"])] == ["recorded"]
    rows = syncing.texting.stored(line, "outbox", "webhook_events", "events")
    assert not rows["outbox"]
    assert not rows["webhook_events"]
    assert {row["kind"] for row in rows["events"]} == {"sync.progress"}
    assert {str(row["subject_id"]) for row in rows["events"]} == {run["id"]}


async def test_a_second_sync_adds_nothing_and_begins_where_the_first_ended(syncing: Syncing) -> None:
    line = syncing.a
    await syncing.history(line, a_past(line.number, 10))
    first = await syncing.sync(line)
    before = syncing.ids(line)
    await syncing.history(line, [text_out(line.number, OTHER, utc_now() - timedelta(minutes=5), "From the old tool")])

    again, whole = await syncing.sync(line), await syncing.sync(line, whole=True)

    assert first["stages"][0]["added"] == 10
    assert (again["stages"][0]["seen"], again["stages"][0]["added"]) == (1, 1)
    assert (whole["stages"][0]["seen"], whole["stages"][0]["added"], whole["stages"][0]["changed"]) == (11, 0, 0)
    assert len(syncing.ids(line) - before) == 1
    thread = await syncing.thread(line, OTHER)
    assert (thread["last_preview"], thread["unread_count"]) == ("From the old tool", 0)


async def test_since_looks_at_a_part_and_leaves_the_rest_for_later(syncing: Syncing) -> None:
    line = syncing.a
    await syncing.history(line, a_past(line.number, 10))

    part = await syncing.sync(line, since=(LONG_AGO + timedelta(seconds=3)).isoformat())
    rest = await syncing.sync(line)

    assert (part["stages"][0]["added"], rest["stages"][0]["added"]) == (4, 6)
    assert (await syncing.ask(line, since="2026-01-01T00:00:00Z", whole=True)).status_code == 422
    assert (await syncing.ask(line, since="2026-01-01T00:00:00")).status_code == 422
    assert (await syncing.ask(line, company_id=str(line.company_id))).status_code == 422


async def test_an_older_text_does_not_become_the_last_one(syncing: Syncing) -> None:
    line = syncing.a
    assert (await syncing.texting.inbound(line, body="Today")).status_code == 200
    await syncing.history(line, [text_in(CUSTOMER, line.number, LONG_AGO, "Long ago")])

    await syncing.sync(line)

    thread = await syncing.thread(line)
    assert (thread["last_preview"], thread["unread_count"]) == ("Today", 1)
    assert thread["created_at"][:10] == "2026-01-05"


async def test_a_text_of_ours_is_found_again_and_moves_forward_only(syncing: Syncing) -> None:
    """The SID is known: status and price are merged, and there is no second row."""
    line, texting = syncing.a, syncing.texting
    at = utc_now()
    sids = (
        await syncing.history(
            line,
            [
                text_out(line.number, CUSTOMER, at, "One"),
                text_out(line.number, CUSTOMER, at, "Two", status="sent", price=None),
            ],
        )
    )["texts"]
    one, two = await texting.sent(line, body="One"), await texting.sent(line, body="Two")
    await texting.settle(line, one["id"], sids[0])
    await texting.settle(line, two["id"], sids[1])
    assert (await texting.status(line, two["id"], sids[1], "delivered")).status_code == 200

    run = await syncing.sync(line)

    stage = run["stages"][0]
    assert (stage["added"], stage["statuses_fixed"], stage["prices_filled"]) == (0, 1, 1)
    found = {text["id"]: text for text in await syncing.messages(line)}
    assert len(found) == 2
    assert (found[one["id"]]["status"], found[one["id"]]["price_micros"]) == ("delivered", 7500)
    assert found[one["id"]]["price_currency"] == "USD"
    assert (found[two["id"]]["status"], found[two["id"]]["source"]) == ("delivered", "api")


async def test_a_text_whose_outcome_is_open_is_left_to_the_engine(syncing: Syncing) -> None:
    """Twilio has it, we do not know yet: a sync in that moment must not make a double of it."""
    line, texting = syncing.a, syncing.texting
    text = await texting.sent(line, body="In flight")
    texting.change(
        "INSERT INTO send_attempt (company_id, message_id, attempt, fence, started_at) VALUES (%s, %s, 1, 1, now())",
        line.company_id,
        text["id"],
    )
    texting.change("UPDATE outbox SET state = 'posting', attempt = 1 WHERE message_id = %s", text["id"])
    (sid,) = (await syncing.history(line, [text_out(line.number, CUSTOMER, utc_now(), "In flight")]))["texts"]

    during = await syncing.sync(line)
    assert during["stages"][0]["skipped"] == {"outcome_awaited": 1}
    assert len(await syncing.messages(line)) == 1
    assert (await texting.status(line, text["id"], sid, "delivered")).status_code == 200
    after = await syncing.sync(line)

    (only,) = await syncing.messages(line)
    assert (only["id"], only["status"], only["twilio_sid"]) == (text["id"], "delivered", sid)
    assert after["stages"][0]["skipped"] == {}


@pytest.mark.parametrize("at_twilio", [1, 2])
async def test_an_unconfirmed_text_is_adopted_when_it_can_only_be_that_one(syncing: Syncing, at_twilio: int) -> None:
    line, texting = syncing.a, syncing.texting
    text = await texting.sent(line, body="Did it go?")
    texting.change(
        "INSERT INTO send_attempt (company_id, message_id, attempt, fence, started_at) VALUES (%s, %s, 1, 1, now())",
        line.company_id,
        text["id"],
    )
    texting.change("DELETE FROM outbox WHERE message_id = %s", text["id"])
    texting.change("UPDATE sms_messages SET status = 'unconfirmed' WHERE id = %s", text["id"])
    await syncing.history(line, [text_out(line.number, CUSTOMER, utc_now(), "Did it go?")] * at_twilio)
    await syncing.history(line, [text_out(line.number, OTHER, utc_now(), "Did it go?")])

    run = await syncing.sync(line)

    told = await texting.message(line, text["id"])
    assert len(await syncing.messages(line)) == 2
    if at_twilio == 1:
        assert (told["status"], told["price_micros"]) == ("delivered", 7500)
        assert run["stages"][0]["skipped"] == {}
    else:
        assert told["status"] == "unconfirmed"
        assert run["stages"][0]["skipped"] == {"unclear_whose": 2}


async def test_two_syncs_at_once_are_one(syncing: Syncing) -> None:
    line = syncing.a
    await syncing.history(line, a_past(line.number, 30))

    answers = await asyncio.gather(*(syncing.ask(line, what) for what in ("messages", "messages", "calls", "full")))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    (run,) = syncing.runs(line)
    assert set(run["stages"]) == {"phone_numbers", "messages", "media", "calls", "recordings"}
    # Two workers at the same run: one finds itself overtaken, and nothing is counted or stored twice.
    handlers = [syncing.handler(page_size=5)(syncing.context(line), RunSync(run_id=run["id"])) for _ in range(2)]
    await asyncio.gather(*handlers)
    await syncing.work(line)
    (done,) = (await syncing.status(line))["runs"]
    counts = {stage["name"]: stage for stage in done["stages"]}
    assert done["status"] == "done"
    assert (counts["messages"]["seen"], counts["messages"]["added"]) == (30, 30)
    assert len(await syncing.messages(line)) == 30
    assert (await syncing.ask(line)).json()["id"] != done["id"]


async def test_a_busy_twilio_is_waited_for_and_the_run_goes_on_at_its_page(syncing: Syncing) -> None:
    line = syncing.a
    await syncing.history(line, a_past(line.number, 25))
    assert (await syncing.ask(line)).status_code == 202
    await syncing.fault("429", count=1, retry_after=30)

    await syncing.work(line, page_size=10)
    (waiting,) = (await syncing.status(line))["runs"]
    assert waiting["status"] == "running"
    assert waiting["error"] == "Twilio has too many requests from this account under way."
    assert waiting["waits_until"] is not None
    await syncing.work(line, page_size=10)

    (done,) = (await syncing.status(line))["runs"]
    assert (done["status"], done["error"], done["stages"][0]["added"]) == ("done", None, 25)


async def test_refused_credentials_end_the_run_in_plain_words(syncing: Syncing) -> None:
    line = syncing.a
    await syncing.twilio.patch(f"/emulator/accounts/{line.account_sid}", json={"auth_token": "f" * 32})

    run = await syncing.sync(line)

    assert (run["status"], run["error_code"]) == ("failed", "twilio_credentials_refused")
    assert "auth token" in run["error"]
    assert (await syncing.status(line))["connection"] == "unverified"
    assert (await syncing.texting.call("DELETE", "/api/twilio-settings", line)).status_code == 204
    assert (await syncing.ask(line)).json()["code"] == "twilio_not_connected"


async def test_what_postgresql_cannot_keep_is_left_out_of_a_body(syncing: Syncing) -> None:
    line = syncing.a
    (sid,) = (await syncing.history(line, [text_in(CUSTOMER, line.number, LONG_AGO, "A\x00B")]))["texts"]
    await syncing.history(line, [text_in("whatsapp:+16025550990", line.number, LONG_AGO, "Not by SMS")])

    run = await syncing.sync(line)

    assert run["stages"][0]["skipped"] == {"not_a_text": 1}
    (text,) = await syncing.messages(line)
    assert (text["twilio_sid"], text["body"]) == (sid, "AB")


async def test_a_foreign_sid_changes_nothing_here(syncing: Syncing) -> None:
    """A text that is settled under another SID keeps it: the one in the log is somebody else's."""
    line, texting = syncing.a, syncing.texting
    text = await texting.sent(line, body="Same words")
    await texting.settle(line, text["id"], new_sid())
    await syncing.history(line, [text_out(line.number, CUSTOMER, utc_now(), "Same words")])

    run = await syncing.sync(line)

    assert run["stages"][0]["added"] == 1
    assert len(await syncing.messages(line)) == 2
