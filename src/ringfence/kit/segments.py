"""How many SMS parts a text takes, and which of its characters make it cost more.

The alphabets and part sizes are those of 3GPP TS 23.038 and TS 23.040: a text whose characters are all in
the GSM-7 alphabet carries 160 septets alone or 153 in each part of a split text; any other character makes
the whole text UCS-2, with 70 UTF-16 units alone or 67 in each part. The rule followed here: an escape pair
(GSM-7) and a surrogate pair (UCS-2) are never cut in two, so a part may go out one unit short; characters
that only a font joins (an emoji of several code points, a letter and its accent) may be cut between code
points. Twilio's `num_segments` is what is billed; this count is what pacing and previews use before that.
"""

from dataclasses import dataclass
from typing import Final, Literal

Encoding = Literal["GSM-7", "UCS-2"]

_GSM_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_ESCAPED: Final = frozenset("\f^{}\\[~]|€")
_GSM: Final = _GSM_BASIC | _GSM_ESCAPED

_GSM_SINGLE, _GSM_PART = 160, 153
_UCS_SINGLE, _UCS_PART = 70, 67

_TWINS: Final = {
    "\u2018": "'",
    "\u2019": "'",
    "\u201a": "'",
    "\u201b": "'",
    "`": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u201e": '"',
    "\u2010": "-",
    "\u2011": "-",
    "\u2012": "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u2026": "...",
    "\u00a0": " ",
    "\u202f": " ",
    "\t": " ",
}


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """`units` is septets for GSM-7, UTF-16 units for UCS-2; an empty text is still one segment."""

    encoding: Encoding
    units: int
    segments: int


def count_segments(body: str) -> SegmentCount:
    """The encoding, length and number of parts of a text, by the rule in this module's docstring."""
    characters = set(body)
    if characters <= _GSM:
        escapes = not characters <= _GSM_BASIC
        widths = [2 if char in _GSM_ESCAPED else 1 for char in body] if escapes else None
        return _count("GSM-7", len(body), widths, single=_GSM_SINGLE, part=_GSM_PART)
    widths = [2 if char > "\uffff" else 1 for char in body] if max(characters) > "\uffff" else None
    return _count("UCS-2", len(body), widths, single=_UCS_SINGLE, part=_UCS_PART)


def costly_characters(body: str) -> list[tuple[int, str]]:
    """Every (index, character) outside GSM-7: what makes the whole text UCS-2. Empty for a GSM-7 text.

    Indices count Python characters (code points), not UTF-16 units.
    """
    return [(index, char) for index, char in enumerate(body) if char not in _GSM]


def gsm_twin(char: str) -> str | None:
    """A GSM-7 spelling of a typographic character (quotes, dashes, spaces), or None if there is none."""
    return _TWINS.get(char)


def _count(encoding: Encoding, length: int, widths: list[int] | None, *, single: int, part: int) -> SegmentCount:
    """Count parts; `widths` is None when every character takes one unit, which needs no walk."""
    if widths is None:
        return SegmentCount(encoding, length, 1 if length <= single else -(-length // part))
    units = sum(widths)
    if units <= single:
        return SegmentCount(encoding, units, 1)
    segments, used = 1, 0
    for width in widths:
        used += width
        if used > part:
            segments, used = segments + 1, width
    return SegmentCount(encoding, units, segments)
