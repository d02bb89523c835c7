"""Callbacks that arrive together share transactions: each durable before its own 200, and none pays for another."""

import asyncio

import psycopg
import pytest

from ringfence.errors import BusyError
from ringfence.features.messages.actions.callback_intake import CallbackIntake
from ringfence.features.twilio_settings.errors import WebhookRefusedError
from tests.factories.texts import Texting, new_sid

TEXTS = 40


def transactions(texting: Texting) -> int:
    with psycopg.connect(texting.database.admin_url) as admin:
        row = admin.execute(
            "SELECT count(DISTINCT xmin::text) FROM webhook_events WHERE kind = 'status' AND company_id = %s",
            [texting.a.company_id],
        ).fetchone()
    assert row is not None
    return row[0]


async def test_many_at_once_need_few_transactions_and_end_as_one_after_the_other(texting: Texting) -> None:
    sent = [(await texting.sent(texting.a, to=f"+1602555{n:04}"), new_sid()) for n in range(TEXTS)]

    answers = await asyncio.gather(
        *(
            texting.status(texting.a, text["id"], sid, word)
            for text, sid in sent
            for word in ("sent", "queued", "delivered", "sent")
        )
    )

    assert {answer.status_code for answer in answers} == {200}
    told = [await texting.message(texting.a, text["id"]) for text, _ in sent]
    assert [(one["status"], one["twilio_sid"]) for one in told] == [("delivered", sid) for _, sid in sent]
    # The same word about the same text is kept once.
    assert len(texting.stored(texting.a, "webhook_events")["webhook_events"]) == 3 * TEXTS
    together = transactions(texting)
    assert together < TEXTS

    for n in range(3):
        await texting.status(texting.a, sent[n][0]["id"], sent[n][1], "read")
    assert transactions(texting) == together + 3, "the control: one after the other, each has its own"


async def test_a_forged_one_among_them_is_refused_alone(texting: Texting) -> None:
    first, second = await texting.sent(texting.a, body="1"), await texting.sent(texting.a, body="2")

    genuine, forged, stray = await asyncio.gather(
        texting.status(texting.a, first["id"], new_sid(), "sent"),
        texting.status(texting.a, second["id"], new_sid(), "delivered", token=texting.b.auth_token),
        texting.status(texting.a, "0193b3a0-0000-7000-8000-000000000000", new_sid(), "sent"),
    )

    assert (genuine.status_code, forged.status_code, stray.status_code) == (200, 403, 200)
    assert (await texting.message(texting.a, first["id"]))["status"] == "sent"
    assert (await texting.message(texting.a, second["id"]))["status"] == "queued"


async def test_one_that_the_database_refuses_costs_only_itself(texting: Texting) -> None:
    """A failing INSERT takes its whole transaction with it; the others of the batch are stored all the same."""
    texts = [await texting.sent(texting.a, body=str(n)) for n in range(3)]
    with psycopg.connect(texting.database.admin_url, autocommit=True) as admin:
        admin.execute("ALTER TABLE webhook_events ADD CHECK (parameters->>'MessageStatus' <> 'undelivered')")

    words = ("delivered", "undelivered", "delivered")
    answers = await asyncio.gather(
        *(texting.status(texting.a, text["id"], new_sid(), word) for text, word in zip(texts, words, strict=True)),
        return_exceptions=True,
    )

    # The test's transport hands an unexpected error on instead of answering 500.
    assert [getattr(answer, "status_code", "failed") for answer in answers] == [200, "failed", 200]
    told = [(await texting.message(texting.a, text["id"]))["status"] for text in texts]
    assert told == ["delivered", "queued", "delivered"]


async def test_two_companies_at_once_keep_their_own(texting: Texting) -> None:
    ours, theirs = await texting.sent(texting.a), await texting.sent(texting.b)

    answers = await asyncio.gather(
        texting.status(texting.a, ours["id"], new_sid(), "delivered"),
        texting.status(texting.b, theirs["id"], new_sid(), "sent"),
        # B's path and token, A's text: named with a code of A's.
        texting.status(texting.b, ours["id"], new_sid(), "failed", address_of=texting.a),
    )

    assert [answer.status_code for answer in answers] == [200, 200, 403]
    assert (await texting.message(texting.a, ours["id"]))["status"] == "delivered"
    assert (await texting.message(texting.b, theirs["id"]))["status"] == "sent"


async def test_beyond_what_may_wait_the_answer_is_to_come_again(texting: Texting) -> None:
    intake = CallbackIntake(texting.world.tenancy, texting.world.keyring, most_waiting=2)

    def refuse(_: object) -> object:
        raise WebhookRefusedError("signature")

    came = await asyncio.gather(
        *(intake.take_in(texting.a.company_id, refuse) for _ in range(3)),  # pyright: ignore
        return_exceptions=True,
    )

    assert [type(error) for error in came] == [WebhookRefusedError, WebhookRefusedError, BusyError]
    with pytest.raises(WebhookRefusedError):
        await intake.take_in(texting.a.company_id, refuse)  # pyright: ignore
