"""Bodies and answers of contacts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import EmailStr, Field, RootModel, StringConstraints, model_validator

from ringfence.features.contacts.model import Contact, ContactImport
from ringfence.features.contacts.values import (
    CUSTOM_NAME,
    MOST_CUSTOM_FIELDS,
    MOST_CUSTOM_VALUE,
    MOST_NAME,
    MOST_TAG,
    MOST_TAGS,
)
from ringfence.features.contacts.values.columns import column_names
from ringfence.web.schemas import Answer, Body

Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MOST_NAME)]
Spelled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
ZoneName = Annotated[str, StringConstraints(max_length=64)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_TAG)]
Tags = Annotated[
    list[Tag], Field(max_length=MOST_TAGS, description="Kept in lower case, each once. As a whole: others go.")
]
CustomName = Annotated[str, StringConstraints(pattern=f"^{CUSTOM_NAME}$")]
CustomValue = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_CUSTOM_VALUE)]
CustomFields = Annotated[
    dict[CustomName, CustomValue | None],
    Field(max_length=MOST_CUSTOM_FIELDS, description="Fields of your own, such as plan; null removes one."),
]


class ContactCreate(Body):
    """A new contact: a name, a number, or both."""

    first_name: Name = ""
    last_name: Name = ""
    email: EmailStr | None = None
    phone_number: Spelled | None = Field(
        default=None, description="As people write it; read in the company's default region."
    )
    organisation: Name | None = None
    time_zone: ZoneName | None = Field(default=None, description="A tz database name such as America/Phoenix.")
    tags: Tags = Field(default_factory=list)
    custom_fields: CustomFields = Field(default_factory=dict)

    @model_validator(mode="after")
    def _somebody(self) -> "ContactCreate":
        if not (self.first_name or self.last_name or self.phone_number or self.organisation or self.email):
            raise ValueError("a contact needs a name, an organisation, an e-mail address or a number")
        return self


class ContactUpdate(Body):
    """Changes of a contact: fields that are left out stay; null clears e-mail, number, organisation or zone.

    `tags` replaces all tags; `custom_fields` changes the ones it names.
    """

    first_name: Name = ""
    last_name: Name = ""
    email: EmailStr | None = None
    phone_number: Spelled | None = None
    organisation: Name | None = None
    time_zone: ZoneName | None = None
    tags: Tags = Field(default_factory=list)
    custom_fields: CustomFields = Field(default_factory=dict)


class ContactMerge(Body):
    """Which contact is merged into the one of the address."""

    source_id: UUID


class ContactAnswer(Answer):
    """A contact; `phone_number` is E.164."""

    id: UUID
    first_name: str
    last_name: str
    email: str | None
    phone_number: str | None
    organisation: str | None
    time_zone: str | None
    tags: list[str]
    custom_fields: dict[str, str]
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    @classmethod
    def made_of(cls, contact: Contact, tags: Sequence[str]) -> Self:
        """The answer for a contact and its tags."""
        own = {name: getattr(contact, name) for name in cls.model_fields if name != "tags"}
        return cls(**own, tags=list(tags))


class TagCount(Answer):
    """A tag, and how many contacts have it."""

    tag: str
    contacts: int


class TagList(Answer):
    """The company's tags, by name; up to 1000."""

    items: list[TagCount]


class ImportAnswer(Answer):
    """An import. `rows_done` of `rows_total` are read; the counts are of those.

    `mapping` says which column became which field; `ignored_columns` were left out. `duplicate` and `bad` rows are
    listed, with line and reason, under `…/errors`.
    """

    id: UUID
    status: Literal["queued", "running", "done", "failed"]
    reason: str | None
    file_name: str
    size_bytes: int
    encoding: str
    separator: str
    has_header: bool
    mapping: dict[str, str]
    ignored_columns: list[str]
    existing: Literal["update", "skip"]
    rows_total: int
    rows_done: int
    created_count: int
    updated_count: int
    skipped_count: int
    duplicate_count: int
    bad_count: int
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @classmethod
    def made_of(cls, row: ContactImport) -> Self:
        """The answer for an import, its columns by name (by position where two have the same name)."""
        names = column_names(row.columns)
        told: dict[str, Any] = {
            "mapping": {names[int(at)]: field for at, field in row.mapping.items()},
            "ignored_columns": [name for at, name in enumerate(names) if str(at) not in row.mapping],
        }
        own: dict[str, Any] = {name: getattr(row, name) for name in cls.model_fields if name not in told}
        return cls(**own, **told)


class ImportMapping(RootModel[dict[str, str | None]]):
    """The form field `mapping`: column → field of a contact, null to leave a column out."""


class ImportProblem(Answer):
    """A row that was not taken over; `line` is where it begins in the file, from 1."""

    line: int
    kind: Literal["bad", "duplicate"]
    reason: str
