"""Phone numbers: any common spelling in, E.164 (ITU-T) inside, a masked form in logs.

Numbers are accepted when they are *possible* (right length for their country), not only when they are
*valid* (in a range the bundled numbering plan knows): plans change faster than releases, and the numbers
kept for fiction (+1602555xxxx) and for Twilio's test credentials (+15005550006) are possible but may lie in
no assigned range. Twilio itself has the last word on whether a number can be texted.
"""

import re
from typing import Final, NewType

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

PhoneNumber = NewType("PhoneNumber", str)
"""E.164: a plus sign and up to 15 digits, the first not 0."""

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SHORT_CODE: Final = re.compile(r"[0-9]{3,8}")
_ALPHA_SENDER: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +\-_&.]{1,11}")

# Digits of any script and what people write between them. The library alone would pick a number out of any
# sentence, spell words on a keypad ("1-800-FLOWERS") and drop control characters: here those are mistakes to
# report, not to guess about.
_SPELLING: Final = re.compile(r"[+＋]?[\d \t\u00a0\u2000-\u200a\u202f\u3000().\-/‐-―−·（）．－]+")
_EXTENSION: Final = re.compile(r"\d\s*(?:[;,]?\s*(?:ext|x)|[#,;])", re.IGNORECASE)
# Soft hyphens, zero-width characters and direction marks come along when a number is copied from a page.
_INVISIBLE: Final = dict.fromkeys(
    [0x00AD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
_LONGEST_SPELLING: Final = 64

_PARSE_REASONS: Final = {
    NumberParseException.TOO_SHORT_AFTER_IDD: "it has too few digits",
    NumberParseException.TOO_SHORT_NSN: "it has too few digits",
    NumberParseException.TOO_LONG: "it has too many digits",
}
_LENGTH_REASONS: Final = {
    ValidationResult.TOO_SHORT: "it has too few digits",
    ValidationResult.TOO_LONG: "it has too many digits",
    ValidationResult.INVALID_LENGTH: "it has the wrong number of digits",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "its area code is missing",
}


class InvalidPhoneNumberError(ValueError):
    """A text is not a phone number. The message is one line for people, with at most its last four digits."""


def parse_phone(text: str, *, region: str) -> PhoneNumber:
    """The E.164 form of a number as people write it.

    `region` is the ISO 3166 country whose habits apply to a number without country code (its trunk zero, its
    international prefix such as 00 or 011); with a plus sign the number speaks for itself. A leading 00 that
    makes no number in that country is read as a plus sign, as ITU-T E.123 recommends it everywhere.
    Extensions are refused: a text cannot reach one, and dropping it would reach somebody else.
    Raises InvalidPhoneNumberError.
    """
    spelled = text.translate(_INVISIBLE).strip().removeprefix("tel:")
    if not spelled:
        raise InvalidPhoneNumberError("the phone number is empty")
    if _EXTENSION.search(spelled):
        raise _invalid(spelled, "an extension cannot be reached from outside")
    if len(spelled) > _LONGEST_SPELLING or not _SPELLING.fullmatch(spelled):
        raise _invalid(spelled, "it holds something other than digits, spaces and + ( ) . - /")
    number, reason = _read(spelled, region)
    if number is None and _digits(spelled).startswith("00"):
        number, _ = _read("+" + _digits(spelled)[2:], region)
    if number is None:
        raise _invalid(spelled, reason)
    return number


def e164_or_none(text: str) -> PhoneNumber | None:
    """The text itself if it is in E.164, else None. Cheap: for what a provider has already formatted."""
    return PhoneNumber(text) if _E164.fullmatch(text) else None


def region_of(number: str) -> str | None:
    """The ISO 3166 country of an E.164 number; None where the plan names none (+800, unknown ranges)."""
    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(number))
    except NumberParseException:
        return None
    return None if region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY else region


def is_short_code_or_alpha(text: str) -> bool:
    """Whether an inbound sender is a short code (3 to 8 digits) or a name of up to 11 characters.

    Such senders are kept as they are: they are no E.164 numbers and a name cannot be answered.
    """
    return bool(_SHORT_CODE.fullmatch(text) or _ALPHA_SENDER.fullmatch(text))


def mask(number: str) -> str:
    """A number for logs: `+1602***1234`. At least three characters are hidden, and all of a short one."""
    if len(number) < 8:
        return "***"
    shown = min(5, len(number) - 7) if number.startswith("+") else 0
    return f"{number[:shown]}***{number[-4:]}"


def _read(spelled: str, region: str) -> tuple[PhoneNumber, str] | tuple[None, str]:
    """The number, or None and why it is none."""
    try:
        parsed = phonenumbers.parse(spelled, region.upper())
    except NumberParseException as error:
        if error.error_type != NumberParseException.INVALID_COUNTRY_CODE:
            return None, _PARSE_REASONS.get(error.error_type, "it has too few digits")
        if spelled[0] in "+＋":
            return None, "its country code does not exist"
        return None, "it has no country code, and no known country was given for it"
    possible = phonenumbers.is_possible_number_with_reason(parsed)
    if possible != ValidationResult.IS_POSSIBLE:
        return None, _LENGTH_REASONS.get(possible, "its country code does not exist")
    number = e164_or_none(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))
    if number is None:
        return None, "it does not fit the form of an international number"
    # Of a number with several trunk zeros each reading drops one: what is stored must read as itself.
    return (number, "") if number == spelled else _read(number, region)


def _invalid(spelled: str, reason: str) -> InvalidPhoneNumberError:
    ending = _digits(spelled)[-4:]
    return InvalidPhoneNumberError(
        f"not a phone number (…{ending}): {reason}" if ending else f"not a phone number: {reason}"
    )


def _digits(text: str) -> str:
    """The decimal digits of a text, of any script, as ASCII."""
    return phonenumbers.normalize_digits_only(text)
