"""News of sent texts: responses, callbacks and look-ups in any order lead to the same record, and only forward."""

import asyncio
import secrets
from itertools import permutations
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

from ringfence.dispatch.ports import Noted
from tests.factories.texts import CUSTOMER, Texting, new_sid

KEPT = ("status", "twilio_sid", "account_sid", "error_code", "reason", "refusal_code")


def record(texting: Texting, message_id: str) -> dict[str, Any]:
    rows = texting.stored(texting.a, "sms_messages")["sms_messages"]
    row = next(row for row in rows if str(row["id"]) == message_id)
    return {name: row[name] for name in KEPT}


async def test_callbacks_in_every_order_and_twice_end_alike(texting: Texting) -> None:
    words = ("queued", "sending", "sent", "delivered")
    for number, order in enumerate(permutations(words)):
        text = await texting.sent(texting.a, to=f"+1602555{number:04}")
        sid = new_sid()
        for word in (*order, *order):
            assert (await texting.status(texting.a, text["id"], sid, word)).status_code == 200

        told = await texting.message(texting.a, text["id"])
        assert (told["status"], told["twilio_sid"], told["error_code"]) == ("delivered", sid, None), order
    assert texting.stored(texting.a, "outbox") == {"outbox": []}


async def test_callback_before_the_response_adopts_the_text(texting: Texting) -> None:
    text, sid = await texting.sent(texting.a), new_sid()
    texting.change("UPDATE outbox SET state = 'posting', attempt = 1")

    await texting.status(texting.a, text["id"], sid, "sent")
    assert texting.stored(texting.a, "outbox") == {"outbox": []}
    await texting.settle(texting.a, text["id"], sid, status="queued")

    told = await texting.message(texting.a, text["id"])
    assert (told["status"], told["twilio_sid"]) == ("sent", sid)
    assert told["accepted_at"] is not None
    assert [e["kind"] for e in await texting.timeline(texting.a, text["id"])] == ["queued", "accepted", "status"]


async def test_late_callback_adopts_an_unconfirmed_text(texting: Texting) -> None:
    text, sid = await texting.sent(texting.a), new_sid()
    async with texting.world.tenancy.tenant(texting.a.company_id) as session:
        await texting.texts.note(session, [Noted(UUID(text["id"]), 1, "unconfirmed", {})])
    assert (await texting.message(texting.a, text["id"]))["status"] == "unconfirmed"

    await texting.status(texting.a, text["id"], sid, "delivered")

    told = await texting.message(texting.a, text["id"])
    assert (told["status"], told["twilio_sid"], told["reason"]) == ("delivered", sid, None)


async def test_first_final_status_stands_and_the_other_is_noted(texting: Texting) -> None:
    text, sid = await texting.sent(texting.a), new_sid()

    await texting.status(texting.a, text["id"], sid, "undelivered", fields={"ErrorCode": "30003"})
    await texting.status(texting.a, text["id"], sid, "delivered")
    await texting.status(texting.a, text["id"], sid, "sent")

    told = await texting.message(texting.a, text["id"])
    assert (told["status"], told["error_code"]) == ("undelivered", 30003)
    assert told["reason"]
    anomalies = [e["detail"] for e in await texting.timeline(texting.a, text["id"]) if e["kind"] == "anomaly"]
    assert [(a["what"], a["twilio_status"], a["kept"]) for a in anomalies] == [
        ("second_final_status", "delivered", "undelivered")
    ]


async def test_second_sid_of_one_text_is_noted_and_changes_nothing(texting: Texting) -> None:
    text, sid = await texting.sent(texting.a), new_sid()
    await texting.status(texting.a, text["id"], sid, "sent")

    await texting.status(texting.a, text["id"], new_sid(), "delivered")

    told = await texting.message(texting.a, text["id"])
    assert (told["status"], told["twilio_sid"]) == ("sent", sid)
    assert "anomaly" in [e["kind"] for e in await texting.timeline(texting.a, text["id"])]


async def test_sid_of_another_text_is_not_adopted(texting: Texting) -> None:
    first, sid = await texting.sent(texting.a, body="1"), new_sid()
    second = await texting.sent(texting.a, body="2")
    await texting.settle(texting.a, first["id"], sid)
    before = record(texting, second["id"])

    await texting.status(texting.a, second["id"], sid, "delivered")
    await texting.settle(texting.a, second["id"], sid, via="list")

    assert record(texting, second["id"]) == before
    assert (await texting.message(texting.a, first["id"]))["status"] == "sending"
    assert [e["kind"] for e in await texting.timeline(texting.a, second["id"])] == ["queued", "anomaly", "anomaly"]


async def test_refusal_by_twilio_is_a_failure_with_plain_words(texting: Texting) -> None:
    text = await texting.sent(texting.a)

    await texting.settle(texting.a, text["id"], error_code=21614)

    told = await texting.message(texting.a, text["id"])
    assert (told["status"], told["error_code"], told["twilio_sid"]) == ("failed", 21614, None)
    assert "21614" not in told["reason"]
    await texting.status(texting.a, text["id"], new_sid(), "delivered")
    assert (await texting.message(texting.a, text["id"]))["status"] == "failed"


@pytest.mark.parametrize("how", ["response", "callback"])
async def test_21610_opts_out_and_start_opts_in(texting: Texting, how: str) -> None:
    text = await texting.sent(texting.a)
    if how == "response":
        await texting.settle(texting.a, text["id"], error_code=21610)
    else:
        await texting.status(texting.a, text["id"], new_sid(), "failed", fields={"ErrorCode": "21610"})

    assert (await texting.send(texting.a, body="Again")).json()["code"] == "opted_out"
    assert (await texting.send(texting.b, body="Other company")).status_code == 202
    opt_out = (await texting.get("/api/sms/opt-outs", texting.a, number=CUSTOMER))["items"][0]
    assert (opt_out["source"], opt_out["ended_at"]) == ("twilio_21610", None)
    await texting.inbound(texting.a, body="START")
    await texting.sent(texting.a, body="Welcome back")


async def test_callbacks_about_nothing_of_ours_are_taken_and_forgotten(texting: Texting) -> None:
    text = await texting.sent(texting.a)
    before = texting.stored(texting.a)

    gone = await texting.status(texting.a, "0193b3a0-0000-7000-8000-000000000000", new_sid(), "sent")
    elsewhere = await texting.status(texting.a, text["id"], new_sid(), "sent", query="")
    assert (gone.status_code, elsewhere.status_code) == (200, 200)

    assert texting.stored(texting.a) == before
    # Without our query a text is found by its SID; a word that Twilio adds one day changes nothing.
    sid = new_sid()
    await texting.settle(texting.a, text["id"], sid)
    assert (await texting.status(texting.a, text["id"], sid, "levitating", query="")).status_code == 200
    assert (await texting.message(texting.a, text["id"]))["status"] == "sending"
    assert (await texting.status(texting.a, text["id"], sid, "delivered", query="")).status_code == 200
    assert (await texting.message(texting.a, text["id"]))["status"] == "delivered"


async def test_forged_callbacks_are_refused_alike_and_change_nothing(texting: Texting) -> None:
    text = await texting.sent(texting.a)
    theirs = await texting.sent(texting.b)
    sid, b_sid = new_sid(), new_sid()
    await texting.settle(texting.a, text["id"], sid)
    await texting.settle(texting.b, theirs["id"], b_sid)
    before = texting.stored(texting.a), texting.stored(texting.b)
    wrong_code = urlencode({"message_id": text["id"], "attempt": 1, "code": "0" * 64})
    other_attempt = texting.callback_query(texting.a, text["id"], 1).replace("attempt=1", "attempt=2")
    forgeries: list[dict[str, Any]] = [
        {"signed": False},
        {"signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
        {"token": texting.b.auth_token},
        {"path": "no-such-path"},
        {"path": texting.b.webhook_path},
        {"fields": {"AccountSid": texting.b.account_sid}},
        {"fields": {"MessageStatus": "", "SmsStatus": ""}},
        {"fields": {"MessageSid": secrets.token_hex(5000)}},
        {"fields": {"MessageStatus": secrets.token_hex(5000)}},
        {"query": wrong_code},
        {"query": other_attempt},
        {"query": urlencode({"message_id": text["id"]})},
        {"query": urlencode({"code": "", "message_id": "", "attempt": ""})},
    ]

    for forged in forgeries:
        answer = await texting.status(texting.a, text["id"], sid, "delivered", **forged)
        assert (answer.status_code, answer.content) == (403, b""), forged
    # A's own account names B's text, with B's own code, and B's SID: neither is known on A's path.
    named = await texting.status(texting.a, theirs["id"], b_sid, "failed", address_of=texting.b)
    by_sid = await texting.status(texting.a, theirs["id"], b_sid, "failed", query="")
    own_code = await texting.status(texting.a, theirs["id"], b_sid, "failed")

    assert (named.status_code, by_sid.status_code, own_code.status_code) == (403, 200, 200)
    assert (texting.stored(texting.a), texting.stored(texting.b)) == before
    assert (await texting.status(texting.a, text["id"], sid, "delivered")).status_code == 200
    assert (await texting.message(texting.a, text["id"]))["status"] == "delivered"


async def test_callbacks_at_once_and_the_response_leave_one_sound_record(texting: Texting) -> None:
    text, sid = await texting.sent(texting.a), new_sid()
    texting.change("UPDATE outbox SET state = 'posting', attempt = 1")

    await asyncio.gather(
        texting.settle(texting.a, text["id"], sid),
        *(texting.status(texting.a, text["id"], sid, word) for word in ("sent", "delivered", "queued", "sent")),
    )

    assert record(texting, text["id"]) == {
        "status": "delivered",
        "twilio_sid": sid,
        "account_sid": texting.a.account_sid,
        "error_code": None,
        "reason": None,
        "refusal_code": None,
    }
    assert [e["kind"] for e in await texting.timeline(texting.a, text["id"])].count("accepted") == 1
