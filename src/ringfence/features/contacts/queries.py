"""Reading contacts. A contact that was deleted is nowhere to be seen."""

import re
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, tuple_

from ringfence.errors import NotFoundError
from ringfence.features.contacts.model import Contact
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position

_NOT_DIGITS = re.compile(r"\D+")


async def get_contact(session: TenantSession, contact_id: UUID) -> Contact:
    """One contact. Raises NotFoundError."""
    contact = await session.scalar(
        select(Contact).where(
            Contact.company_id == session.company_id, Contact.id == contact_id, Contact.deleted_at.is_(None)
        )
    )
    if contact is None:
        raise NotFoundError
    return contact


async def find_by_number(session: TenantSession, number: str) -> Contact | None:
    """The contact with an E.164 number, or None."""
    return await session.scalar(
        select(Contact).where(
            Contact.company_id == session.company_id,
            Contact.phone_number == number,
            Contact.deleted_at.is_(None),
        )
    )


async def list_contacts(
    session: TenantSession, *, search: str | None, after: Position | None, limit: int
) -> Sequence[Contact]:
    """Contacts, newest first: up to limit + 1 after a position.

    `search` finds the beginning of a name, of the full name, of the organisation or e-mail, or any part of the
    number (three digits or more, however they are spaced).
    """
    query = select(Contact).where(Contact.company_id == session.company_id, Contact.deleted_at.is_(None))
    if search:
        query = query.where(_matches(search))
    if after is not None:
        query = query.where(tuple_(Contact.created_at, Contact.id) < (after.at, after.id))
    return (await session.scalars(query.order_by(Contact.created_at.desc(), Contact.id.desc()).limit(limit + 1))).all()


def _matches(search: str) -> ColumnElement[bool]:
    text = search.strip()
    full_name = Contact.first_name + " " + Contact.last_name
    found = [
        column.istartswith(text, autoescape=True)
        for column in (full_name, Contact.last_name, Contact.organisation, Contact.email)
    ]
    digits = _NOT_DIGITS.sub("", text)
    if len(digits) >= 3:
        found.append(Contact.phone_number.contains(digits, autoescape=True))
    return or_(*found)
