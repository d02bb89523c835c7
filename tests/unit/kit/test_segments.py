"""Counting SMS parts: known vectors and the properties that hold for every text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.kit.segments import costly_characters, count_segments, gsm_twin

GSM_ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà\f^{}\\[~]|€"
)
gsm_texts = st.text(alphabet=GSM_ALPHABET, max_size=700)
all_texts = st.text(max_size=400)

VECTORS = [
    ("a" * 160, "GSM-7", 160, 1),
    ("a" * 161, "GSM-7", 161, 2),
    ("a" * 306, "GSM-7", 306, 2),
    ("a" * 307, "GSM-7", 307, 3),
    ("€" * 80, "GSM-7", 160, 1),
    ("€" * 81, "GSM-7", 162, 2),
    ("a" * 159 + "€", "GSM-7", 161, 2),
    ("a" * 152 + "€" + "a" * 152, "GSM-7", 306, 3),
    ("字" * 70, "UCS-2", 70, 1),
    ("字" * 71, "UCS-2", 71, 2),
    ("字" * 134, "UCS-2", 134, 2),
    ("字" * 135, "UCS-2", 135, 3),
    ("😀" * 35, "UCS-2", 70, 1),
    ("😀" * 36, "UCS-2", 72, 2),
    ("😀" * 66, "UCS-2", 132, 2),
    ("😀" * 67, "UCS-2", 134, 3),
    ("’" + "a" * 100, "UCS-2", 101, 2),
    ("a" * 1600, "GSM-7", 1600, 11),
    ("字" * 1600, "UCS-2", 1600, 24),
    ("", "GSM-7", 0, 1),
]


@pytest.mark.parametrize(("body", "encoding", "units", "segments"), VECTORS)
def test_known_texts_take_the_known_number_of_parts(body: str, encoding: str, units: int, segments: int) -> None:
    counted = count_segments(body)
    assert (counted.encoding, counted.units, counted.segments) == (encoding, units, segments)


def test_every_character_of_the_alphabet_is_gsm7_and_its_neighbours_are_not() -> None:
    for char in GSM_ALPHABET:
        assert count_segments(char).encoding == "GSM-7", repr(char)
    for char in "`\tç‘’“”\u00a0êâ\x1b\x00字😀":
        assert count_segments(char).encoding == "UCS-2", repr(char)


@given(gsm_texts)
def test_gsm_texts_have_no_costly_characters(body: str) -> None:
    assert costly_characters(body) == []
    assert count_segments(body).encoding == "GSM-7"


@given(all_texts)
def test_costly_characters_are_exactly_what_forces_ucs2(body: str) -> None:
    costly = costly_characters(body)
    assert all(body[index] == char for index, char in costly)
    assert (count_segments(body).encoding == "UCS-2") == bool(costly)
    without = "".join(char for index, char in enumerate(body) if (index, char) not in costly)
    assert count_segments(without).encoding == "GSM-7"


@given(all_texts)
def test_ucs2_units_are_utf16_units(body: str) -> None:
    counted = count_segments(body + "字")
    assert counted.units == len((body + "字").encode("utf-16-le", "surrogatepass")) // 2


@given(st.one_of(gsm_texts, all_texts))
def test_parts_are_bounded_by_units(body: str) -> None:
    counted = count_segments(body)
    single, part = (160, 153) if counted.encoding == "GSM-7" else (70, 67)
    if counted.units <= single:
        assert counted.segments == 1
    else:
        # A pair kept whole leaves at most one unit of a part unused.
        assert -(-counted.units // part) <= counted.segments <= -(-counted.units // (part - 1))


@given(st.one_of(gsm_texts, all_texts), st.sampled_from(GSM_ALPHABET + "字😀"))
def test_adding_a_character_never_makes_a_text_cheaper(body: str, char: str) -> None:
    assert count_segments(body + char).segments >= count_segments(body).segments


def test_a_lone_surrogate_counts_as_one_unit_and_raises_nothing() -> None:
    assert count_segments("\ud83d").units == 1


def test_twins_are_gsm7_and_stand_for_characters_that_are_not() -> None:
    assert gsm_twin("’") == "'"
    assert gsm_twin("…") == "..."
    assert gsm_twin("字") is None
    assert gsm_twin("a") is None
    for char in map(chr, range(0x3000)):
        twin = gsm_twin(char)
        if twin is not None:
            assert costly_characters(char) == [(0, char)]
            assert costly_characters(twin) == []
