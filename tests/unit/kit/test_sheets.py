"""Workbooks as programs and attackers make them, and records of CSV files."""

import random
import resource
import zipfile
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from ringfence.kit.sheets import Record, UnreadableSheetError, xlsx
from ringfence.kit.sheets.delimited import choose_encoding, guess_separator, read_delimited
from ringfence.kit.sheets.xlsx import is_zip, read_xlsx
from tests.factories.lists import changed, workbook

SHEET = "xl/worksheets/sheet1.xml"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
GOOD = workbook([("Phone", "Name"), ("+16025550143", "Zoë")])


def read(path: Path, data: bytes) -> list[Record]:
    path.write_bytes(data)
    return list(read_xlsx(path))


def sheet_of(rows: str) -> bytes:
    return f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'.encode()


def with_texts(texts: str | bytes, rows: str) -> dict[str, bytes]:
    """The parts of a workbook whose cells refer to a table of texts, as Excel writes it."""
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    table = texts if isinstance(texts, bytes) else f'<sst xmlns="{MAIN}">{texts}</sst>'.encode()
    return {
        SHEET: sheet_of(rows),
        "xl/sharedStrings.xml": table,
        "xl/_rels/workbook.xml.rels": (
            f'<Relationships xmlns="{relations}">'
            f'<Relationship Id="rId1" Type="{kind}/worksheet" Target="worksheets/sheet1.xml"/>'
            f'<Relationship Id="rId2" Type="{kind}/sharedStrings" Target="sharedStrings.xml"/></Relationships>'
        ).encode(),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "upload"


def test_cells_read_as_people_see_them(path: Path) -> None:
    book = Workbook()
    sheet: Any = book.active
    sheet.append(["Zoë & <Bo>", 16025550143, 6025550143.0, 1.5, True, None, date(2026, 3, 1)])
    sheet.append([datetime(2026, 3, 1, 9, 30), "two\nlines", "=1+1", 0.5, None, None, "end"])  # noqa: DTZ001
    sheet["D2"].number_format = "hh:mm"
    sheet["A5"] = "later"
    sheet["A6"], sheet["A6"].number_format = 45000, '"Mayday" 0'
    file = BytesIO()
    book.create_sheet("Other")["A1"] = "not this one"
    book.save(file)

    found = read(path, file.getvalue())

    assert is_zip(path)
    assert [record.line for record in found] == [1, 2, 5, 6]
    assert found[0].cells == ["Zoë & <Bo>", "16025550143", "6025550143", "1.5", "TRUE", "", "2026-03-01"]
    # A formula that no program has computed yet has no value.
    assert found[1].cells == ["2026-03-01 09:30", "two\nlines", "", "12:00", "", "", "end"]
    assert found[3].cells == ["45000"]


def test_texts_that_cells_refer_to(path: Path) -> None:
    rich, read_aloud = "<r><t>Zo</t></r><r><t>ë</t></r>", "<t>東京</t><rPh><t>とうきょう</t></rPh>"
    texts = f"<si><t>Phone</t></si><si>{rich}</si><si>{read_aloud}</si>"
    rows = '<row><c t="s"><v>0</v></c><c t="s"><v>2</v></c></row><row><c/><c t="s"><v>1</v></c></row>'

    first, second = read(path, changed(GOOD, with_texts(texts, rows)))

    assert (first.cells, second.cells) == (["Phone", "東京"], ["", "Zoë"])


def test_inline_texts_missing_places_and_columns_beyond_z(path: Path) -> None:
    rows = (
        '<row><c t="inlineStr"><is><r><t>a</t></r><r><t>b</t></r></is></c><c><v>7</v></c></row>'
        '<row r="9"><c r="AB9" t="str"><v>far</v></c><c r="ZZZ9"><v>1</v></c><c r="A9"><v>1</v></c></row>'
    )

    first, second = read(path, changed(GOOD, {SHEET: sheet_of(rows)}))

    assert first == Record(1, ["ab", "7"])
    assert (second.line, len(second.cells), second.cells[27]) == (9, 28, "far")


BOMBS = {
    "repeated bytes": ("zip_bomb", {SHEET: sheet_of("<row/>" * 3_000_000)}),
    "more than fits": ("zip_bomb", {f"xl/media/{n}.bin": bytes(990_000) for n in range(4)}),
    "a thousand parts": ("zip_bomb", {f"xl/{n}.xml": b"" for n in range(1001)}),
    "entities": (
        "unsafe_xml",
        {
            SHEET: b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]>'
            + sheet_of('<row><c t="str"><v>&c;</v></c></row>')
        },
    ),
    "external entity": (
        "unsafe_xml",
        with_texts(b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><sst><si><t>&b;</t></si></sst>', "<row/>"),
    ),
    "too many texts": ("zip_bomb", with_texts("<si><t>" + "x" * 21_000_000 + "</t></si>", "<row/>")),
    "entities in the list of parts": ("unsafe_xml", {"xl/workbook.xml": b'<!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>'}),
    "a text without end": ("unsafe_xml", {SHEET: sheet_of(f'<row><c t="str"><v>{"x" * 60_000}</v></c></row>')}),
    "a text without end in the table": (
        "unsafe_xml",
        with_texts("<si>" + f"<r><t>{'x' * 30}</t></r>" * 2000 + "</si>", "<row/>"),
    ),
    "a text in very many cells": (
        "zip_bomb",
        with_texts(f"<si><t>{'x' * 40_000}</t></si>", '<row><c t="s"><v>0</v></c><c t="s"><v>0</v></c></row>' * 4000),
    ),
    "a name without end": ("unsafe_xml", {SHEET: sheet_of("<row><" + random.Random(1).randbytes(800_000).hex())}),
    "macros": ("has_macros", {"xl/vbaProject.bin": b"Sub"}),
    "no sheet": ("not_xlsx", {SHEET: None}),
    "no workbook": ("not_xlsx", {"xl/workbook.xml": None}),
    "broken XML": ("not_xlsx", {SHEET: b"<worksheet><row>"}),
    "a text that is not there": ("not_xlsx", {SHEET: sheet_of('<row><c t="s"><v>99</v></c></row>')}),
    "a number that is none": ("not_xlsx", {SHEET: sheet_of("<row><c><v>x</v></c></row>")}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_made_to_hurt_is_refused(path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code, parts = BOMBS[name]
    if name == "more than fits":
        monkeypatch.setattr(xlsx, "_MOST_UNPACKED", 3_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = changed(GOOD, parts)
    made = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(UnreadableSheetError) as refused:
        read(path, data)

    assert refused.value.code == code
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - max(before, made) < 30_000
    assert len(read(path, changed(GOOD, {}))) == 2


def test_a_number_format_that_no_spreadsheet_saves_is_not_looked_into(path: Path) -> None:
    """Looking for a date in a format of opening brackets takes the square of their number: minutes, and the lock."""
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles"
    for code, shown in (("yyyy", "2023-03-15"), ("yyyy" + "_x" * 200, "45000")):
        styles = (
            f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="164" formatCode="{code}"/></numFmts>'
            '<cellXfs><xf numFmtId="164"/></cellXfs></styleSheet>'
        )
        parts = with_texts("", '<row><c s="0"><v>45000</v></c></row>') | {"xl/styles.xml": styles.encode()}
        rels = parts["xl/_rels/workbook.xml.rels"]
        relation = f'<Relationship Id="rId3" Type="{kind}" Target="styles.xml"/></Relationships>'.encode()
        parts["xl/_rels/workbook.xml.rels"] = rels.replace(b"</Relationships>", relation)

        [record] = read(path, changed(GOOD, parts))

        assert record.cells == [shown]


@pytest.mark.parametrize("row", ["," * 5_100_000, '"\n",' * 1_300_000], ids=["one line", "many lines"])
def test_a_row_without_end_is_not_read_to_its_end(path: Path, row: str) -> None:
    path.write_text(f"a,b\n{row}\n")
    records = read_delimited(path, encoding="utf-8", separator=",")

    assert next(records).cells == ["a", "b"]
    with pytest.raises(UnreadableSheetError) as refused:
        next(records)

    assert refused.value.code == "row_too_long"


def test_a_row_without_end_is_no_more_than_its_first_ones(path: Path) -> None:
    """What a library would keep as a tree of a row passes by."""
    data = changed(GOOD, {SHEET: sheet_of("<row>" + "<c><v>1</v></c>" * 200_000 + "</row>")})
    path.write_bytes(data)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as stored, zipfile.ZipFile(BytesIO(data)) as packed:
        for name in packed.namelist():
            stored.writestr(name, packed.read(name))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    [record] = read_xlsx(path)

    assert len(record.cells) == 201
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000


def test_a_part_is_read_to_the_size_that_it_claims(path: Path) -> None:
    """A ZIP whose directory lies about a size: the reading ends there."""
    data = bytearray(changed(GOOD, {SHEET: sheet_of("<row><c><v>1</v></c></row>" * 1000)}))
    with zipfile.ZipFile(BytesIO(data)) as archive:
        size = archive.getinfo(SHEET).file_size
    at = data.rindex(size.to_bytes(4, "little"))
    data[at : at + 4] = (50).to_bytes(4, "little")
    path.write_bytes(data)

    with pytest.raises(UnreadableSheetError) as refused:
        list(read_xlsx(path))

    assert refused.value.code == "not_xlsx"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252", "shift_jis", "koi8_r"])
def test_records_keep_their_lines(path: Path, encoding: str) -> None:
    text = '\r\n"a\r\nb";1\r\n;\r\n  ;\r\nx;"2""3"\r\n"open;4\r\n'
    path.write_bytes(text.encode(encoding))

    assert choose_encoding(path, encoding) == encoding
    assert guess_separator(path, encoding) == ";"
    *records, broken = read_delimited(path, encoding=encoding, separator=";")

    assert records == [Record(2, ["a\r\nb", "1"]), Record(6, ["x", '2"3'])]
    assert (broken.line, broken.cells) == (7, [])
    assert "quote" in (broken.problem or "")
