"""Phone numbers as the emulator understands them."""

from functools import lru_cache

import phonenumbers

SUCCESS_NUMBER = "+15005550006"
"""The magic number of Twilio's test credentials that always works."""


@lru_cache(maxsize=65536)
def e164(text: str) -> str | None:
    """The E.164 form of a number, or None if no number can have that shape.

    A number without `+` is read as a US one, as Twilio does. Length and prefix are checked, assignment is not:
    numbers reserved for fiction must work here.
    """
    if len(text) == 12 and text.startswith("+1") and text.isascii() and text[1:].isdigit():
        return text  # Every length that North America knows; the parser would take most of the time of a create.
    try:
        parsed = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=65536)
def country(number: str) -> str:
    """The ISO country of an E.164 number, or an empty string for short codes, names and unassigned ranges."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    return phonenumbers.region_code_for_number(parsed) or ""


@lru_cache(maxsize=4096)
def national(number: str) -> str:
    """The number as people of its country write it: `(602) 555-0123`."""
    return phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.NATIONAL)


@lru_cache(maxsize=4096)
def number_type(number: str) -> str:
    """`local`, `mobile` or `tollfree`: the values of Twilio's `type` field."""
    kind = phonenumbers.number_type(phonenumbers.parse(number))
    if kind == phonenumbers.PhoneNumberType.TOLL_FREE:
        return "tollfree"
    return "mobile" if kind == phonenumbers.PhoneNumberType.MOBILE else "local"
