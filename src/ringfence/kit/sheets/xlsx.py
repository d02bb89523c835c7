"""XLSX: the first sheet of a workbook, row by row.

An XLSX is a ZIP of XML files, and both can be made so that a few kilobytes take gigabytes to read: repeated bytes,
entities that stand for entities, a row of ten million cells, a text without end. Libraries build a tree of a row, of a
part or a grid of the whole sheet, and with it what such a file asks for. Here a parser that keeps nothing tells cells
apart as they pass (docs/decisions has the comparison); what is kept, the table of texts, is bounded.
"""

import posixpath
import re
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Final
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile

from ringfence.kit.sheets import MOST_COLUMNS, Record, UnreadableSheetError

_MOST_PARTS: Final = 1000
_MOST_UNPACKED: Final = 300_000_000
# Deflate packs real sheets 5 to 40 times, and at most 1032 times.
_MOST_RATIO: Final = 150
_SMALL: Final = 1_000_000
_MOST_STRINGS: Final = 1_000_000
_MOST_STRING_CHARACTERS: Final = 20_000_000
# Excel's own limit of a cell is 32,767, and of a number format 255.
_MOST_TEXT: Final = 50_000
_MOST_FORMAT: Final = 255
# A text stands in the table once and in cells as often as they like: so many characters may all cells have together.
_MOST_SHOWN: Final = _MOST_UNPACKED
_CHUNK: Final = 1 << 16
_SEPARATOR: Final = " "
_BROKEN: Final = (BadZipFile, zlib.error, EOFError, OSError, LookupError, ValueError, NotImplementedError, RuntimeError)
_NOT_XLSX: Final = "The file is not an XLSX workbook that can be read; save it again, or save the sheet as CSV."

_DATE_FORMATS: Final = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
# What stands in a number format for itself: quoted texts, escaped characters, colours and conditions.
_LITERAL: Final = re.compile(r'"[^"]*"|\\.|_.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_DATE_LETTER: Final = re.compile(r"[dmyhs]", re.IGNORECASE)
_COLUMN: Final = re.compile(r"([A-Z]{1,3})[0-9]+")


def is_zip(path: Path) -> bool:
    """Whether a file begins as a ZIP does, and so may be an XLSX, whatever its name is."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def read_xlsx(path: Path) -> Iterator[Record]:
    """The rows of the first sheet that hold anything, in order; formulas by the value that was saved with them.

    Raises UnreadableSheetError: `not_xlsx`, `has_macros`, `zip_bomb`, `unsafe_xml`.
    """
    try:
        with ZipFile(path) as archive:
            _check_parts(archive)
            workbook = _Workbook.of(archive)
            texts = _read_texts(archive, workbook.texts)
            dates = _date_styles(archive, workbook.styles)
            # The size that a part claims is also where its reading ends.
            with archive.open(workbook.sheet) as source:
                yield from _Sheet(texts, dates, epoch=workbook.epoch).read(source)
    except UnreadableSheetError:
        raise
    except (*_BROKEN, expat.ExpatError):
        raise UnreadableSheetError("not_xlsx", _NOT_XLSX) from None


def _check_parts(archive: ZipFile) -> None:
    parts = archive.infolist()
    if any(part.filename.lower().endswith("vbaproject.bin") for part in parts):
        raise UnreadableSheetError("has_macros", "The workbook holds macros; save it as XLSX without them.")
    if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > _MOST_UNPACKED:
        raise UnreadableSheetError("zip_bomb", "The workbook is too large unpacked; save the sheet as CSV.")
    if any(part.file_size > max(_SMALL, part.compress_size * _MOST_RATIO) for part in parts):
        raise UnreadableSheetError("zip_bomb", "The workbook unpacks to far more than a sheet does.")


class _Part:
    """Reads one XML part in pieces. Subclasses say what to do with elements, named without their namespace."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        self._parser.StartElementHandler = lambda name, given: self.start(
            _local(name), {_local(key): value for key, value in given.items()}
        )
        self._parser.EndElementHandler = lambda name: self.end(_local(name))
        self._parser.CharacterDataHandler = self.text
        self._parser.StartDoctypeDeclHandler = self._refuse

    def feed(self, source: IO[bytes]) -> Iterator[None]:
        """Read on, a piece at a time. Entities are declared in a doctype, so without one there are none."""
        fed = 0
        while chunk := source.read(_CHUNK):
            self._parser.Parse(chunk, False)
            fed += len(chunk)
            if fed - self._parser.CurrentByteIndex > _SMALL:
                raise UnreadableSheetError("unsafe_xml", "The workbook holds a name or value without end.")
            yield
        self._parser.Parse(b"", True)
        yield

    def read_all(self, source: IO[bytes]) -> None:
        for _ in self.feed(source):
            pass

    def start(self, name: str, given: Mapping[str, str]) -> None:
        """An element begins, with these attributes."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, text: str) -> None:
        """A piece of the text between."""

    def _refuse(self, *_: object) -> None:
        raise UnreadableSheetError("unsafe_xml", "The workbook declares entities, which no spreadsheet does.")


class _Elements(_Part):
    """The attributes of the wanted elements of a small part."""

    def __init__(self, *wanted: str) -> None:
        super().__init__()
        self.found: list[tuple[str, Mapping[str, str]]] = []
        self._wanted = wanted

    def start(self, name: str, given: Mapping[str, str]) -> None:
        if name in self._wanted:
            self.found.append((name, given))
            if len(self.found) > _SMALL // 10:
                raise UnreadableSheetError("unsafe_xml", "The workbook holds a list without end.")

    @classmethod
    def of(cls, archive: ZipFile, part: str, *wanted: str) -> list[tuple[str, Mapping[str, str]]]:
        elements = cls(*wanted)
        with archive.open(part) as source:
            elements.read_all(source)
        return elements.found


class _Workbook:
    """Where the parts of a workbook are, and the day that its dates count from."""

    def __init__(self, *, sheet: str, texts: str | None, styles: str | None, epoch: datetime) -> None:
        self.sheet, self.texts, self.styles, self.epoch = sheet, texts, styles, epoch

    @classmethod
    def of(cls, archive: ZipFile) -> "_Workbook":
        [main, *_] = [target for _, kind, target in _relations(archive, "") if kind == "officeDocument"]
        related = _relations(archive, main)
        sheets = {identity: target for identity, kind, target in related if kind == "worksheet"}
        others = {kind: target for _, kind, target in related}
        elements = _Elements.of(archive, main, "sheet", "workbookPr")
        in_1904 = any(given.get("date1904") in {"1", "true"} for name, given in elements if name == "workbookPr")
        # A chart can be a sheet of its own: the first one with rows counts.
        [sheet, *_] = [sheets[given["id"]] for name, given in elements if name == "sheet" and given["id"] in sheets]
        return cls(
            sheet=sheet,
            texts=others.get("sharedStrings"),
            styles=others.get("styles"),
            epoch=datetime(1904, 1, 1) if in_1904 else datetime(1899, 12, 30),  # noqa: DTZ001  # a cell has no zone
        )


def _relations(archive: ZipFile, part: str) -> list[tuple[str, str, str]]:
    """The id, kind and target of each relation of a part."""
    folder, name = posixpath.split(part)
    found = _Elements.of(archive, posixpath.join(folder, "_rels", f"{name}.rels"), "Relationship")
    return [
        (
            given["Id"],
            given["Type"].rpartition("/")[2],
            posixpath.normpath(posixpath.join("/", folder, given["Target"])).lstrip("/"),
        )
        for _, given in found
    ]


def _date_styles(archive: ZipFile, part: str | None) -> frozenset[str]:
    """The styles (as cells name them) that show a number as a date."""
    if part is None:
        return frozenset()
    elements = _Elements.of(archive, part, "numFmt", "cellXfs", "cellStyleXfs", "dxfs", "xf")
    formats = {given["numFmtId"] for name, given in elements if name == "numFmt" and _shows_date(given["formatCode"])}
    formats |= {str(number) for number in _DATE_FORMATS}
    names = [name for name, _ in elements]
    if "cellXfs" not in names:
        return frozenset()
    styles: list[bool] = []
    for name, given in elements[names.index("cellXfs") + 1 :]:
        if name != "xf":
            break
        styles.append(given.get("numFmtId") in formats)
    return frozenset(str(number) for number, is_date in enumerate(styles) if is_date)


def _shows_date(code: str) -> bool:
    """Whether a number format is one of dates. One that no spreadsheet saves is none: reading it takes its square."""
    return len(code) <= _MOST_FORMAT and bool(_DATE_LETTER.search(_LITERAL.sub("", code.partition(";")[0])))


class _Texts(_Part):
    """The table of texts that cells refer to by number."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        # Of one text, which may have many parts; joined at its end, for adding each part copies those before it.
        self._pieces: list[str] = []
        self._in_part = self._in_reading = False
        self._length = self._characters = 0

    def start(self, name: str, given: Mapping[str, str]) -> None:
        if name == "si":
            self._pieces, self._length = [], 0
        elif name == "rPh":
            # How a Japanese text is pronounced is no part of it.
            self._in_reading = True
        elif name == "t":
            self._in_part = not self._in_reading

    def end(self, name: str) -> None:
        if name == "si":
            self.found.append("".join(self._pieces))
            if len(self.found) > _MOST_STRINGS:
                raise _too_many_texts()
        elif name == "rPh":
            self._in_reading = False
        elif name == "t":
            self._in_part = False

    def text(self, text: str) -> None:
        if self._in_part:
            self._pieces.append(text)
            self._length += len(text)
            self._characters += len(text)
            if self._length > _MOST_TEXT:
                raise _endless_text()
            if self._characters > _MOST_STRING_CHARACTERS:
                raise _too_many_texts()


def _endless_text() -> UnreadableSheetError:
    return UnreadableSheetError("unsafe_xml", "The workbook holds a text without end.")


def _too_many_texts() -> UnreadableSheetError:
    return UnreadableSheetError("zip_bomb", "The workbook holds too many texts; save the sheet as CSV.")


def _read_texts(archive: ZipFile, part: str | None) -> list[str]:
    texts = _Texts()
    if part is not None:
        with archive.open(part) as source:
            texts.read_all(source)
    return texts.found


class _Sheet(_Part):
    """The rows of a sheet."""

    def __init__(self, texts: list[str], dates: frozenset[str], *, epoch: datetime) -> None:
        super().__init__()
        self._texts, self._dates, self._epoch = texts, dates, epoch
        self._done: list[Record] = []
        self._line = 0
        self._cells: list[str] = []
        self._column = 0
        self._kind = self._style = ""
        self._pieces: list[str] | None = None
        self._value = ""
        self._characters = self._shown_characters = 0

    def read(self, source: IO[bytes]) -> Iterator[Record]:
        """The rows that hold anything, as the part is read."""
        for _ in self.feed(source):
            yield from (record for record in self._done if not record.is_blank)
            self._done.clear()

    def start(self, name: str, given: Mapping[str, str]) -> None:
        if name == "row":
            # A row that claims an earlier place stands after the one before all the same.
            self._line = max(self._line + 1, int(given.get("r", 0)))
            self._cells, self._column = [], 0
        elif name == "c":
            place = _COLUMN.fullmatch(given.get("r", ""))
            self._column = _column(place.group(1)) if place else self._column + 1
            self._kind, self._style, self._value = given.get("t", "n"), given.get("s", "0"), ""
            self._characters = 0
        elif name in {"v", "t"}:
            self._pieces = []

    def end(self, name: str) -> None:
        if name in {"v", "t"} and self._pieces is not None:
            self._value += "".join(self._pieces)
            self._pieces = None
        elif name == "c" and self._value and len(self._cells) < self._column <= MOST_COLUMNS + 1:
            self._cells += [""] * (self._column - len(self._cells) - 1)
            self._cells.append(self._shown())
            self._shown_characters += len(self._cells[-1])
            if self._shown_characters > _MOST_SHOWN:
                raise UnreadableSheetError("zip_bomb", "The workbook is too large unpacked; save the sheet as CSV.")
        elif name == "row":
            self._done.append(Record(self._line, self._cells))

    def text(self, text: str) -> None:
        if self._pieces is not None:
            self._pieces.append(text)
            self._characters += len(text)
            if self._characters > _MOST_TEXT:
                raise _endless_text()

    def _shown(self) -> str:
        """The cell as people read it: whole numbers without a point (phone numbers often are), dates as ISO 8601."""
        value = self._value
        if self._kind == "s":
            return self._texts[int(value)]
        if self._kind == "b":
            return "TRUE" if value == "1" else "FALSE"
        if self._kind != "n":
            return value
        number = float(value)
        if self._style in self._dates:
            return self._date(number)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else value

    def _date(self, days: float) -> str:
        try:
            moment = self._epoch + timedelta(seconds=round(days * 86400))
        except OverflowError:
            return self._value
        if days < 1:
            return moment.strftime("%H:%M")
        return moment.strftime("%Y-%m-%d" if days.is_integer() else "%Y-%m-%d %H:%M")


def _local(name: str) -> str:
    return name.rpartition(_SEPARATOR)[2]


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
