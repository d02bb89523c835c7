"""Two contacts that are one person become one."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Table, delete, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from ringfence.errors import InvalidInputError, NotFoundError
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.contacts.model import Contact, ContactTag
from ringfence.features.contacts.values import ContactMergedError, with_custom_fields
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession

_FILLED = ("first_name", "last_name", "email", "organisation", "time_zone")


async def merge_contacts(session: TenantSession, contact_id: UUID, *, source_id: UUID, actor: Actor) -> Contact:
    """Merge the source into a contact; doing it again changes nothing.

    What the contact lacks is taken from the source; tags and custom fields are united. Everything that refers to the
    source refers to the contact afterwards. The source's number stays one of the contact's, to be known by, until
    another contact takes it. Opt-outs are by number: they stay as they are.
    Raises NotFoundError, InvalidInputError (`same_contact`, `too_many_fields`), ContactMergedError.
    """
    if contact_id == source_id:
        raise InvalidInputError("same_contact", "A contact cannot be merged into itself.")
    rows = await session.scalars(
        select(Contact)
        .where(Contact.company_id == session.company_id, Contact.id.in_([contact_id, source_id]))
        .order_by(Contact.id)
        .with_for_update()
    )
    found = {contact.id: contact for contact in rows}
    contact, source = found.get(contact_id), found.get(source_id)
    if contact is None or source is None or contact.deleted_at is not None:
        raise NotFoundError
    if source.merged_into == contact.id:
        return contact
    if source.merged_into is not None:
        raise ContactMergedError(source.merged_into)
    if source.deleted_at is not None:
        raise NotFoundError
    before = _described(contact)
    await _unite(session, contact, source)
    await _follow(session, contact, source)
    record(
        session,
        actor=actor,
        action="contact.merged",
        target_kind="contact",
        target_id=contact.id,
        before={**before, "merged": {"id": source.id, **_described(source)}},
        after=_described(contact),
    )
    await session.flush()
    return contact


async def _unite(session: TenantSession, contact: Contact, source: Contact) -> None:
    fields = with_custom_fields(source.custom_fields, contact.custom_fields)
    number = source.phone_number
    if number is not None:
        await _drop_alias(session, number)
    source.deleted_at = source.updated_at = contact.updated_at = utc_now()
    source.merged_into = contact.id
    if contact.phone_number is None:
        source.phone_number = None
    # The number must be free before the contact takes it.
    await session.flush()
    contact.phone_number = contact.phone_number or number
    contact.custom_fields = fields
    for name in _FILLED:
        setattr(contact, name, getattr(contact, name) or getattr(source, name))
    await session.flush()
    await session.execute(
        insert(ContactTag)
        .from_select(
            ["company_id", "contact_id", "tag"],
            select(ContactTag.company_id, literal(contact.id), ContactTag.tag).where(
                ContactTag.company_id == session.company_id, ContactTag.contact_id == source.id
            ),
        )
        .on_conflict_do_nothing()
    )
    await session.execute(
        delete(ContactTag).where(ContactTag.company_id == session.company_id, ContactTag.contact_id == source.id)
    )


async def _drop_alias(session: TenantSession, number: str) -> None:
    """A contact that was merged earlier may have had the number: the latest one counts."""
    await session.execute(
        update(Contact)
        .where(
            Contact.company_id == session.company_id,
            Contact.phone_number == number,
            Contact.merged_into.is_not(None),
        )
        .values(phone_number=None)
    )


async def _follow(session: TenantSession, contact: Contact, source: Contact) -> None:
    """Turn every reference round. They are found by their foreign keys, so that no room above can be forgotten."""
    for table, column in references():
        await session.execute(
            update(table)
            .where(table.c.company_id == session.company_id, column == source.id)
            .values({column: contact.id})
        )


def references() -> Iterator[tuple[Table, Column[Any]]]:
    """Every column that refers to a contact, but for tags, which are united."""
    for table in Contact.metadata.sorted_tables:
        if table is ContactTag.__table__:
            continue
        for constraint in table.foreign_key_constraints:
            if constraint.referred_table is Contact.__table__:
                yield table, next(column for column in constraint.columns if column.name != "company_id")


def _described(contact: Contact) -> dict[str, object]:
    return {name: getattr(contact, name) for name in (*_FILLED, "phone_number")}
