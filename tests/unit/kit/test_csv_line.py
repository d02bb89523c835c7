"""A line of CSV reads back as what was put in, and no spreadsheet runs it."""

import csv
import io

import pytest

from ringfence.kit.csv_line import csv_line


def test_line_reads_back() -> None:
    cells = ["plain", 'quoted "word"', "a,b", "two\nlines", "", "ünï", "+16025550101", " =later"]
    line = csv_line(cells)
    assert line.endswith("\r\n")
    assert list(csv.reader(io.StringIO(line, newline=""))) == [cells]


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-2", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("x")', "+1602 555"])
def test_formula_becomes_text(text: str) -> None:
    [[cell]] = csv.reader(io.StringIO(csv_line([text]), newline=""))
    assert cell == f"'{text}"


def test_numbers_and_nothing() -> None:
    assert csv_line([-3, 1.5, None, True]) == "-3,1.5,,True\r\n"
