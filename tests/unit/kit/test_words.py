"""Words of texts in many languages."""

import pytest

from ringfence.kit.words import LONGEST, ends_in_word, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" … — !", []),
        ("Don't PANIC, don’t!", ["dont", "panic", "dont"]),
        ("Zoë und die Straße", ["zoe", "und", "die", "strasse"]),
        ("ＦＵＬＬ width", ["full", "width"]),
        ("İSTANBUL", ["istanbul"]),
        ("你好 world", ["你", "好", "world"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("مرحبا", ["مرحبا"]),
        ("+1 602-555-0990", ["1", "602", "555", "0990"]),
        ("ok👍🏽now", ["ok", "👍", "now"]),
        ("👨‍👩‍👧", ["👨", "👩", "👧"]),
        ("a_b c.d", ["a", "b", "c", "d"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_same_word_however_it_is_composed() -> None:
    assert words_of("Zoe\u0308") == words_of("Zo\u00eb")
    assert words_of("\u1112\u1161\u11ab") == words_of("한")


def test_very_long_word_counts_by_its_beginning() -> None:
    assert words_of("x" * 1000) == ["x" * LONGEST]


@pytest.mark.parametrize(("text", "unfinished"), [("", False), ("inv", True), ("inv ", False), ("inv.", False)])
def test_last_word_may_be_unfinished(text: str, unfinished: bool) -> None:
    assert ends_in_word(text) is unfinished
