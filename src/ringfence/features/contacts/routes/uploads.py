"""Taking in a file that a person made: the form it comes in, for every address that takes one."""

from collections.abc import Collection
from typing import Any, Final

from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from ringfence.errors import InvalidInputError
from ringfence.features.contacts.schemas import ImportMapping
from ringfence.features.contacts.values.columns import Told
from ringfence.kit.sheets.delimited import ENCODINGS, SEPARATORS

LAYOUT_OPTIONS: Final = frozenset({"mapping", "encoding", "separator", "header"})
LAYOUT_PROPERTIES: Final[dict[str, Any]] = {
    "mapping": {
        "type": "string",
        "description": "JSON: column name, or its position from 1, to a field or null. Guessed if left out.",
    },
    "encoding": {"type": "string", "enum": list(ENCODINGS), "description": "Guessed if left out."},
    "separator": {"type": "string", "enum": list(SEPARATORS), "description": "Guessed if left out."},
    "header": {"type": "string", "enum": ["true", "false"], "description": "Guessed if left out."},
}
_MOST_FILE_NAME: Final = 200


def read_form(form: FormData, *, options: Collection[str]) -> tuple[UploadFile, dict[str, str]]:
    """The file and the options of a form that may have no others. Raises InvalidInputError."""
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise InvalidInputError("invalid", "file: a file is required, as multipart/form-data.")
    given = {name: value for name, value in form.multi_items() if name != "file"}
    if unknown := sorted(given.keys() - set(options)):
        raise InvalidInputError("invalid", f"{unknown[0][:60]}: there is no such option.")
    return upload, {name: value for name, value in given.items() if isinstance(value, str)}


def told_of(options: dict[str, str]) -> Told:
    """What the options say of the file. Raises InvalidInputError."""
    header = one_of(options, "header", ("true", "false"))
    return Told(
        encoding=one_of(options, "encoding", ENCODINGS),
        separator=one_of(options, "separator", SEPARATORS),
        has_header=None if header is None else header == "true",
        mapping=_read_mapping(options.get("mapping")),
    )


def one_of(options: dict[str, str], name: str, allowed: tuple[str, ...]) -> str | None:
    """An option that has to be one of some values, None if it is left out. Raises InvalidInputError."""
    value = options.get(name)
    if value is not None and value not in allowed:
        raise InvalidInputError("invalid", f"{name}: must be one of {', '.join(repr(item) for item in allowed)}.")
    return value


def shown_name(name: str | None, *, otherwise: str) -> str:
    """A file's name for people to recognise it by, never a path."""
    plain = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in plain if char.isprintable())[:_MOST_FILE_NAME] or otherwise


def _read_mapping(text: str | None) -> dict[str, str | None] | None:
    if text is None:
        return None
    try:
        return ImportMapping.model_validate_json(text).root
    except ValidationError:
        raise InvalidInputError("invalid", "mapping: must be a JSON object of column names and fields.") from None
