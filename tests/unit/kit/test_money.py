"""Amounts of money without rounding surprises."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.kit.money import Money, parse_money


@pytest.mark.parametrize(
    ("amount", "micros"),
    [
        ("-0.00750", -7_500),
        ("0", 0),
        ("-0", 0),
        ("1.15", 1_150_000),
        ("+2", 2_000_000),
        ("0.0000005", 0),
        ("0.0000015", 2),
        ("999999999999.999999", 999_999_999_999_999_999),
    ],
)
def test_an_amount_becomes_whole_millionths(amount: str, micros: int) -> None:
    assert parse_money(amount, "usd") == Money(micros, "USD")


@pytest.mark.parametrize("amount", ["", "-", ".5", "5.", "1,5", "NaN", "Infinity", "1e3", "٣", "1" * 13, " 1"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        parse_money(amount, "USD")


@pytest.mark.parametrize("currency", ["", "US", "USDX", "U$D", "üsd"])
def test_what_is_no_currency_is_refused(currency: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        parse_money("1", currency)


@given(st.integers(-(10**15), 10**15))
def test_six_decimals_are_exact(micros: int) -> None:
    assert parse_money(f"{Decimal(micros) / 1_000_000:.6f}", "EUR") == Money(micros, "EUR")
