"""Words of consent: what a text from outside asks for, and which opt-outs a contact ends by a keyword."""

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

Wish = Literal["STOP", "START", "HELP"]
Source = Literal["keyword", "opt_out_type", "twilio_21610", "staff", "import", "api"]

OPTED_OUT_AT_TWILIO: Final = 21610
"""Twilio's code for a recipient who has opted out there: its list knows more than ours."""

# Twilio's default keywords (https://help.twilio.com/articles/223134027 and the tutorial on advanced opt-out;
# REVOKE and OPTOUT since 2025). The whole text must be the one word: "please stop by at noon" is no opt-out.
_WISHES: Final[dict[str, Wish]] = {
    **dict.fromkeys(("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"), "STOP"),
    **dict.fromkeys(("START", "YES", "UNSTOP"), "START"),
    **dict.fromkeys(("HELP", "INFO"), "HELP"),
}
_TYPES: Final[dict[str, Wish]] = {"STOP": "STOP", "START": "START", "HELP": "HELP"}

# A contact's START takes back what the contact (or Twilio in the contact's name) said, not what staff decided.
ENDED_BY_START: Final[tuple[Source, ...]] = ("keyword", "opt_out_type", "twilio_21610")


@dataclass(frozen=True, slots=True)
class Heard:
    """What a text asks for, and how we know: Twilio's own `OptOutType`, or the keyword."""

    wish: Wish
    source: Literal["keyword", "opt_out_type"]


def hear(body: str, opt_out_type: str | None) -> Heard | None:
    """What an inbound text asks for; `opt_out_type` is Twilio's parameter, which wins when it is there."""
    if opt_out_type:
        wish = _TYPES.get(opt_out_type.strip().upper())
        return Heard(wish, "opt_out_type") if wish else None
    wish = _WISHES.get(body.strip().upper())
    return Heard(wish, "keyword") if wish else None


@dataclass(frozen=True, slots=True)
class Blocks:
    """Active opt-outs: (outside number, our number's id), the latter None for the whole company."""

    pairs: frozenset[tuple[str, UUID | None]]

    def cover(self, outside_number: str, phone_number_id: UUID | None) -> bool:
        """Whether a text from our number (None: not chosen yet) to the outside number is blocked."""
        return (outside_number, None) in self.pairs or (
            phone_number_id is not None and (outside_number, phone_number_id) in self.pairs
        )
