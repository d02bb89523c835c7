"""Reading a CSV file that a person made somewhere: which encoding, which separator, which column is what.

Blocking, for threads. Nothing here keeps more than one record in memory, however long the file is.
"""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ringfence.errors import InvalidInputError
from ringfence.features.contacts.values import is_custom_name
from ringfence.kit.phone import InvalidPhoneNumberError, parse_phone

ENCODINGS: Final = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")
SEPARATORS: Final = (",", ";", "\t", "|")
MOST_BYTES: Final = 20_000_000
MOST_ROWS: Final = 200_000
MOST_COLUMNS: Final = 200
MOST_COLUMN_NAME: Final = 100
_CHUNK: Final = 1 << 16
_SAMPLE: Final = 50

FIELDS: Final = (
    "phone_number",
    "first_name",
    "last_name",
    "full_name",
    "email",
    "organisation",
    "time_zone",
    "tags",
)
CUSTOM: Final = "custom."
# How people and other systems call a field, without blanks and signs.
_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("phonenumber", "phone", "mobile", "mobilephone", "mobilenumber", "cell", "cellphone"), FIELDS[0]),
    **dict.fromkeys(("cellnumber", "telephone", "telephonenumber", "tel", "number", "phoneno", "mobileno"), FIELDS[0]),
    **dict.fromkeys(("telefon", "handy", "telefono", "teléfono", "movil", "móvil", "telephone1", "phone1"), FIELDS[0]),
    **dict.fromkeys(
        ("firstname", "first", "givenname", "forename", "vorname", "nombre", "prenom", "prénom"), FIELDS[1]
    ),
    **dict.fromkeys(("lastname", "last", "surname", "familyname", "nachname", "apellido", "apellidos"), FIELDS[2]),
    **dict.fromkeys(("name", "fullname", "contactname", "contact"), FIELDS[3]),
    **dict.fromkeys(("email", "emailaddress", "mail"), FIELDS[4]),
    **dict.fromkeys(("organisation", "organization", "company", "companyname", "business", "firma"), FIELDS[5]),
    **dict.fromkeys(("timezone", "tz"), FIELDS[6]),
    **dict.fromkeys(("tags", "tag", "labels", "label"), FIELDS[7]),
}
_SIGNS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file: the line it begins in (from 1), and its cells, or why it cannot be read."""

    line: int
    cells: list[str]
    problem: str | None = None

    @property
    def is_blank(self) -> bool:
        """Whether nothing stands in it."""
        return self.problem is None and not any(cell.strip() for cell in self.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a file is to be read. `mapping` is column (position from 0) → field."""

    encoding: str
    separator: str
    has_header: bool
    columns: list[str]
    mapping: dict[int, str]
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What whoever uploads a file says about it; None is for us to find out.

    `mapping` is column name (or position from 1, as text) → field; None there leaves the column out.
    """

    encoding: str | None = None
    separator: str | None = None
    has_header: bool | None = None
    mapping: Mapping[str, str | None] | None = None


def inspect_file(path: Path, told: Told, *, region: str) -> Layout:
    """Look through a whole file once: what is not told is guessed, and rows are counted.

    Raises InvalidInputError: `unreadable_encoding`, `empty_file`, `too_many_rows`, `too_many_columns`,
    `unknown_column`, `unknown_field`, `doubled_field`, `no_phone_column`.
    """
    encoding = told.encoding or _guess_encoding(path)
    if not _decodes(path, encoding):
        raise InvalidInputError(
            "unreadable_encoding", f"The file is not {encoding}; save it as UTF-8, or say which encoding it has."
        )
    separator = told.separator or _guess_separator(path, encoding)
    first = next(_filled(path, encoding, separator), Record(1, [])).cells
    if len(first) > MOST_COLUMNS:
        raise InvalidInputError("too_many_columns", f"The file has more than {MOST_COLUMNS} columns.")
    has_header = told.has_header
    if has_header is None:
        has_header = not any(_is_number(cell, region) for cell in first)
    names = [cell.strip() for cell in first] if has_header else [str(n + 1) for n in range(len(first))]
    if told.mapping is not None:
        columns = _map_as_told(names, told.mapping)
    else:
        columns = _guess_mapping(names, first, has_header=has_header, region=region)
    rows = _count_rows(path, encoding, separator) - (1 if has_header else 0)
    if rows < 1:
        raise InvalidInputError("empty_file", "The file has no rows, or none below its header.")
    if "phone_number" not in columns.values():
        raise InvalidInputError(
            "no_phone_column", "No column is known to hold phone numbers: name it in `mapping`.", {"columns": names}
        )
    return Layout(
        encoding=encoding,
        separator=separator,
        has_header=has_header,
        mapping=columns,
        columns=[name[:MOST_COLUMN_NAME] for name in names],
        rows=rows,
    )


def read_rows(path: Path, *, encoding: str, separator: str, has_header: bool) -> Iterator[Record]:
    """The records below the header that hold anything, in order. The file is opened when the first one is asked for."""
    records = _filled(path, encoding, separator)
    if has_header:
        next(records, None)
    yield from records


def plain_cell(cell: str) -> str:
    """What a cell says, without blanks around it and the apostrophe that keeps a spreadsheet from computing."""
    trimmed = cell.strip()
    return trimmed[1:].strip() if trimmed[:1] == "'" and trimmed[1:2] in {"=", "+", "-", "@"} else trimmed


def _filled(path: Path, encoding: str, separator: str) -> Iterator[Record]:
    return (record for record in _records(path, encoding, separator) if not record.is_blank)


def _records(path: Path, encoding: str, separator: str) -> Iterator[Record]:
    with path.open(encoding=encoding, newline="") as file:
        # Strict: else a quote that never ends would make one long cell of the rows after it, and nobody would know.
        reader = csv.reader(file, delimiter=separator, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                yield Record(line, next(reader))
            except StopIteration:
                return
            except csv.Error:
                where = f"lines {line} to {reader.line_num}" if reader.line_num > line else "it"
                yield Record(
                    line, [], f"{where} cannot be read as CSV: a quote is missing or stands in the wrong place"
                )


def _guess_encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # ASCII letters in UTF-16 have a zero byte each; in other encodings a zero byte stands nowhere.
    if head[1::2].count(0) > len(head) // 8:
        return "utf-16-le"
    if head[0::2].count(0) > len(head) // 8:
        return "utf-16-be"
    return "utf-8" if _decodes(path, "utf-8") else "cp1252"


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _count_rows(path: Path, encoding: str, separator: str) -> int:
    """How many records hold anything. Raises InvalidInputError `too_many_rows`, without reading on."""
    rows = 0
    for _ in _filled(path, encoding, separator):
        rows += 1
        if rows > MOST_ROWS + 1:
            raise InvalidInputError("too_many_rows", f"The file has more than {MOST_ROWS} rows; split it.")
    return rows


def _guess_separator(path: Path, encoding: str) -> str:
    """The separator that cuts the first records into the same number of cells most often, and into most cells."""
    best = (0, 0, SEPARATORS[0])
    for separator in SEPARATORS:
        records = _filled(path, encoding, separator)
        counts = Counter(len(record.cells) for record, _ in zip(records, range(_SAMPLE), strict=False))
        widths = [(times, cells) for cells, times in counts.items() if cells > 1]
        if widths:
            times, cells = max(widths)
            if (times, cells) > best[:2]:
                best = (times, cells, separator)
    return best[2]


def _map_as_told(names: Sequence[str], mapping: Mapping[str, str | None]) -> dict[int, str]:
    columns: dict[int, str] = {}
    for name, field in mapping.items():
        if name in names:
            position = names.index(name)
        elif name.isdecimal() and 0 < int(name) <= len(names):
            position = int(name) - 1
        else:
            raise InvalidInputError("unknown_column", f"The file has no column {name[:60]}.", {"columns": list(names)})
        if field is None:
            continue
        if field not in FIELDS and not (field.startswith(CUSTOM) and is_custom_name(field.removeprefix(CUSTOM))):
            raise InvalidInputError(
                "unknown_field", f"There is no field {field[:60]}: use {', '.join(FIELDS)} or custom.<name>."
            )
        if field in columns.values():
            raise InvalidInputError("doubled_field", f"Two columns cannot both be {field}.")
        columns[position] = field
    return columns


def _guess_mapping(names: Sequence[str], first: Sequence[str], *, has_header: bool, region: str) -> dict[int, str]:
    columns: dict[int, str] = {}
    for position, name in enumerate(names):
        by_content = "phone_number" if not has_header and _is_number(first[position], region) else None
        field = _field_called(name) if has_header else by_content
        if field is not None and field not in columns.values():
            columns[position] = field
    return columns


def _field_called(name: str) -> str | None:
    if name.startswith(CUSTOM) and is_custom_name(name.removeprefix(CUSTOM)):
        return name
    return _NAMES.get(_SIGNS.sub("", name.lower()))


def _is_number(cell: str, region: str) -> bool:
    try:
        parse_phone(plain_cell(cell), region=region)
    except InvalidPhoneNumberError:
        return False
    return True
