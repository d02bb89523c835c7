"""Words of recipient lists."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, NamedTuple
from uuid import UUID

from ringfence.errors import ConflictError
from ringfence.jobqueue.jobs import Job

SOURCES: Final = ("file", "contacts")
STATUSES: Final = ("draft", "reading", "ready", "failed", "canceled")
FILE_KINDS: Final = ("csv", "xlsx")
MOST_NAME: Final = 200
PHONE_FIELD: Final = "phone_number"
PARCEL: Final = 500
"""How many rows of a file, or contacts, one stored parcel is made of."""


class ListStateError(ConflictError):
    """The list is past (or not yet at) the state that the request needs; `fields["status"]` says where it is."""

    def __init__(self, detail: str, status: str) -> None:
        super().__init__("list_state", detail, {"status": status})


class ListInUseError(ConflictError):
    """A bulk send refers to the list."""

    def __init__(self) -> None:
        super().__init__("list_in_use", "A bulk send uses this list; it stays as long as the send does.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One recipient of a list.

    `position` counts from 1 without a gap. `line` is where it stands in the file (a row, in a spreadsheet), None for
    a contact. `phone_number` is E.164. `variables` has what the file says, under the names that templates use
    (`contact.first_name`, `custom.plan`, `order_number`): it goes before what the contact's own record says.
    """

    position: int
    line: int | None
    phone_number: str = field(repr=False)
    variables: dict[str, str] = field(repr=False)
    contact_id: UUID | None


class Rejected(NamedTuple):
    """A row of a file (or a contact) that is no recipient, why, and what stands in it.

    `kind` is `bad` or `duplicate`; `reason` is one line for people.
    """

    line: int | None
    kind: str
    reason: str
    cells: list[str]


def variable_names(mapping: Mapping[int, str]) -> list[str]:
    """The mapped fields but the number, in the order of their columns."""
    return [mapping[at] for at in sorted(mapping) if mapping[at] != PHONE_FIELD]


def with_names(given: dict[str, str]) -> dict[str, str]:
    """A full name also stands for the first and last name, unless the file says those itself."""
    full = given.get("contact.full_name")
    if full and "contact.first_name" not in given and "contact.last_name" not in given:
        first, _, last = full.partition(" ")
        given["contact.first_name"] = first
        if last:
            given["contact.last_name"] = last.strip()
    return given


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadList(Job):
    """Read a list's file or contacts into recipients, from where an earlier run stopped."""

    kind: ClassVar[str] = "bulk.read_list"
    list_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepLists(Job):
    """Remove uploads that nobody went on with, and files that no list needs."""

    kind: ClassVar[str] = "bulk.sweep_lists"
