"""The words of a text, in any language, as a search compares them."""

import unicodedata
from typing import Final

LONGEST: Final = 40
"""Characters of a word that count."""

# Scripts that are written without spaces: each of their characters stands for itself.
_UNSPACED: Final = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
_APOSTROPHES: Final = frozenset("'’ʼ")
_JOINERS: Final = frozenset("\u200d\ufe0f\ufe0e")
_FIRST_ACCENT, _LAST_ACCENT = "\u0300", "\u036f"


def words_of(text: str) -> list[str]:
    """The words in their order, each as often as it stands there.

    Letters are compared without case, width and accents (`Zoë` is `zoe`), an apostrophe divides no word, and an emoji
    is a word. Of scripts without spaces every character is one, so that any piece of a sentence is found.
    """
    words: list[str] = []
    word: list[str] = []

    def end() -> None:
        if word:
            words.append("".join(word)[:LONGEST])
            word.clear()

    for char in unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold()):
        if char in _APOSTROPHES or char in _JOINERS or _FIRST_ACCENT <= char <= _LAST_ACCENT:
            continue
        kind = unicodedata.category(char)
        if kind[0] in "LNM":
            if char > "\u0e00" and kind[0] == "L" and unicodedata.name(char, "").startswith(_UNSPACED):
                end()
                words.append(char)
            else:
                word.append(char)
        else:
            end()
            if kind == "So":
                words.append(char)
    end()
    return words


def ends_in_word(text: str) -> bool:
    """Whether the last character belongs to a word that may still be typed on."""
    return bool(text) and unicodedata.category(text[-1])[0] in "LNM"
