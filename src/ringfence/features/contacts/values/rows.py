"""From a record of a file to a contact, or to the reason why it is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from email_validator import EmailNotValidError, validate_email

from ringfence.errors import InvalidInputError
from ringfence.features.companies.values import check_time_zone
from ringfence.features.contacts.values import MOST_CUSTOM_VALUE, MOST_NAME, tidy_tags
from ringfence.features.contacts.values.files import CUSTOM
from ringfence.kit.phone import InvalidPhoneNumberError, parse_phone
from ringfence.kit.sheets import Record, plain_cell


class BadRowError(ValueError):
    """A row cannot become a contact; the message is one line for people, with at most four digits of the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A contact as a file has it; what is empty there is empty or None here."""

    line: int
    phone_number: str
    first_name: str = ""
    last_name: str = ""
    email: str | None = None
    organisation: str | None = None
    time_zone: str | None = None
    tags: list[str] = field(default_factory=list[str])
    custom_fields: dict[str, str] = field(default_factory=dict[str, str])


def read_row(record: Record, mapping: Mapping[int, str], *, columns: int, region: str) -> Row:
    """The contact in a record; `columns` is how many cells a row may have. Raises BadRowError."""
    if record.problem is not None:
        raise BadRowError(record.problem)
    if any(cell.strip() for cell in record.cells[columns:]):
        raise BadRowError("it has more cells than the first row; a separator in a text needs quotes around it")
    cells = {
        name: plain_cell(record.cells[position]) for position, name in mapping.items() if position < len(record.cells)
    }
    if any("\x00" in cell for cell in cells.values()):
        raise BadRowError("it holds a NUL character")
    if any("\n" in cell or "\r" in cell for cell in cells.values()):
        raise BadRowError("a cell goes over several lines; perhaps a quote is missing")
    first_name, last_name = _names(cells)
    return Row(
        line=record.line,
        phone_number=_number(cells.get("phone_number", ""), region),
        first_name=first_name,
        last_name=last_name,
        email=_email(cells.get("email")),
        organisation=_bounded("organisation", cells.get("organisation", "")) or None,
        time_zone=_zone(cells.get("time_zone")),
        tags=_tags(cells.get("tags", "")),
        custom_fields={
            name.removeprefix(CUSTOM): _bounded(name, cell, MOST_CUSTOM_VALUE)
            for name, cell in cells.items()
            if name.startswith(CUSTOM) and cell
        },
    )


def _names(cells: Mapping[str, str]) -> tuple[str, str]:
    first, last = cells.get("first_name", ""), cells.get("last_name", "")
    if not first and not last:
        first, _, last = cells.get("full_name", "").partition(" ")
    return _bounded("first_name", first.strip()), _bounded("last_name", last.strip())


def _number(cell: str, region: str) -> str:
    try:
        return parse_phone(cell, region=region)
    except InvalidPhoneNumberError as error:
        raise BadRowError(str(error)) from None


def _email(cell: str | None) -> str | None:
    if not cell:
        return None
    try:
        return validate_email(cell, check_deliverability=False).normalized
    except EmailNotValidError:
        raise BadRowError("its e-mail address is none") from None


def _zone(cell: str | None) -> str | None:
    if not cell:
        return None
    try:
        return check_time_zone(cell)
    except InvalidInputError:
        raise BadRowError("its time zone is not a tz database name such as America/Phoenix") from None


def _tags(cell: str) -> list[str]:
    try:
        return tidy_tags([tag for tag in cell.replace(";", ",").split(",") if tag.strip()])
    except InvalidInputError as error:
        raise BadRowError(error.detail) from None


def _bounded(name: str, cell: str, most: int = MOST_NAME) -> str:
    if len(cell) > most:
        raise BadRowError(f"its {name} is longer than {most} characters")
    return cell
