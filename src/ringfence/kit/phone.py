"""Phone numbers: any common spelling in, E.164 (ITU-T) inside, a masked form in logs.

Numbers are accepted when they are *possible* (right length for their country), not only when they are
*valid* (in a range the bundled numbering plan knows): plans change faster than releases, and the numbers
kept for fiction (+1602555xxxx) and for Twilio's test credentials (+15005550006) are possible but may lie in
no assigned range. Twilio itself has the last word on whether a number can be texted.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NewType

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat, ValidationResult

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
_NO_SPELLING: Final = "it holds something other than digits, spaces and + ( ) . - /"
# What files are full of is read forty times as fast by patterns made from the library's own plan (see `_plain`).
_PUNCTUATION: Final = dict.fromkeys(map(ord, " -.()"))
_NANP_REGIONS: Final = frozenset(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[1])

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
    plain = _plain(text, region)
    if plain is not None:
        return plain
    spelled = text.translate(_INVISIBLE).strip().removeprefix("tel:")
    if not spelled:
        raise InvalidPhoneNumberError("the phone number is empty")
    # The length first: how long the patterns below look grows with its square, and a cell of a file can hold anything.
    if len(spelled) > _LONGEST_SPELLING:
        raise _invalid(spelled[-_LONGEST_SPELLING:], _NO_SPELLING)
    if _EXTENSION.search(spelled):
        raise _invalid(spelled, "an extension cannot be reached from outside")
    if not _SPELLING.fullmatch(spelled):
        raise _invalid(spelled, _NO_SPELLING)
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


def _plain(text: str, region: str) -> PhoneNumber | None:
    """The number in a usual spelling, exactly as the library reads it but forty times as fast; None says nothing.

    Usual are E.164, and the national form of a country (with its trunk prefix where it has one), perhaps punctuated.
    """
    if is_plain_e164(text):
        return PhoneNumber(text)
    bare = text.translate(_PUNCTUATION)
    if bare[:1] != "+":
        national = _national(region.upper())
        found = national.fullmatch(bare) if national is not None else None
        if found is None:
            return None
        bare = f"+{phonenumbers.country_code_for_region(region.upper())}{found.group('subscriber')}"
    return PhoneNumber(bare) if is_plain_e164(bare) else None


def is_plain_e164(text: str) -> bool:
    """Whether a text is E.164 of a possible length for its country, with nothing in it that may be a trunk prefix.

    Cheap. False does not mean that it is no number: `parse_phone` knows.
    """
    plan = _plan(text[:4])
    return plan is not None and plan.fullmatch(text) is not None


def are_plain_e164(texts: Sequence[str]) -> bool:
    """Whether `is_plain_e164` says so of each text; cheaper by half where they are of one country."""
    plan = _plan(texts[0][:4]) if texts else None
    return (plan is not None and all(map(plan.fullmatch, texts))) or all(map(is_plain_e164, texts))


@lru_cache(maxsize=2000)
def _plan(beginning: str) -> re.Pattern[str] | None:
    """What numbers of a country look like whose E.164 form begins so (plus sign and three digits); None for none.

    A number that may begin with the country's trunk prefix does not match: whether it does, the library decides.
    """
    if not re.fullmatch(r"\+[1-9][0-9]{2}", beginning):
        return None
    for code in (beginning[1:2], beginning[1:3], beginning[1:4]):
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code))
        plan = PhoneMetadata.metadata_for_region_or_calling_code(int(code), regions[0]) if regions else None
        if plan is None or plan.general_desc is None:
            continue
        prefix = plan.national_prefix_for_parsing
        trunk = f"(?!{prefix})" if prefix else ""
        lengths = "|".join(f"[0-9]{{{digits}}}" for digits in plan.general_desc.possible_length)
        return re.compile(rf"(?=\+[0-9]{{7,15}}\Z)\+{code}(?!0){trunk}(?:{lengths})")
    return None


@lru_cache(maxsize=300)
def _national(region: str) -> re.Pattern[str] | None:
    """What numbers of a region look like that are written with its plain trunk prefix (0; in North America 1 or none).

    None where that takes more than dropping the prefix: carriers' codes, area codes to put in, no prefix at all.
    """
    if region in _NANP_REGIONS:
        return re.compile("1?(?P<subscriber>[2-9][0-9]{9})")
    plan = PhoneMetadata.metadata_for_region(region, None)
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(plan.country_code or 0, ()) if plan is not None else ()
    if plan is None or plan.general_desc is None or regions[:1] != (region,):
        return None
    if plan.national_prefix != "0" or (plan.national_prefix_for_parsing or "").split("|")[0] != "0":
        return None
    # The rest must look like a number of the plan, else the library might keep the zero.
    return re.compile(
        rf"(?!{plan.international_prefix})0(?P<subscriber>(?!0)(?:{plan.general_desc.national_number_pattern}))"
    )


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
