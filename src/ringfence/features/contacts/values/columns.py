"""Which column of a file is what: as whoever uploads it says, or as its header and its first rows suggest."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ringfence.errors import InvalidInputError
from ringfence.kit.phone import InvalidPhoneNumberError, parse_phone
from ringfence.kit.sheets import MOST_COLUMNS, Record, plain_cell

PHONE: Final = "phone_number"
_SAMPLE: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What columns can become: which names are fields, which one a header suggests, and a list of them for people."""

    is_field: Callable[[str], bool]
    guess: Callable[[str], str | None]
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What whoever uploads a file says about it; None is for us to find out.

    `mapping` is column name (or position from 1, as text) → field; None there leaves the column out.
    """

    encoding: str | None = None
    separator: str | None = None
    has_header: bool | None = None
    mapping: Mapping[str, str | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """A file's columns. `mapping` is column (position from 0) → field; `rows` counts those below the header."""

    has_header: bool
    names: list[str]
    mapping: dict[int, str]
    rows: int


def arrange(
    read: Callable[[], Iterator[Record]], told: Told, *, fields: Fields, region: str, most_rows: int
) -> Columns:
    """Look through a file, which `read` reads from its beginning each time: what is not told is guessed.

    Raises InvalidInputError: `empty_file`, `too_many_rows`, `too_many_columns`, `unknown_column`, `unknown_field`,
    `doubled_field`. A file may turn out to have no column of phone numbers.
    """
    sample = list(islice(read(), _SAMPLE + 1))
    first = sample[0].cells if sample else []
    if len(first) > MOST_COLUMNS:
        raise InvalidInputError("too_many_columns", f"The file has more than {MOST_COLUMNS} columns.")
    has_header = told.has_header
    if has_header is None:
        has_header = not any(_is_number(cell, region) for cell in first)
    names = [cell.strip() for cell in first] if has_header else [str(n + 1) for n in range(len(first))]
    if told.mapping is not None:
        mapping = _as_told(names, told.mapping, fields)
    else:
        mapping = _guessed(names, sample[1:] if has_header else sample, fields, has_header=has_header, region=region)
    rows = _count(read(), most_rows) - (1 if has_header else 0)
    if rows < 1:
        raise InvalidInputError("empty_file", "The file has no rows, or none below its header.")
    return Columns(has_header=has_header, names=names, mapping=mapping, rows=rows)


def no_phone_column(names: Sequence[str]) -> InvalidInputError:
    """The error for a file whose columns are known, and none of them holds phone numbers."""
    return InvalidInputError(
        "no_phone_column",
        "No column is known to hold phone numbers: name it in `mapping`.",
        {"columns": list(names)},
    )


def column_names(names: Sequence[str]) -> list[str]:
    """Columns as they are named to people: by position (from 1) where two have the same name."""
    return [name if names.count(name) == 1 else str(at + 1) for at, name in enumerate(names)]


def _count(records: Iterator[Record], most_rows: int) -> int:
    """How many records there are, header included; stops where there are too many."""
    rows = 0
    for _ in records:
        rows += 1
        if rows > most_rows + 1:
            raise InvalidInputError("too_many_rows", f"The file has more than {most_rows} rows; split it.")
    return rows


def _as_told(names: Sequence[str], mapping: Mapping[str, str | None], fields: Fields) -> dict[int, str]:
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
        if not fields.is_field(field):
            raise InvalidInputError("unknown_field", f"There is no field {field[:60]}: use {fields.hint}.")
        if field in columns.values():
            raise InvalidInputError("doubled_field", f"Two columns cannot both be {field}.")
        columns[position] = field
    return columns


def _guessed(
    names: Sequence[str], rows: Sequence[Record], fields: Fields, *, has_header: bool, region: str
) -> dict[int, str]:
    columns: dict[int, str] = {}
    for position, name in enumerate(names if has_header else ()):
        field = fields.guess(name)
        if field is not None and field not in columns.values():
            columns[position] = field
    if PHONE not in columns.values():
        position = _most_like_numbers(rows, len(names), region)
        if position is not None:
            columns[position] = PHONE
    return columns


def _most_like_numbers(rows: Sequence[Record], width: int, region: str) -> int | None:
    """The first of the columns that hold the most phone numbers; None if none does in half of the rows."""
    hits = [
        sum(position < len(row.cells) and _is_number(row.cells[position], region) for row in rows)
        for position in range(width)
    ]
    best = max(hits, default=0)
    return hits.index(best) if best and best * 2 >= len(rows) else None


def _is_number(cell: str, region: str) -> bool:
    try:
        parse_phone(plain_cell(cell), region=region)
    except InvalidPhoneNumberError:
        return False
    return True
