"""Words of the contacts room."""

import re
from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import UUID

from ringfence.errors import ConflictError, InvalidInputError
from ringfence.jobqueue.jobs import Job
from ringfence.kit.phone import InvalidPhoneNumberError, PhoneNumber, parse_phone

MOST_NAME: Final = 100
MOST_TAGS: Final = 50
MOST_TAG: Final = 50
MOST_CUSTOM_FIELDS: Final = 50
MOST_CUSTOM_VALUE: Final = 200
CUSTOM_NAME: Final = r"[A-Za-z][A-Za-z0-9_]{0,39}"

_CUSTOM_NAME = re.compile(CUSTOM_NAME)


class NumberTakenError(ConflictError):
    """Another contact of the company has this number; `fields["contact_id"]` names that contact."""

    def __init__(self, contact_id: UUID) -> None:
        super().__init__(
            "contact_exists", "A contact with this number exists already.", {"contact_id": str(contact_id)}
        )


class ContactMergedError(ConflictError):
    """The contact was merged into another one; `fields["contact_id"]` names that one."""

    def __init__(self, contact_id: UUID) -> None:
        super().__init__("contact_merged", "This contact was merged into another one.", {"contact_id": str(contact_id)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportContacts(Job):
    """Read one uploaded file into contacts, from where an earlier run stopped."""

    kind: ClassVar[str] = "contacts.import"
    import_id: UUID


def read_number(text: str, *, region: str) -> PhoneNumber:
    """The E.164 form of a number as people write it. Raises InvalidInputError `invalid_number`."""
    try:
        return parse_phone(text, region=region)
    except InvalidPhoneNumberError as error:
        raise InvalidInputError("invalid_number", f"This is {error}.") from None


def tidy_tag(text: str) -> str:
    """A tag as it is stored: lower case, one blank between words. Raises InvalidInputError `bad_tag`."""
    tag = " ".join(text.split()).lower()
    if not tag or len(tag) > MOST_TAG:
        raise InvalidInputError("bad_tag", f"A tag has 1 to {MOST_TAG} characters.")
    return tag


def tidy_tags(texts: list[str]) -> list[str]:
    """Tags as they are stored, each once, sorted. Raises InvalidInputError `bad_tag`, `too_many_tags`."""
    tags = sorted({tidy_tag(text) for text in texts})
    if len(tags) > MOST_TAGS:
        raise InvalidInputError("too_many_tags", f"A contact has {MOST_TAGS} tags at most.")
    return tags


def is_custom_name(name: str) -> bool:
    """Whether a custom field may have this name: a letter, then up to 39 letters, digits and underscores."""
    return bool(_CUSTOM_NAME.fullmatch(name))


def with_custom_fields(stored: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    """Custom fields after changes: None removes a field, others stay. Raises InvalidInputError `too_many_fields`."""
    merged = {name: value for name, value in {**stored, **changes}.items() if value is not None}
    if len(merged) > MOST_CUSTOM_FIELDS:
        raise InvalidInputError("too_many_fields", f"A contact has {MOST_CUSTOM_FIELDS} custom fields at most.")
    return merged
