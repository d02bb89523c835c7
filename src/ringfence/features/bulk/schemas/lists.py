"""Bodies and answers of recipient lists."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints

from ringfence.features.bulk.model.lists import RecipientList
from ringfence.features.bulk.values.files import FileLayout
from ringfence.features.bulk.values.lists import MOST_NAME
from ringfence.features.contacts.schemas import Tag
from ringfence.features.contacts.values.columns import column_names
from ringfence.kit.sheets.delimited import ENCODINGS, SEPARATORS
from ringfence.web.schemas import Answer, Body

ListName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_NAME)]
Status = Literal["draft", "reading", "ready", "failed", "canceled"]


class ListFromContacts(Body):
    """A list of the contacts that there are now: all of them, those with a tag, those that a search finds, or both."""

    name: ListName
    tag: Tag | None = None
    search: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)] | None = Field(
        default=None, description="Beginning of a name, organisation or e-mail, or part of a number."
    )


class ListChange(Body):
    """Changes of a list. All but the name are of how its file is read, and possible until it is started.

    `mapping` is column name (or its position from 1) → field, null to leave the column out; it replaces the guess.
    """

    name: ListName | None = None
    mapping: dict[str, str | None] | None = Field(default=None, max_length=200)
    encoding: str | None = Field(default=None, json_schema_extra={"enum": list(ENCODINGS)})
    separator: str | None = Field(default=None, json_schema_extra={"enum": list(SEPARATORS)})
    has_header: bool | None = None


class ListAnswer(Answer):
    """A recipient list. Of `rows_total` rows (null while unknown) `rows_done` are read.

    Each of those became one of `recipients_count` or stands, with its reason, under `…/rejected`. `mapping` says which
    column is which field; `ignored_columns` are left out.
    """

    id: UUID
    name: str
    source: Literal["file", "contacts"]
    status: Status
    reason: str | None
    file_name: str | None
    file_kind: Literal["csv", "xlsx"] | None
    size_bytes: int | None
    encoding: str | None
    separator: str | None
    has_header: bool | None
    mapping: dict[str, str]
    ignored_columns: list[str]
    filter_tag: str | None
    filter_search: str | None
    rows_total: int | None
    rows_done: int
    recipients_count: int
    duplicate_count: int
    bad_count: int
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @classmethod
    def made_of(cls, row: RecipientList) -> Self:
        """The answer for a list, its columns by name (by position where two have the same name)."""
        names = column_names(row.columns)
        told: dict[str, Any] = {
            "mapping": {names[int(at)]: field for at, field in row.mapping.items()},
            "ignored_columns": [name for at, name in enumerate(names) if str(at) not in row.mapping],
        }
        own: dict[str, Any] = {name: getattr(row, name) for name in cls.model_fields if name not in told}
        return cls(**own, **told)


class PreviewRow(Answer):
    """A row as the file has it (of each cell the first 1,000 characters), and what it would become.

    That is a number with variables, or a problem.
    """

    line: int
    cells: list[str]
    phone_number: str | None
    variables: dict[str, str]
    problem: str | None


class PreviewAnswer(Answer):
    """The first rows of a file, as it would be read now."""

    columns: list[str]
    items: list[PreviewRow]


class ListedRecipient(Answer):
    """A recipient of a list. `line` is where it stands in the file, null for a contact."""

    position: int
    line: int | None
    phone_number: str
    variables: Mapping[str, str]
    contact_id: UUID | None


def layout_of(row: RecipientList) -> FileLayout:
    """How the file of a list is to be read."""
    return FileLayout(
        kind=row.file_kind or "csv",
        encoding=row.encoding,
        separator=row.separator,
        has_header=bool(row.has_header),
        columns=row.columns,
        mapping={int(position): field for position, field in row.mapping.items()},
        rows=row.rows_total or 0,
    )
