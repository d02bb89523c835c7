"""Reading a CSV file of contacts that a person made somewhere. Blocking, for threads."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from ringfence.errors import InvalidInputError
from ringfence.features.contacts.values import is_custom_name
from ringfence.features.contacts.values.columns import PHONE, Fields, Told, arrange, no_phone_column
from ringfence.kit.sheets import Record, UnreadableSheetError
from ringfence.kit.sheets.delimited import choose_encoding, guess_separator, read_delimited

MOST_BYTES: Final = 20_000_000
MOST_ROWS: Final = 200_000
MOST_COLUMN_NAME: Final = 100

FIELDS: Final = (
    PHONE,
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
_SIGNS: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a file is to be read. `mapping` is column (position from 0) → field."""

    encoding: str
    separator: str
    has_header: bool
    columns: list[str]
    mapping: dict[int, str]
    rows: int


def inspect_file(path: Path, told: Told, *, region: str) -> Layout:
    """Look through a whole file once: what is not told is guessed, and rows are counted.

    Raises InvalidInputError: `unreadable_encoding`, `row_too_long`, `empty_file`, `too_many_rows`, `too_many_columns`,
    `unknown_column`, `unknown_field`, `doubled_field`, `no_phone_column`.
    """
    try:
        encoding = choose_encoding(path, told.encoding)
        separator = told.separator or guess_separator(path, encoding)
        columns = arrange(
            partial(read_delimited, path, encoding=encoding, separator=separator),
            told,
            fields=CONTACT_FIELDS,
            region=region,
            most_rows=MOST_ROWS,
        )
    except UnreadableSheetError as error:
        raise InvalidInputError(error.code, str(error)) from None
    if PHONE not in columns.mapping.values():
        raise no_phone_column(columns.names)
    return Layout(
        encoding=encoding,
        separator=separator,
        has_header=columns.has_header,
        mapping=columns.mapping,
        columns=[name[:MOST_COLUMN_NAME] for name in columns.names],
        rows=columns.rows,
    )


def read_rows(path: Path, *, encoding: str, separator: str, has_header: bool) -> Iterator[Record]:
    """The records below the header that hold anything, in order. The file is opened when the first one is asked for."""
    records = read_delimited(path, encoding=encoding, separator=separator)
    if has_header:
        next(records, None)
    yield from records


def is_custom_field(name: str) -> bool:
    """Whether a name is that of a contact's own field, `custom.<name>`."""
    return name.startswith(CUSTOM) and is_custom_name(name.removeprefix(CUSTOM))


def field_called(name: str) -> str | None:
    """The field that a column with this header most likely is; None for no idea."""
    return name if is_custom_field(name) else _NAMES.get(_SIGNS.sub("", name.lower()))


CONTACT_FIELDS: Final = Fields(
    is_field=lambda name: name in FIELDS or is_custom_field(name),
    guess=field_called,
    hint=f"{', '.join(FIELDS)} or custom.<name>",
)
