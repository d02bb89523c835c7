"""`Idempotency-Key`: one request, one text, one answer."""

import asyncio

from tests.factories.texts import CUSTOMER, Texting


async def test_same_key_and_body_get_the_first_answer_byte_for_byte(texting: Texting) -> None:
    first = await texting.send(texting.a, key="order-1", body="Only once")
    texting.change("UPDATE sms_messages SET status = 'sent', created_at = created_at - interval '1 minute'")

    again = await texting.send(texting.a, key="order-1", body="Only once")

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert len(texting.stored(texting.a, "outbox")["outbox"]) == 1
    other = await texting.send(texting.a, key="order-1", body="Something else")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len(texting.stored(texting.a, "sms_messages")["sms_messages"]) == 1


async def test_refusal_is_an_answer_too_and_a_mistake_is_not(texting: Texting) -> None:
    opted_out = {"outside_number": CUSTOMER}
    assert (await texting.call("POST", "/api/sms/opt-outs", texting.a, json=opted_out)).status_code == 201

    refused = await texting.send(texting.a, key="k1")
    again = await texting.send(texting.a, key="k1")
    mistaken = await texting.send(texting.a, key="k2", to="nobody")
    mended = await texting.send(texting.a, key="k2", to="+16025550991")

    assert (refused.status_code, refused.json()["code"]) == (422, "opted_out")
    assert again.content == refused.content
    assert (mistaken.status_code, mended.status_code) == (422, 202)
    assert len(texting.stored(texting.a, "sms_messages")["sms_messages"]) == 2


async def test_requests_with_one_key_at_once_make_one_text(texting: Texting) -> None:
    answers = await asyncio.gather(*(texting.send(texting.a, key="at-once", allow_duplicate=True) for _ in range(4)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len(texting.stored(texting.a, "sms_messages")["sms_messages"]) == 1


async def test_keys_are_each_companys_own_and_last_a_day(texting: Texting) -> None:
    a = await texting.sent(texting.a, key="shared", body="Of a")
    b = await texting.sent(texting.b, key="shared", body="Of b")

    assert (a["body"], b["body"]) == ("Of a", "Of b")
    texting.change("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'")
    new = await texting.sent(texting.a, key="shared", body="Next day")
    assert new["body"] == "Next day"


async def test_key_must_be_plain_text(texting: Texting) -> None:
    for key in ("with space", "x" * 201):
        answer = await texting.send(texting.a, key=key)
        assert answer.status_code == 422
    assert texting.stored(texting.a, "sms_messages") == {"sms_messages": []}
    await texting.sent(texting.a, key="x" * 200)
