"""The gate's order of words, holding, and the rules by which news is merged, apart from any door."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.dispatch.ports import Hold, Refuse, Text
from ringfence.features.messages.actions.merging import News, Record, merge, refuse
from ringfence.features.messages.queries import gate
from ringfence.features.messages.queries.gate import Connection, Facts
from ringfence.features.messages.values import FROM_TWILIO, RANKS, body_units
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.money import Money
from tests.factories.texts import Texting

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SID = "SM" + "1" * 32
ACCOUNT = "AC" + "1" * 32
WORKING = Connection(company_active=True, status="verified", reason=None)


def facts(**changes: object) -> Facts:
    return Facts(**{"connection": WORKING, "sender_refusal": None, "opted_out": False, "duplicate": False, **changes})


def record(status: str = "queued", sid: str | None = None) -> Record:
    return Record(new_id(), status, sid, None, None, None, None, None, None, None, "+16025550990")


def news(word: str | None, error_code: int | None = None, sid: str = SID) -> News:
    return News(sid=sid, account_sid=ACCOUNT, status=word, error_code=error_code, via="callback")


def test_gate_lets_out_what_nothing_speaks_against_and_names_the_first_reason() -> None:
    nothing = Refuse("no_sender", "none")
    assert gate.ask(facts()) is None
    for changes, code in (
        ({"opted_out": True, "duplicate": True, "sender_refusal": nothing}, "opted_out"),
        ({"connection": Connection(company_active=False, status="verified", reason=None)}, "company_suspended"),
        ({"connection": Connection(company_active=True, status=None, reason=None)}, "not_connected"),
        ({"connection": Connection(company_active=True, status="unverified", reason=None)}, "settings_unverified"),
        ({"connection": Connection(company_active=True, status="suspended", reason="Bill")}, "account_suspended"),
        ({"sender_refusal": nothing, "duplicate": True}, "no_sender"),
        ({"duplicate": True}, "duplicate"),
    ):
        answer = gate.ask(facts(**changes))
        assert isinstance(answer, Refuse)
        assert answer.code == code


def test_refusal_wins_over_a_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    hold = Hold(NOW, "quiet_hours", "Until noon")
    monkeypatch.setattr(gate, "CHECKS", (lambda _facts: hold, *gate.CHECKS))

    refused = gate.ask(facts(duplicate=True))

    assert gate.ask(facts()) == hold
    assert isinstance(refused, Refuse)


async def test_held_text_is_answered_202_waits_and_goes_out_later(
    texting: Texting, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = utc_now() + timedelta(hours=3)
    checks = gate.CHECKS
    monkeypatch.setattr(gate, "CHECKS", (*checks, lambda _facts: Hold(until, "quiet_hours", "Quiet until noon.")))

    text = await texting.sent(texting.a)

    assert (text["status"], text["refusal_code"], text["reason"]) == ("held", "quiet_hours", "Quiet until noon.")
    assert datetime.fromisoformat(text["not_before"]) == until
    assert texting.stored(texting.a)["outbox"][0]["due_at"] == until
    monkeypatch.setattr(gate, "CHECKS", checks)
    assert isinstance(await texting.judge(texting.a, text["id"]), Text)
    await texting.settle(texting.a, text["id"], SID)
    told = await texting.message(texting.a, text["id"])
    assert (told["status"], told["not_before"], told["reason"], told["refusal_code"]) == ("sending", None, None, None)
    assert [e["kind"] for e in await texting.timeline(texting.a, text["id"])] == ["held", "released", "accepted"]


async def test_dispatchers_hold_and_refusal_are_recorded_and_never_move_a_text_back(texting: Texting) -> None:
    text, done = await texting.sent(texting.a, body="1"), await texting.sent(texting.a, body="2")
    await texting.settle(texting.a, done["id"], SID)
    until = utc_now() + timedelta(hours=1)
    hold, word = Hold(until, "quiet_hours", "Quiet."), Refuse("opted_out", "Opted out.")
    ids = [UUID(text["id"]), UUID(done["id"])]

    async with texting.world.tenancy.tenant(texting.a.company_id) as session:
        await texting.texts.hold(session, dict.fromkeys(ids, hold))
    held = await texting.message(texting.a, text["id"])
    assert (held["status"], datetime.fromisoformat(held["not_before"])) == ("held", until)
    async with texting.world.tenancy.tenant(texting.a.company_id) as session:
        await texting.texts.refuse(session, dict.fromkeys(ids, word))

    told = await texting.message(texting.a, text["id"])
    assert (told["status"], told["refusal_code"], told["not_before"]) == ("refused", "opted_out", None)
    assert [e["kind"] for e in await texting.timeline(texting.a, text["id"])] == ["queued", "held", "refused"]
    assert (await texting.message(texting.a, done["id"]))["status"] == "sending"
    assert [e["kind"] for e in await texting.timeline(texting.a, done["id"])] == ["queued", "accepted"]


async def test_credentials_are_given_for_a_working_connection_only(texting: Texting) -> None:
    async def ask() -> object:
        async with texting.world.tenancy.tenant(texting.a.company_id) as session:
            return await texting.texts.credentials(session)

    given_out = await ask()
    assert (given_out.account_sid, given_out.auth_token) == (texting.a.account_sid, texting.a.auth_token)
    assert texting.a.auth_token not in repr(given_out)
    assert texting.a.webhook_path not in repr(given_out)
    for statement, code in (
        ("UPDATE twilio_settings SET status = 'suspended' WHERE company_id = %s", "account_suspended"),
        ("UPDATE twilio_settings SET sealed_auth_token = 'v1.x.y' WHERE company_id = %s", "account_suspended"),
        ("UPDATE twilio_settings SET status = 'verified' WHERE company_id = %s", "settings_unverified"),
        ("DELETE FROM twilio_settings WHERE company_id = %s", "not_connected"),
        ("UPDATE companies SET status = 'suspended' WHERE id = %s", "company_suspended"),
    ):
        texting.change(statement, texting.a.company_id)
        refused = await ask()
        assert isinstance(refused, Refuse)
        assert refused.code == code


@settings(max_examples=200, deadline=None)
@given(words=st.lists(st.sampled_from(["accepted", "queued", "sending", "sent", "delivered", "nonsense"]), min_size=1))
def test_news_in_any_order_and_number_leaves_the_furthest_status(words: list[str]) -> None:
    text = record()
    for word in words:
        merge(text, news(word), now=NOW)

    ranks = [RANKS[FROM_TWILIO.get(word, "sending")] for word in words]
    assert RANKS[text.status] == max(ranks)
    assert text.twilio_sid == SID


@settings(max_examples=200, deadline=None)
@given(words=st.lists(st.sampled_from(["sent", "delivered", "undelivered", "failed", "read"]), min_size=1, max_size=8))
def test_status_never_goes_back_and_the_first_end_stands(words: list[str]) -> None:
    text = record()
    for word in words:
        before = text.status
        merge(text, news(word, 30003 if word in {"undelivered", "failed"} else None), now=NOW)
        assert RANKS[text.status] > RANKS[before] or text.status == before

    ends = [word for word in words if word in {"delivered", "undelivered", "failed"}]
    if "read" in words:
        assert text.status == "read"
    elif ends:
        assert text.status == ends[0]


@settings(max_examples=100, deadline=None)
@given(prices=st.lists(st.sampled_from([None, -7500, -15000]), min_size=1), end=st.sampled_from(["delivered", "sent"]))
def test_the_settled_price_stays_whatever_is_told_after_it(prices: list[int | None], end: str) -> None:
    text = record()
    for micros in prices:
        money = None if micros is None else Money(micros, "USD")
        merge(text, replace(news(end), price=money, num_segments=2 if micros == -15000 else 1), now=NOW)

    known = [-micros for micros in prices if micros is not None]
    assert text.price_micros == max(known, default=None)
    assert text.price_currency == ("USD" if known else None)
    assert text.num_segments == (2 if -15000 in prices else 1)


def test_refusal_after_acceptance_is_noted_only() -> None:
    text = record("sent", SID)

    merged = refuse(text, error_code=21610, attempt=1)

    assert (text.status, text.changed) == ("sent", False)
    assert [event.kind for event in merged.events] == ["anomaly"]


def test_emoji_count_as_twilio_counts_them() -> None:
    assert [body_units(body) for body in ("a", "é", "字", "😀", "👩‍👧")] == [1, 1, 1, 2, 5]
