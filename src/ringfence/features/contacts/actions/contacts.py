"""Writing single contacts."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.companies.queries import default_region
from ringfence.features.companies.values import check_time_zone
from ringfence.features.contacts import queries
from ringfence.features.contacts.model import Contact, ContactTag
from ringfence.features.contacts.values import (
    ContactMergedError,
    NumberTakenError,
    read_number,
    tidy_tags,
    with_custom_fields,
)
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession


async def create_contact(session: TenantSession, *, details: Mapping[str, Any]) -> Contact:
    """Add a contact from fields by name; its number is read in the company's region.

    Raises InvalidInputError for a malformed number, zone or tag, NumberTakenError for a number that is taken.
    """
    contact = Contact(id=new_id(), created_at=utc_now(), custom_fields={})
    await _apply(session, contact, details)
    return contact


async def change_contact(session: TenantSession, contact_id: UUID, *, changes: Mapping[str, Any]) -> Contact:
    """Set the given fields of a contact; the others stay. Custom fields are changed one by one, tags altogether.

    Raises NotFoundError and what `create_contact` raises.
    """
    contact = await queries.get_contact(session, contact_id)
    await _apply(session, contact, changes)
    return contact


async def delete_contact(session: TenantSession, contact_id: UUID, *, actor: Actor) -> None:
    """Remove a contact from view and free its number; its texts stay. Raises NotFoundError."""
    contact = await queries.get_contact(session, contact_id)
    contact.deleted_at = contact.updated_at = utc_now()
    _note(session, contact, actor, "contact.deleted")
    await session.flush()


async def restore_contact(session: TenantSession, contact_id: UUID, *, actor: Actor) -> Contact:
    """Bring a deleted contact back; one that is there stays as it is.

    Raises NotFoundError, ContactMergedError, NumberTakenError when somebody else has its number by now.
    """
    contact = await queries.get_contact(session, contact_id, with_deleted=True)
    if contact.merged_into is not None:
        raise ContactMergedError(contact.merged_into)
    if contact.deleted_at is None:
        return contact
    await _require_free(session, contact.phone_number, owner=contact.id)
    await _store(session, contact, {"deleted_at": None})
    _note(session, contact, actor, "contact.restored")
    return contact


async def set_tags(session: TenantSession, contact_id: UUID, tags: Sequence[str]) -> None:
    """Put these tags (tidy ones) in the place of the contact's tags."""
    await session.execute(
        delete(ContactTag).where(
            ContactTag.company_id == session.company_id,
            ContactTag.contact_id == contact_id,
            ContactTag.tag.not_in(tags),
        )
    )
    if tags:
        rows = [{"company_id": session.company_id, "contact_id": contact_id, "tag": tag} for tag in tags]
        await session.execute(insert(ContactTag).values(rows).on_conflict_do_nothing())


async def _apply(session: TenantSession, contact: Contact, changes: Mapping[str, Any]) -> None:
    values = dict(changes)
    tags = values.pop("tags", None)
    tidy = None if tags is None else tidy_tags(tags)
    if values.get("time_zone") is not None:
        check_time_zone(values["time_zone"])
    if "custom_fields" in values:
        values["custom_fields"] = with_custom_fields(contact.custom_fields, values["custom_fields"])
    if values.get("phone_number") is not None:
        values["phone_number"] = read_number(values["phone_number"], region=await default_region(session))
        await _require_free(session, values["phone_number"], owner=contact.id)
    await _store(session, contact, values)
    if tidy is not None:
        await set_tags(session, contact.id, tidy)


async def _require_free(session: TenantSession, number: str | None, *, owner: UUID) -> None:
    holder = None if number is None else await queries.holder_of(session, number)
    if holder is not None and holder.id != owner:
        raise NumberTakenError(holder.id)


async def _store(session: TenantSession, contact: Contact, values: Mapping[str, Any]) -> None:
    """Flush the fields; the unique index has the last word when two requests bring one number at once."""
    number = values.get("phone_number", contact.phone_number)
    try:
        async with session.begin_nested():
            for field, value in values.items():
                setattr(contact, field, value)
            contact.updated_at = utc_now()
            session.add(contact)
            await session.flush()
    except IntegrityError:
        holder = await queries.holder_of(session, number or "")
        if holder is None:
            raise
        raise NumberTakenError(holder.id) from None


def note_export(session: TenantSession, *, actor: Actor, tag: str | None) -> None:
    """Write down that somebody took the contacts (those with a tag) out."""
    record(
        session,
        actor=actor,
        action="contacts.exported",
        target_kind="company",
        target_id=session.company_id,
        after={"tag": tag},
    )


def _note(session: TenantSession, contact: Contact, actor: Actor, action: str) -> None:
    record(
        session,
        actor=actor,
        action=action,
        target_kind="contact",
        target_id=contact.id,
        after={
            "first_name": contact.first_name,
            "last_name": contact.last_name,
            "phone_number": contact.phone_number,
        },
    )
