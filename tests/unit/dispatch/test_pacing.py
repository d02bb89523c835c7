"""Rates, limits and turns, without a clock: time is handed in."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.dispatch.pacing import BURST_SECONDS, AccountLimit, SenderRate, Turns, backoff_seconds

A, B, C = (UUID(int=n) for n in (1, 2, 3))


@given(
    rate=st.floats(0.1, 225),
    steps=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 12)), min_size=1, max_size=60),
)
def test_a_sender_never_exceeds_its_rate_over_any_stretch(rate: float, steps: list[tuple[float, int]]) -> None:
    """From any moment on: no more segments than burst + rate x time + the one text that may overdraw."""
    sender = SenderRate(rate, 0.0)
    now, sent = 0.0, list[tuple[float, int]]()
    for wait, wanted in steps:
        now += wait
        if sender.budget(now) > 0:
            segments = min(wanted, sender.budget(now))
            sender.spend(segments, now)
            sent.append((now, segments))
    burst = max(1.0, rate * BURST_SECONDS)
    for first, (start, _) in enumerate(sent):
        for end, _ in sent[first:]:
            total = sum(segments for at, segments in sent[first:] if at <= end)
            assert total <= burst + rate * (end - start) + 1e-6


def test_a_long_text_is_sent_whole_and_paid_for_afterwards() -> None:
    sender = SenderRate(1.0, 0.0)

    assert sender.budget(0.0) == 1
    sender.spend(5, 0.0)
    assert sender.budget(4.9) == 0
    assert sender.ready_in(1.0) == pytest.approx(4.0)
    assert sender.budget(5.0) == 1


def test_a_fast_sender_gets_a_quarter_second_at_once() -> None:
    sender = SenderRate(100.0, 0.0)

    assert sender.budget(0.0) == 25
    sender.spend(25, 0.0)
    assert sender.budget(0.0) == 0
    assert sender.budget(0.1) == 10


def test_ready_in_agrees_with_budget() -> None:
    sender = SenderRate(3.0, 0.0)
    sender.spend(4, 0.0)

    wait = sender.ready_in(0.0)
    assert sender.budget(wait - 0.01) == 0
    assert sender.budget(wait) >= 1


def test_account_limit_halves_once_a_second_and_grows_slowly() -> None:
    limit = AccountLimit(ceiling=100)
    limit.shrink(10.0)
    limit.shrink(10.5)
    assert limit.limit == 8
    limit.shrink(11.0)
    assert limit.limit == 4
    for _ in range(5):
        limit.grow()
    assert 4.9 < limit.limit < 5.3
    for _ in range(20_000):
        limit.grow()
    assert limit.limit == 100


def test_no_company_holds_more_than_its_share_and_a_newcomer_finds_room() -> None:
    turns, rooms = Turns(quantum=20), {A: 100, B: 100, C: 100}

    first = {s.company_id: s.slots for s in turns.shares([A, B], rooms, held={}, free=90, total=90)}
    assert first == {A: 30, B: 30}
    # Their answers are slow. They get no more, and the third company does.
    second = {s.company_id: s.slots for s in turns.shares([A, B, C], rooms, held=first, free=30, total=90)}
    assert second == {C: 23}


def test_turns_rotate_when_slots_are_scarce() -> None:
    turns, rooms = Turns(), {A: 9, B: 9, C: 9}
    served = [share.company_id for _ in range(6) for share in turns.shares([A, B, C], rooms, held={}, free=1, total=9)]

    assert served == [A, B, C, A, B, C]


def test_long_texts_cost_turns() -> None:
    """A company that took 60 segments has to let two turns pass; its neighbour goes on."""
    turns = Turns(quantum=20)

    def turn() -> list[UUID]:
        return [s.company_id for s in turns.shares([A, B], {A: 50, B: 50}, held={}, free=100, total=400)]

    assert turn() == [A, B]
    # Nobody else's turn forgives the debt, though A does not wait in it.
    turns.shares([B], {B: 50}, held={A: 1}, free=100, total=400)
    turns.took(A, 80, emptied=False)
    turns.took(B, 195, emptied=False)

    assert turn() == [B]
    turns.took(B, 20, emptied=False)
    assert turn() == [B]
    turns.took(B, 20, emptied=False)
    assert turn() == [B]
    turns.took(B, 20, emptied=False)
    assert set(turn()) == {A, B}


def test_debts_hold_up_nobody_when_nobody_else_could_go() -> None:
    turns = Turns(quantum=20)
    turns.took(A, 500, emptied=False)
    turns.took(B, 400, emptied=False)

    def turn(companies: list[UUID]) -> list[UUID]:
        rooms = dict.fromkeys(companies, 50)
        return [s.company_id for s in turns.shares(companies, rooms, held={}, free=100, total=100)]

    assert turn([A, B]) == [B]
    assert turn([A]) == [A]


def test_an_emptied_queue_keeps_no_credit() -> None:
    turns, rooms = Turns(quantum=20), {A: 50, B: 50}
    for _ in range(5):
        turns.shares([A, B], rooms, held={}, free=100, total=100)
    turns.took(A, 1, emptied=True)

    shares = {s.company_id: s.segments for s in turns.shares([A, B], rooms, held={}, free=100, total=100)}
    assert shares == {A: 20, B: 120}


def test_backoff_doubles_to_half_a_minute_and_honours_twilio() -> None:
    assert [backoff_seconds(n) for n in (0, 1, 2, 5, 6, 20)] == [0.5, 1.0, 2.0, 16.0, 30.0, 30.0]
    assert backoff_seconds(0, least=12) == 12
