"""Phone numbers: what people write, what is stored, what a log shows."""

import re

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.kit.phone import (
    InvalidPhoneNumberError,
    are_plain_e164,
    e164_or_none,
    is_plain_e164,
    is_short_code_or_alpha,
    mask,
    parse_phone,
    region_of,
)

REGIONS = ["US", "CA", "GB", "AU", "PK", "IN", "DE", "IT", "FR", "BR", "SG"]

ACCEPTED = [
    ("+16025551234", "US", "+16025551234"),
    ("(602) 555-1234", "US", "+16025551234"),
    ("602.555.1234", "us", "+16025551234"),
    ("1 602 555 1234", "US", "+16025551234"),
    ("602-555-0100", "US", "+16025550100"),
    ("+1 (602) 555-1234", "PK", "+16025551234"),
    ("tel:+1-602-555-1234", "GB", "+16025551234"),
    ("＋１ ６０２ ５５５ １２３４", "US", "+16025551234"),
    ("\u202a+1 602\u00a0555\u20111234\u202c", "US", "+16025551234"),
    ("+15005550006", "GB", "+15005550006"),
    ("011 44 20 7946 0958", "US", "+442079460958"),
    ("0044 20 7946 0958", "US", "+442079460958"),
    ("0044 20 7946 0958", "DE", "+442079460958"),
    ("020 7946 0958", "GB", "+442079460958"),
    ("+44 (0)20 7946 0958", "US", "+442079460958"),
    ("0412 345 678", "AU", "+61412345678"),
    ("0011 44 20 7946 0958", "AU", "+442079460958"),
    ("0300 1234567", "PK", "+923001234567"),
    ("٠٣٠٠١٢٣٤٥٦٧", "PK", "+923001234567"),
    ("098765 43210", "IN", "+919876543210"),
    ("98765 43210", "IN", "+919876543210"),
    ("030/123456", "DE", "+4930123456"),
    ("+49 (0)30 123456", "US", "+4930123456"),
    ("06 1234 5678", "IT", "+390612345678"),
    ("0 0000 0000", "AU", "+6100000"),
]

REFUSED = [
    ("", "US", "empty"),
    (" \u200b ", "US", "empty"),
    ("hello", "US", "something other"),
    ("call 602 555 1234", "US", "something other"),
    ("1-800-FLOWERS", "US", "something other"),
    ("602555\x001234", "US", "something other"),
    ("6025551234\n6025551235", "US", "something other"),
    ("6" * 65, "US", "something other"),
    ("555-1234", "US", "area code"),
    ("911", "US", "too few"),
    ("12345", "US", "too few"),
    ("+1602555123456789", "US", "too many"),
    ("00442079460958123456", "US", "too many"),
    ("+999123456789", "US", "country code does not exist"),
    ("+000000000", "US", "country code does not exist"),
    ("602 555 1234", "XX", "no known country"),
    ("602 555 1234", "", "no known country"),
    ("+1 602 555 1234 ext 5", "US", "extension"),
    ("+1 602 555 1234x5", "US", "extension"),
    ("+1 602 555 1234;ext=5", "US", "extension"),
    ("+1 602 555 1234,5", "US", "extension"),
    # A cell of a file: looking for an extension in it would take the square of its length.
    ("1" + " " * 64 + "x", "US", "something other"),
    ("1" + " " * 130_000 + "z", "US", "something other"),
    ("...", "US", "too few"),
    ("+", "US", "something other"),
]


@pytest.mark.parametrize(("text", "region", "number"), ACCEPTED)
def test_a_number_is_understood_as_people_of_that_country_write_it(text: str, region: str, number: str) -> None:
    assert parse_phone(text, region=region) == number


@pytest.mark.parametrize(("text", "region", "reason"), REFUSED)
def test_what_is_no_number_is_refused_with_a_reason_that_tells_little(text: str, region: str, reason: str) -> None:
    with pytest.raises(InvalidPhoneNumberError, match=reason) as caught:
        parse_phone(text, region=region)
    message = str(caught.value)
    assert "\n" not in message
    assert len(re.findall(r"\d", message)) <= 4


@given(st.text(max_size=80), st.sampled_from(REGIONS))
def test_any_text_gives_a_number_in_e164_or_the_one_error(text: str, region: str) -> None:
    try:
        number = parse_phone(text, region=region)
    except InvalidPhoneNumberError:
        return
    assert e164_or_none(number) == number


@given(st.text(alphabet="0123456789٠١٢٣+-() .\u200e", min_size=3, max_size=24), st.sampled_from(REGIONS))
def test_reading_a_stored_number_again_changes_nothing_in_any_region(text: str, region: str) -> None:
    try:
        number = parse_phone(text, region=region)
    except InvalidPhoneNumberError:
        return
    for other in REGIONS:
        assert parse_phone(number, region=other) == number


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_the_example_number_of_every_country_is_read_in_all_its_spellings(region: str) -> None:
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    if example is None:
        return
    e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    for style in (
        phonenumbers.PhoneNumberFormat.E164,
        phonenumbers.PhoneNumberFormat.INTERNATIONAL,
        phonenumbers.PhoneNumberFormat.NATIONAL,
    ):
        assert parse_phone(phonenumbers.format_number(example, style), region=region) == e164
    # Islands share numbers with the country around them, which is then the answer.
    assert region_of(e164) in phonenumbers.region_codes_for_country_code(example.country_code or 0)


def test_region_is_none_where_no_country_owns_the_number() -> None:
    assert region_of("+16025551234") == "US"
    assert region_of("+12505550123") == "CA"
    assert region_of("+80012345678") is None
    assert region_of("not a number") is None


@pytest.mark.parametrize("text", ["72975", "2020", "MYBANK", "Acme Ltd", "A1", "O-2"])
def test_short_codes_and_names_are_recognised(text: str) -> None:
    assert is_short_code_or_alpha(text)


@pytest.mark.parametrize("text", ["", "+16025551234", "6025551234", "anonymous caller", "client:ann", "12"])
def test_other_senders_are_neither_short_code_nor_name(text: str) -> None:
    assert not is_short_code_or_alpha(text)


def test_a_masked_number_keeps_country_area_and_ending() -> None:
    assert mask("+16025551234") == "+1602***1234"
    assert mask("+6834000") == "+***4000"
    assert mask("6025551234") == "***1234"
    assert mask("72975") == "***"


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_a_masked_number_hides_at_least_three_digits(number: str) -> None:
    shown = mask(number).replace("***", "")
    assert len(shown) <= len(number) - 3


PLANS = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
PUNCTUATION = st.sampled_from(["", " ", "-", ".", " (", ") "])


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """A number of some country, right or nearly right, as it is written here or there, and the region to read it in."""
    region = draw(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
    example = phonenumbers.example_number(region)
    national = str(example.national_number) if example else "6025550143"
    kept = draw(st.integers(1, len(national)))
    national = national[:kept] + draw(st.text("0123456789", max_size=len(national) - kept + 1))
    code = draw(st.sampled_from([example.country_code if example else 1, draw(st.sampled_from(PLANS))]))
    before = draw(st.sampled_from([f"+{code}", "0", "", "1", "00", f"+{code}0", f"00{code}"]))
    cut = draw(st.integers(0, len(national)))
    return before + draw(PUNCTUATION) + national[:cut] + draw(PUNCTUATION) + national[cut:], region


@given(spellings())
def test_the_short_way_says_what_the_library_says(spelled: tuple[str, str]) -> None:
    """A character that nobody sees sends a number the long way round."""
    text, region = spelled

    def read(given: str) -> str | None:
        try:
            return parse_phone(given, region=region)
        except InvalidPhoneNumberError:
            return None

    assert read(text) == read(text + "\u200b")
    if is_plain_e164(text):
        assert read(text + "\u200b") == text


def test_what_is_plain() -> None:
    assert are_plain_e164(["+16025550143", "+442079460202", "+4915112345678"])
    assert not are_plain_e164(["+16025550143", "16025550143"])
    assert are_plain_e164([])
    for text in (
        "+1602555014",
        "+160255501433",
        "+11602555014",
        "+4402079460202",
        "+999123456789",
        "+1602555014x",
        "+",
    ):
        assert not is_plain_e164(text), text
