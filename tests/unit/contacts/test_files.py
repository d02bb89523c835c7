"""Files as people make them: encodings, separators, headers, broken quotes; and rows that are no contacts."""

import codecs
from pathlib import Path
from typing import Any

import pytest

from ringfence.errors import InvalidInputError
from ringfence.features.contacts.values.columns import Told
from ringfence.features.contacts.values.files import MOST_ROWS, Layout, inspect_file, read_rows
from ringfence.features.contacts.values.rows import BadRowError, Row, read_row
from ringfence.kit.sheets import Record, plain_cell

ZOE = "Zoë Müller,+1 602 555 0143,Café"


def look(path: Path, data: bytes, **told: Any) -> Layout:
    path.write_bytes(data)
    return inspect_file(path, Told(**told), region="US")


def rows(path: Path, layout: Layout) -> list[Row]:
    return [
        read_row(record, layout.mapping, columns=len(layout.columns), region="US")
        for record in read_rows(
            path, encoding=layout.encoding, separator=layout.separator, has_header=layout.has_header
        )
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "upload"


@pytest.mark.parametrize(
    ("encoding", "mark", "found"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", codecs.BOM_UTF8, "utf-8-sig"),
        ("utf-16-le", codecs.BOM_UTF16_LE, "utf-16"),
        ("utf-16-be", codecs.BOM_UTF16_BE, "utf-16"),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-16-be", b"", "utf-16-be"),
        ("cp1252", b"", "cp1252"),
    ],
)
def test_every_encoding_is_found_and_read(path: Path, encoding: str, mark: bytes, found: str) -> None:
    layout = look(path, mark + f"Name,Phone,Company\r\n{ZOE}\r\n".encode(encoding))

    assert (layout.encoding, layout.has_header, layout.rows) == (found, True, 1)
    assert layout.mapping == {0: "full_name", 1: "phone_number", 2: "organisation"}
    [row] = rows(path, layout)
    assert (row.first_name, row.last_name, row.phone_number) == ("Zoë", "Müller", "+16025550143")
    assert row.organisation == "Café"


def test_a_character_cut_by_the_reading_piece_is_no_mistake(path: Path) -> None:
    layout = look(path, b"Phone,Name\n+16025550143," + b"a" * (65536 - 25) + "ë\n".encode())

    assert layout.encoding == "utf-8"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_every_separator_is_found(path: Path, separator: str) -> None:
    lines = [["First name", "Mobile", "Note"], ["Zoë", "+16025550143", "a, b; c | d"], ["Bo", "602-555-0144", ""]]
    text = "\n".join(separator.join(f'"{cell}"' for cell in line) for line in lines)

    layout = look(path, text.encode())

    assert (layout.separator, layout.rows, layout.columns) == (separator, 2, ["First name", "Mobile", "Note"])
    assert [row.phone_number for row in rows(path, layout)] == ["+16025550143", "+16025550144"]


def test_numbers_alone_are_a_file_too(path: Path) -> None:
    layout = look(path, b"+16025550143\n(602) 555-0144\n\n  \n")

    assert (layout.has_header, layout.mapping, layout.rows) == (False, {0: "phone_number"}, 2)
    assert [row.phone_number for row in rows(path, layout)] == ["+16025550143", "+16025550144"]


def test_what_is_told_is_not_guessed(path: Path) -> None:
    data = b"nonsense;Zo\xeb\n+16025550143;Bo\n"
    layout = look(
        path,
        data,
        encoding="cp1252",
        separator=";",
        has_header=False,
        mapping={"1": "phone_number", "2": "custom.nick_name"},
    )

    assert (layout.rows, layout.columns) == (2, ["1", "2"])
    first, second = read_rows(path, encoding="cp1252", separator=";", has_header=False)
    with pytest.raises(BadRowError, match="not a phone number"):
        read_row(first, layout.mapping, columns=2, region="US")
    assert read_row(second, layout.mapping, columns=2, region="US").custom_fields == {"nick_name": "Bo"}
    assert first.cells[1] == "Zoë"


def test_columns_that_nobody_may_set_are_left_out(path: Path) -> None:
    layout = look(path, b"id,company_id,Phone,Phone 2,created_at,custom.plan\n1,2,+16025550143,x,y,gold\n")

    assert layout.mapping == {2: "phone_number", 5: "custom.plan"}
    [row] = rows(path, layout)
    assert row == Row(line=2, phone_number="+16025550143", custom_fields={"plan": "gold"})


@pytest.mark.parametrize(
    ("data", "told", "code"),
    [
        (b"", {}, "empty_file"),
        (b"\n \n,,\n", {}, "empty_file"),
        (b"Phone,Name\n", {}, "empty_file"),
        (b"Name,Age\nZoe,7\n", {}, "no_phone_column"),
        (b"Phone\n+16025550143\n", {"mapping": {}}, "no_phone_column"),
        (b"Phone\n+16025550143\n", {"mapping": {"Fone": "phone_number"}}, "unknown_column"),
        (b"Phone\n+16025550143\n", {"mapping": {"2": "phone_number"}}, "unknown_column"),
        (b"Phone\n+16025550143\n", {"mapping": {"Phone": "company_id"}}, "unknown_field"),
        (b"Phone\n+16025550143\n", {"mapping": {"Phone": "id"}}, "unknown_field"),
        (b"Phone\n+16025550143\n", {"mapping": {"Phone": "custom.a b"}}, "unknown_field"),
        (b"A,B\n+16025550143,x\n", {"mapping": {"A": "phone_number", "B": "phone_number"}}, "doubled_field"),
        (b"Phone\nZo\xeb\n", {"encoding": "utf-8"}, "unreadable_encoding"),
        (b"Phone\n\x81\x8d\n", {}, "unreadable_encoding"),
        (b"Phone\n" + b"1\n" * (MOST_ROWS + 1), {}, "too_many_rows"),
        (b"," * 200 + b"Phone\n", {}, "too_many_columns"),
        (b"Phone\n" + b"," * 5_100_000, {}, "row_too_long"),
    ],
)
def test_what_cannot_be_imported_is_said_before_anything_is_stored(
    path: Path, data: bytes, told: dict[str, Any], code: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        look(path, data, **told)

    assert refused.value.code == code


def test_as_many_rows_as_are_allowed_are(path: Path) -> None:
    assert look(path, b"Phone\n" + b"1\n" * MOST_ROWS).rows == MOST_ROWS


def test_a_quote_that_never_ends_swallows_no_row_in_silence(path: Path) -> None:
    layout = look(path, b'Phone,Name\n+16025550143,"Bo\n+16025550144,Al\n+16025550145,"Cy"\n+16025550146,Di\n')
    records = list(read_rows(path, encoding="utf-8", separator=",", has_header=True))

    problems = [record for record in records if record.problem]
    assert problems[0].line == 2
    assert "lines 2 to 4" in str(problems[0].problem)
    assert layout.rows == len(records)
    with pytest.raises(BadRowError, match="quote"):
        read_row(problems[0], layout.mapping, columns=2, region="US")
    [last] = [record for record in records if not record.problem]
    assert (last.line, last.cells) == (5, ["+16025550146", "Di"])

    look(path, b'Phone,Name\n+16025550143,"Bo\n+16025550144,Al\n')
    [open_ended] = read_rows(path, encoding="utf-8", separator=",", has_header=True)
    assert open_ended.problem is not None


def test_lines_are_those_of_the_file(path: Path) -> None:
    look(path, b'Phone,Note\n\n+16025550143,"two\nlines"\n\n+16025550144,x\n')

    records = read_rows(path, encoding="utf-8", separator=",", has_header=True)

    assert [record.line for record in records] == [3, 6]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["", "Zoe"], "phone number is empty"),
        (["12", "Zoe"], "too few digits"),
        (["+999123456789", "Zoe"], "country code"),
        (["+16025550143 ext 7", "Zoe"], "extension"),
        (["+16025550143", "Z" * 101], "longer than 100"),
        (["+16025550143", "Zoe\nLi"], "several lines"),
        (["+16025550143", "Zo\x00e"], "NUL"),
        (["+16025550143", "Zoe", "not@", "", ""], "e-mail"),
        (["+16025550143", "Zoe", "", "Mars/Base", ""], "time zone"),
        (["+16025550143", "Zoe", "", "", "a" * 51], "tag"),
        (["+16025550143", "Zoe", "", "", ",".join(map(str, range(51)))], "50 tags"),
        (["+16025550143", "Zoe", "", "", "", "one more"], "more cells"),
    ],
)
def test_bad_rows_say_why_and_show_no_number(cells: list[str], said: str) -> None:
    mapping = {0: "phone_number", 1: "first_name", 2: "email", 3: "time_zone", 4: "tags"}

    with pytest.raises(BadRowError, match=said) as refused:
        read_row(Record(7, cells), mapping, columns=5, region="US")

    assert "6025550143" not in str(refused.value)
    good = read_row(Record(7, ["+16025550143"]), mapping, columns=5, region="US")
    assert good == Row(line=7, phone_number="+16025550143")


def test_a_whole_row() -> None:
    mapping = {0: "phone_number", 1: "full_name", 2: "email", 3: "time_zone", 4: "tags", 5: "custom.plan"}
    cells = ["'+44 20 7946 0202", " Zoë  van Li ", "Zoe@Acme.Example", "Europe/London", "VIP; new,  vip", " gold "]

    row = read_row(Record(2, [*cells, "", " "]), mapping, columns=6, region="US")

    assert row == Row(
        line=2,
        phone_number="+442079460202",
        first_name="Zoë",
        last_name="van Li",
        email="Zoe@acme.example",
        time_zone="Europe/London",
        tags=["new", "vip"],
        custom_fields={"plan": "gold"},
    )


@pytest.mark.parametrize(
    ("cell", "plain"),
    [("'+1", "+1"), ("'=A1", "=A1"), ("'til", "'til"), (" x ", "x"), ("'", "'"), ("", ""), ("''", "''")],
)
def test_the_apostrophe_of_a_spreadsheet_is_no_part_of_the_cell(cell: str, plain: str) -> None:
    assert plain_cell(cell) == plain
