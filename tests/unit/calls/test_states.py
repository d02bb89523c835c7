"""Whatever order news of a call arrives in, it ends in the same state and never goes back on the way."""

from datetime import UTC, datetime, timedelta
from itertools import accumulate
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.features.calls.values.states import CALL_RANKS, Leg, News, merge, whole

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENDS = ("completed", "busy", "no-answer", "failed", "canceled")


def leg(position: int, role: str) -> Leg:
    return Leg(UUID(int=position), role, position, "planned", None, None, None, None, None, None)


def news(sid: str, words: tuple[str, ...]) -> list[News]:
    return [
        News(sid=sid, status=word, at=NOON + timedelta(seconds=index), sequence=index, duration_seconds=None)
        for index, word in enumerate(words)
    ]


LIVES = st.sampled_from(
    [("initiated", "ringing", end) for end in ENDS if end != "completed"]
    + [
        ("initiated", "ringing", "in-progress", "completed"),
        ("initiated", "ringing", "in-progress"),
        ("initiated",),
        (),
    ]
)


@given(st.sampled_from(["inbound", "outbound"]), LIVES, LIVES, st.booleans(), st.randoms(use_true_random=False))
def test_any_order_ends_alike(direction: str, one: tuple[str, ...], two: tuple[str, ...], voicemail: bool, rng) -> None:
    told = [(0, item) for item in news("CA1", one)] + [(1, item) for item in news("CA2", two)]

    def play(order: list[tuple[int, News]]) -> tuple[object, ...]:
        legs = [leg(0, "user"), leg(1, "contact")]
        ranks = []
        for index, item in order:
            merge(legs[index], item)
            found = whole(direction, legs, voicemail=voicemail)
            ranks.append(CALL_RANKS[found.status])
        assert list(accumulate(ranks, max)) == ranks, (order, ranks)
        return whole(direction, legs, voicemail=voicemail).status, legs

    shuffled = told * 2
    rng.shuffle(shuffled)
    assert play(told) == play(shuffled)


@pytest.mark.parametrize(
    ("user", "contact", "status", "reason"),
    [
        ("planned", "planned", "queued", None),
        ("initiated", "planned", "initiated", None),
        ("in_progress", "planned", "ringing", None),
        ("in_progress", "ringing", "ringing", None),
        ("in_progress", "in_progress", "in_progress", None),
        ("in_progress", "completed", "completed", None),
        ("completed", "in_progress", "completed", None),
        ("completed", "busy", "busy", "contact_busy"),
        ("completed", "ringing", "canceled", "user_hung_up"),
        ("completed", "planned", "canceled", "user_hung_up"),
        ("no_answer", "planned", "no_answer", "user_no_answer"),
    ],
)
def test_a_call_of_ours_is_what_its_legs_say(user: str, contact: str, status: str, reason: str | None) -> None:
    legs = [leg(0, "user"), leg(1, "contact")]
    legs[0].status, legs[1].status = user, contact
    found = whole("outbound", legs, voicemail=False)
    assert (found.status, found.reason) == (status, reason)


def test_a_callbacks_word_stands_over_what_was_said_elsewhere() -> None:
    said = News(sid="CA2", status="no-answer", at=NOON)
    told = News(sid="CA2", status="canceled", at=NOON, sequence=2)
    for order in ((said, told), (told, said)):
        one = leg(1, "contact")
        for item in order:
            merge(one, item)
        assert one.status == "canceled"
    assert not merge(one, News(sid="CA9", status="completed", at=NOON, sequence=9))
