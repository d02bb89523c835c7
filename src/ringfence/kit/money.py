"""Amounts of money as whole millionths of a currency unit: a text costs fractions of a cent."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

_AMOUNT: Final = re.compile(r"[+-]?[0-9]{1,12}(?:\.[0-9]{1,12})?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Money:
    """`micros` are millionths of one unit of `currency` (ISO 4217), negative for a charge as Twilio writes it."""

    micros: int
    currency: str


def parse_money(amount: str, currency: str) -> Money:
    """Read a decimal string such as `-0.00750` and a currency code in any case.

    Digits past the sixth are rounded half to even. Raises ValueError for anything else.
    """
    code = currency.upper()
    if not _AMOUNT.fullmatch(amount) or not _CURRENCY.fullmatch(code):
        raise ValueError("not an amount of money")
    return Money(int((Decimal(amount) * 1_000_000).to_integral_value()), code)
