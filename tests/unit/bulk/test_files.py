"""Rows of files become recipients the same way, a column at a time and a row at a time."""

from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.features.bulk.values import files
from ringfence.features.bulk.values.files import BadRecipientError, Batches, FileLayout, RowReader
from ringfence.kit.sheets import Record

LAYOUT = FileLayout(
    kind="csv",
    encoding="utf-8",
    separator=",",
    has_header=False,
    columns=["Phone", "Name", "Note"],
    mapping={0: "phone_number", 1: "contact.first_name", 2: "note"},
    rows=1,
)
NUMBERS = st.integers(0, 30).map(lambda n: f"+16025550{100 + n}")
CELLS = st.sampled_from(
    ["", "Zoë", " Bo ", "O'Neil", "'=1+1", "a\nb", "a\n+16025550100,x,y", "n" * 501, "\x00", "x\u2028y"]
)
ROWS = st.lists(
    st.tuples(NUMBERS | st.sampled_from(["", "6025550143", "bad", "+44 20 7946 0202"]), CELLS, CELLS, st.booleans()),
    max_size=12,
)


def read(rows: list[tuple[str, str, str, bool]]) -> tuple[list[list[object]], list[tuple[object, ...]]]:
    records = [Record(line, [*cells, *(["more"] if wide else [])]) for line, (*cells, wide) in enumerate(rows, 1)]
    batches = Batches(iter(records), LAYOUT, region="US")
    found = [batch for batch in iter(batches.next, None) if batch is not None]
    assert sum(batch.size for batch in found) == len(rows)
    recipients = [list(item) for batch in found for item in batch.recipients]
    return recipients, [tuple(item) for batch in found for item in batch.rejected]


@given(ROWS)
def test_both_ways_say_the_same(rows: list[tuple[str, str, str, bool]]) -> None:
    rows = [(*row[:3], row[3] and index % 4 == 0) for index, row in enumerate(rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "PARCEL", 5)
        patch.setattr(files, "_FEW", 1)
        by_column = read(rows)
        patch.setattr(RowReader, "read_plain", lambda *_: None)
        by_row = read(rows)

    assert by_column == by_row
    lines = [item[0] for item in by_column[0]] + [item[0] for item in by_column[1]]
    assert sorted(lines) == list(range(1, len(rows) + 1))


def test_rows_that_a_missing_quote_swallowed_are_looked_for_near_its_beginning() -> None:
    """Each line that is looked at is read as a number, and a cell can have tens of thousands of them."""
    reader = RowReader(LAYOUT, region="US")
    swallowed = "\n+16025550144,Al,x"

    assert reader.read(Record(1, ["+16025550143", "Bo", "a" + "\nb" * 25 + swallowed]))[0] == "+16025550143"
    for lines in (0, 18):
        with pytest.raises(BadRecipientError, match="further rows"):
            reader.read(Record(1, ["+16025550143", "Bo", "a" + "\nb" * lines + swallowed]))


def test_most_rows_take_the_short_way(tmp_path: Path) -> None:
    """Else it would be a short way that nobody takes."""
    reader = RowReader(LAYOUT, region="US")
    plain = [Record(n, [f"+1602555{n:04}", "O'Neil", "see A-1"]) for n in range(500)]

    assert reader.read_plain(plain) is not None
    for odd in ("'=1", "two\nlines", "\x00", "n" * 501):
        assert reader.read_plain([*plain, Record(500, ["+16025550143", odd, ""])]) is None
    assert reader.read_plain([*plain, Record(500, ["6025550143", "", ""])]) is None
    assert list(islice(reader.names, 3)) == ["contact.first_name", "note"]
