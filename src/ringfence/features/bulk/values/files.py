"""From a file to recipients: how it is laid out, and what each of its rows is.

Blocking, for threads. One record is in memory at a time; of a whole file, the numbers that came so far.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from ringfence.errors import InvalidInputError
from ringfence.features.bulk.values.lists import PARCEL, PHONE_FIELD, Rejected, variable_names, with_names
from ringfence.features.contacts.values.columns import Fields, Told, arrange
from ringfence.features.contacts.values.files import MOST_COLUMN_NAME, field_called, is_custom_field
from ringfence.features.templates.values import BUILT_IN, MOST_VARIABLE, VARIABLE_NAME
from ringfence.kit.phone import InvalidPhoneNumberError, PhoneNumber, are_plain_e164, is_plain_e164, parse_phone
from ringfence.kit.sheets import Record, UnreadableSheetError, plain_cell
from ringfence.kit.sheets.delimited import choose_encoding, guess_separator, read_delimited
from ringfence.kit.sheets.xlsx import is_zip, read_xlsx

MOST_BYTES: Final = 250_000_000
_PREVIEW: Final = 10
_MOST_SHOWN: Final = 1000
# A row that a missing quote swallowed stands near the beginning of what swallowed it.
_LINES_LOOKED_AT: Final = 20
_FEW: Final = 8
MOST_ROWS: Final[Mapping[str, int]] = {"csv": 1_000_000, "xlsx": 100_000}

_OF_CONTACT: Final = tuple(name for name in BUILT_IN if name.startswith("contact.") and name != "contact.phone_number")
_VARIABLE: Final = re.compile(VARIABLE_NAME)
# What lets a cell be other than it looks: further lines, NUL, an apostrophe that keeps a spreadsheet from computing.
_ODD: Final = ("\n", "\r", "\x00", "'=", "'+", "'-", "'@", "\x0b", "\x0c", "\x1c", "\x1d", "\x85", "\u2028", "\u2029")
_NOT_NAME: Final = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLayout:
    """How a file is to be read. `mapping` is column (position from 0) → field; a workbook has no separator."""

    kind: str
    encoding: str | None
    separator: str | None
    has_header: bool
    columns: list[str]
    mapping: dict[int, str]
    rows: int


def inspect_file(path: Path, told: Told, *, region: str) -> FileLayout:
    """Look through a whole file once: what is not told is guessed, and rows are counted.

    Raises InvalidInputError: `unreadable_encoding`, `row_too_long`, `not_xlsx`, `has_macros`, `zip_bomb`, `unsafe_xml`,
    `empty_file`, `too_many_rows`, `too_many_columns`, `unknown_column`, `unknown_field`, `doubled_field`.
    """
    kind = "xlsx" if is_zip(path) else "csv"
    try:
        encoding = choose_encoding(path, told.encoding) if kind == "csv" else None
        separator = told.separator or guess_separator(path, encoding) if encoding is not None else None
        columns = arrange(
            partial(open_records, path, encoding, separator),
            told,
            fields=RECIPIENT_FIELDS,
            region=region,
            most_rows=MOST_ROWS[kind],
        )
    except UnreadableSheetError as error:
        raise InvalidInputError(error.code, str(error)) from None
    except FileNotFoundError:
        raise InvalidInputError("file_gone", "The uploaded file is gone; upload it again.") from None
    return FileLayout(
        kind=kind,
        encoding=encoding,
        separator=separator,
        has_header=columns.has_header,
        columns=[name[:MOST_COLUMN_NAME] for name in columns.names],
        mapping=columns.mapping,
        rows=columns.rows,
    )


def open_records(path: Path, encoding: str | None, separator: str | None) -> Iterator[Record]:
    """The records of a CSV file, or of a workbook where there is no encoding, header included."""
    if encoding is None or separator is None:
        return read_xlsx(path)
    return read_delimited(path, encoding=encoding, separator=separator)


def _is_field(name: str) -> bool:
    return name == PHONE_FIELD or name in _OF_CONTACT or is_custom_field(name) or bool(_VARIABLE.fullmatch(name))


def _guess(header: str) -> str | None:
    """A header that contacts know is that field of the contact; any other is a variable of its own."""
    known = field_called(header)
    if known == PHONE_FIELD or f"contact.{known}" in _OF_CONTACT:
        return known if known == PHONE_FIELD else f"contact.{known}"
    if _is_field(header):
        return header
    name = _NOT_NAME.sub("_", header).strip("_").lower()[:40]
    return name if _VARIABLE.fullmatch(name) else None


RECIPIENT_FIELDS: Final = Fields(
    is_field=_is_field,
    guess=_guess,
    hint=f"{PHONE_FIELD}, {', '.join(_OF_CONTACT)}, custom.<name> or a variable's name",
)


class BadRecipientError(ValueError):
    """A row is no recipient; the message is one line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """A row as it stands in the file, and what it would become."""

    line: int
    cells: list[str]
    phone_number: str | None = None
    variables: dict[str, str] = field(default_factory=dict[str, str])
    problem: str | None = None


def preview_rows(path: Path, layout: FileLayout, *, region: str) -> list[Previewed]:
    """The first rows of a file. Raises InvalidInputError."""
    try:
        records = open_records(path, layout.encoding, layout.separator)
        begin = 1 if layout.has_header else 0
        rows = list(islice(records, begin, begin + _PREVIEW))
    except UnreadableSheetError as error:
        raise InvalidInputError(error.code, str(error)) from None
    except FileNotFoundError:
        raise InvalidInputError("file_gone", "The uploaded file is gone; upload it again.") from None
    if PHONE_FIELD not in layout.mapping.values():
        problem = "no column is known to hold phone numbers"
        return [Previewed(line=row.line, cells=_beginnings(row.cells), problem=problem) for row in rows]
    return [_previewed(RowReader(layout, region=region), row) for row in rows]


def _previewed(reader: "RowReader", row: Record) -> Previewed:
    try:
        number, values = reader.read(row)
    except BadRecipientError as error:
        return Previewed(line=row.line, cells=_beginnings(row.cells), problem=str(error))
    given = {name: value for name, value in zip(reader.names, values, strict=True) if value}
    return Previewed(line=row.line, cells=_beginnings(row.cells), phone_number=number, variables=with_names(given))


def _beginnings(cells: Sequence[str]) -> list[str]:
    """Cells as a preview shows them: whole, ten rows can be more than an answer should hold."""
    return [cell[:_MOST_SHOWN] for cell in cells]


class RowReader:
    """Reads records under one layout. `names` are the mapped fields but the number, in the order of the columns."""

    def __init__(self, layout: FileLayout, *, region: str) -> None:
        self._region = region
        self._width = len(layout.columns)
        self._separator = layout.separator
        self._phone = next(at for at, name in layout.mapping.items() if name == PHONE_FIELD)
        self._places = [at for at in sorted(layout.mapping) if at != self._phone]
        self.names = variable_names(layout.mapping)

    def read_plain(self, records: Sequence[Record]) -> list[list[str]] | None:
        """The number column and then the columns of `names`, if nothing in these records needs a closer look.

        So it is mostly, and a column at a time costs a third of what a row at a time does. What comes is what `read`
        would say of each row.
        """
        rows = [record[1] for record in records]
        if {*map(len, rows)} != {self._width}:
            return None
        texts = ["\x1f".join(cells) for cells in rows]
        text = "\x1e".join(texts)
        if max(map(len, texts)) > MOST_VARIABLE or any(sign in text for sign in _ODD):
            return None
        columns = list(zip(*rows, strict=True))
        numbers = columns[self._phone]
        if not are_plain_e164(numbers):
            return None
        return [list(numbers), *([cell.strip() for cell in columns[at]] for at in self._places)]

    def read(self, record: Record) -> tuple[str, list[str]]:
        """The E.164 number of a record, and the values of `names`. Raises BadRecipientError."""
        cells = record.cells
        if record.problem is not None:
            raise BadRecipientError(record.problem)
        if len(cells) != self._width:
            cells = self._fitted(cells)
        number = cells[self._phone]
        if not is_plain_e164(number):
            number = self._number(number)
        text = "\x1f".join(cells)
        if len(text) > MOST_VARIABLE or any(sign in text for sign in _ODD):
            return number, self._closely(cells)
        return number, [cells[at].strip() for at in self._places]

    def _fitted(self, cells: list[str]) -> list[str]:
        if any(cell.strip() for cell in cells[self._width :]):
            raise BadRecipientError(
                "it has more cells than the first row; a separator in a text needs quotes around it"
            )
        return [*cells[: self._width], *[""] * (self._width - len(cells))]

    def _number(self, cell: str) -> PhoneNumber:
        try:
            return parse_phone(plain_cell(cell), region=self._region)
        except InvalidPhoneNumberError as error:
            raise BadRecipientError(str(error)) from None

    def _closely(self, cells: Sequence[str]) -> list[str]:
        if any("\x00" in cell for cell in cells):
            raise BadRecipientError("it holds a NUL character")
        if self._separator is not None and any(self._swallowed(cell, self._separator) for cell in cells):
            raise BadRecipientError("a cell holds what looks like further rows; perhaps a quote is missing")
        values = ["\n".join(plain_cell(cells[at]).splitlines()) for at in self._places]
        for name, value in zip(self.names, values, strict=True):
            if len(value) > MOST_VARIABLE:
                raise BadRecipientError(f"its {name} is longer than {MOST_VARIABLE} characters")
        return values

    def _swallowed(self, cell: str, separator: str) -> bool:
        """Whether one of the further lines of a cell is a row of its own: as wide, with a number in its place."""
        for inner in cell.splitlines()[1 : _LINES_LOOKED_AT + 1]:
            parts = inner.split(separator)
            if len(parts) >= self._width:
                try:
                    parse_phone(plain_cell(parts[self._phone].strip('"')), region=self._region)
                except InvalidPhoneNumberError:
                    continue
                return True
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What up to 500 rows became. `begins_at` counts the rows before, recipients are [line, number, value, …]."""

    begins_at: int
    size: int
    recipients: list[Sequence[object]]
    rejected: list[Rejected]


class Batches:
    """Cuts a file into batches, the same ones in every run: what was stored is always a whole number of them."""

    def __init__(self, records: Iterator[Record], layout: FileLayout, *, region: str) -> None:
        self._reader = RowReader(layout, region=region)
        self._records = islice(records, 1 if layout.has_header else 0, None)
        self._begins_at = 0
        # The line that a number stood in first, by its digits: a whole number takes half the room of a text.
        self._lines: dict[int, int] = {}

    def next(self) -> Batch | None:
        """The next batch, or None at the end of the file. Blocking."""
        records = list(islice(self._records, PARCEL))
        if not records:
            return None
        batch = Batch(begins_at=self._begins_at, size=len(records), recipients=[], rejected=[])
        self._read(records, batch)
        self._begins_at += len(records)
        return batch

    def _read(self, records: Sequence[Record], batch: Batch) -> None:
        """Add what records are to a batch: by columns if they are plain, else by halves: an odd row ends up alone."""
        columns = self._reader.read_plain(records)
        if columns is not None:
            self._take(records, columns, batch)
        elif len(records) > _FEW:
            middle = len(records) // 2
            self._read(records[:middle], batch)
            self._read(records[middle:], batch)
        else:
            for record in records:
                self._read_one(record, batch)

    def _read_one(self, record: Record, batch: Batch) -> None:
        try:
            number, values = self._reader.read(record)
        except BadRecipientError as error:
            batch.rejected.append(Rejected(record.line, "bad", str(error), record.cells))
        else:
            self._take([record], [[cell] for cell in (number, *values)], batch)

    def _take(self, records: Sequence[Record], columns: Sequence[Sequence[str]], batch: Batch) -> None:
        """Recipients, but for numbers that came before. `columns` are the numbers and then the values."""
        lines, numbers = [record[0] for record in records], [*map(int, columns[0])]
        rows = zip(lines, *columns, strict=True)
        new = dict(zip(numbers, lines, strict=True))
        if len(new) == len(numbers) and self._lines.keys().isdisjoint(new):
            self._lines.update(new)
            batch.recipients.extend(rows)
            return
        for record, number, row in zip(records, numbers, rows, strict=True):
            first = self._lines.setdefault(number, record.line)
            if first == record.line:
                batch.recipients.append(row)
            else:
                reason = f"the same number stands in line {first} already"
                batch.rejected.append(Rejected(record.line, "duplicate", reason, record.cells))
