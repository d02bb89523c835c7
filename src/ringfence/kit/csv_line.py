"""One line of CSV (RFC 4180) that a spreadsheet shows as it is and never runs."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Final

# What makes a spreadsheet take a cell for a formula (OWASP, CSV injection) …
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
# … except a phone number: a plus sign and digits alone compute nothing.
_PHONE: Final = re.compile(r"\+[0-9]+")


def csv_line(cells: Sequence[object]) -> str:
    """The cells as one line with its CRLF; None is empty, text that would be a formula gets an apostrophe before it."""
    line = io.StringIO()
    csv.writer(line).writerow([_safe(cell) for cell in cells])
    return line.getvalue()


def _safe(cell: object) -> object:
    if cell is None:
        return ""
    if isinstance(cell, int | float):
        return cell
    text = str(cell)
    if text.startswith(_FORMULA) and not _PHONE.fullmatch(text):
        return f"'{text}"
    return text
