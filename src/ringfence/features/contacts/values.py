"""Words of the contacts room."""

from uuid import UUID

from ringfence.errors import ConflictError, InvalidInputError
from ringfence.kit.phone import InvalidPhoneNumberError, PhoneNumber, parse_phone


class NumberTakenError(ConflictError):
    """Another contact of the company has this number; `fields["contact_id"]` names that contact."""

    def __init__(self, contact_id: UUID) -> None:
        super().__init__(
            "contact_exists", "A contact with this number exists already.", {"contact_id": str(contact_id)}
        )


def read_number(text: str, *, region: str) -> PhoneNumber:
    """The E.164 form of a number as people write it. Raises InvalidInputError `invalid_number`."""
    try:
        return parse_phone(text, region=region)
    except InvalidPhoneNumberError as error:
        raise InvalidInputError("invalid_number", f"This is {error}.") from None
