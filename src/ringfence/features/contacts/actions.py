"""Writing contacts."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from ringfence.features.companies.queries import default_region
from ringfence.features.contacts import queries
from ringfence.features.contacts.model import Contact
from ringfence.features.contacts.values import NumberTakenError, read_number
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


async def create_contact(session: TenantSession, *, details: Mapping[str, str | None]) -> Contact:
    """Add a contact from fields by name; its number is read in the company's region.

    Raises InvalidInputError for a malformed number and NumberTakenError for one that another contact has.
    """
    values = await _with_number_read(session, details, owner=None)
    contact = Contact(created_at=utc_now())
    await _store(session, contact, values)
    return contact


async def change_contact(session: TenantSession, contact_id: UUID, *, changes: Mapping[str, str | None]) -> Contact:
    """Set the given fields of a contact; the others stay.

    Raises NotFoundError, InvalidInputError for a malformed number, NumberTakenError for one that is taken.
    """
    contact = await queries.get_contact(session, contact_id)
    await _store(session, contact, await _with_number_read(session, changes, owner=contact.id))
    return contact


async def _with_number_read(
    session: TenantSession, values: Mapping[str, str | None], *, owner: UUID | None
) -> dict[str, str | None]:
    """The fields with the number in E.164, once it is sure that no other contact has it."""
    spelled = values.get("phone_number")
    if spelled is None:
        return dict(values)
    number = read_number(spelled, region=await default_region(session))
    holder = await queries.find_by_number(session, number)
    if holder is not None and holder.id != owner:
        raise NumberTakenError(holder.id)
    return {**values, "phone_number": number}


async def _store(session: TenantSession, contact: Contact, values: Mapping[str, str | None]) -> None:
    """Flush the fields; the unique index has the last word when two requests bring one number at once."""
    try:
        async with session.begin_nested():
            for field, value in values.items():
                setattr(contact, field, value)
            contact.updated_at = utc_now()
            session.add(contact)
            await session.flush()
    except IntegrityError:
        holder = await queries.find_by_number(session, values.get("phone_number") or "")
        if holder is None:
            raise
        raise NumberTakenError(holder.id) from None
