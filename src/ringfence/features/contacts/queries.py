"""Reading contacts. A contact that was deleted is nowhere to be seen."""

import re
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, func, or_, select, tuple_
from sqlalchemy.orm import aliased

from ringfence.errors import NotFoundError
from ringfence.features.contacts.model import Contact, ContactImport, ContactImportProblem, ContactTag
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position, Rank

_MOST_TAGS_LISTED = 1000
_NOT_DIGITS = re.compile(r"\D+")


async def get_contact(session: TenantSession, contact_id: UUID, *, with_deleted: bool = False) -> Contact:
    """One contact. Raises NotFoundError."""
    query = select(Contact).where(Contact.company_id == session.company_id, Contact.id == contact_id)
    if not with_deleted:
        query = query.where(Contact.deleted_at.is_(None))
    contact = await session.scalar(query)
    if contact is None:
        raise NotFoundError
    return contact


def reached_at(session: TenantSession, number: Any, *correlated: Any) -> ColumnElement[UUID]:
    """The id of whoever is reached at a number: the contact who has it, else the one that such a contact merged into.

    `number` is an E.164 text, or a column of the tables `correlated`. The contact may be deleted.
    """
    holder, merged = aliased(Contact), aliased(Contact)
    has_it = select(holder.id).where(
        holder.company_id == session.company_id, holder.phone_number == number, holder.deleted_at.is_(None)
    )
    had_it = select(merged.merged_into).where(
        merged.company_id == session.company_id, merged.phone_number == number, merged.merged_into.is_not(None)
    )
    parts = (query.correlate(*correlated) if correlated else query for query in (has_it, had_it))
    return func.coalesce(*(query.scalar_subquery() for query in parts))


async def find_by_number(session: TenantSession, number: str) -> Contact | None:
    """The contact who is reached at an E.164 number, or None."""
    return await session.scalar(
        select(Contact).where(
            Contact.company_id == session.company_id,
            Contact.id == reached_at(session, number),
            Contact.deleted_at.is_(None),
        )
    )


async def people_at(session: TenantSession, numbers: Collection[str]) -> dict[str, Contact]:
    """Who is reached at each of these E.164 numbers, as `find_by_number` finds one; numbers of nobody are left out."""
    wanted = sorted(set(numbers))
    own = await session.scalars(
        select(Contact).where(
            Contact.company_id == session.company_id,
            Contact.phone_number.in_(wanted),
            Contact.deleted_at.is_(None),
        )
    )
    found = {contact.phone_number: contact for contact in own if contact.phone_number is not None}
    merged, holder = aliased(Contact), aliased(Contact)
    survivors = await session.execute(
        select(merged.phone_number, holder)
        .join(holder, and_(holder.company_id == merged.company_id, holder.id == merged.merged_into))
        .where(
            merged.company_id == session.company_id,
            merged.phone_number.in_([number for number in wanted if number not in found]),
            merged.merged_into.is_not(None),
            holder.deleted_at.is_(None),
        )
    )
    return found | {number: contact for number, contact in survivors if number is not None}


async def holder_of(session: TenantSession, number: str) -> Contact | None:
    """The contact whose own number this is, or None."""
    return await session.scalar(
        select(Contact).where(
            Contact.company_id == session.company_id,
            Contact.phone_number == number,
            Contact.deleted_at.is_(None),
        )
    )


async def list_contacts(
    session: TenantSession,
    *,
    search: str | None,
    tag: str | None = None,
    deleted: bool = False,
    after: Position | None,
    limit: int,
) -> Sequence[Contact]:
    """Contacts, newest first: up to limit + 1 after a position.

    `search` finds the beginning of a name, of the full name, of the organisation or e-mail, or any part of the
    number (three digits or more, however they are spaced). `tag` is a tidy one. `deleted` shows those that can be
    restored instead.
    """
    query = select(Contact).where(Contact.company_id == session.company_id, Contact.merged_into.is_(None))
    query = query.where(Contact.deleted_at.is_not(None) if deleted else Contact.deleted_at.is_(None))
    if search:
        query = query.where(_matches(search))
    if tag is not None:
        query = query.join(ContactTag, _has_tag(tag))
    if after is not None:
        query = query.where(tuple_(Contact.created_at, Contact.id) < (after.at, after.id))
    return (await session.scalars(query.order_by(Contact.created_at.desc(), Contact.id.desc()).limit(limit + 1))).all()


async def numbers_found(session: TenantSession, search: str, *, limit: int) -> list[str]:
    """The numbers at which contacts are reached whom a search finds, as `list_contacts` does; the newest ones' at most.

    Numbers of contacts that were merged into one of them are among these.
    """
    holder = aliased(Contact)
    found = (
        select(Contact.id)
        .where(Contact.company_id == session.company_id, Contact.deleted_at.is_(None), _matches(search))
        .order_by(Contact.created_at.desc())
        .limit(limit)
        .subquery()
    )
    query = select(holder.phone_number).where(
        holder.company_id == session.company_id,
        holder.phone_number.is_not(None),
        or_(holder.id.in_(select(found.c.id)), holder.merged_into.in_(select(found.c.id))),
    )
    return [number for number in await session.scalars(query) if number is not None]


async def numbers_tagged(session: TenantSession, tag: str, *, limit: int) -> list[str] | None:
    """The numbers at which contacts with a tidy tag are reached; None when more than `limit` contacts have it."""
    tagged = (
        await session.scalars(
            select(ContactTag.contact_id)
            .where(ContactTag.company_id == session.company_id, ContactTag.tag == tag)
            .limit(limit + 1)
        )
    ).all()
    if len(tagged) > limit:
        return None
    numbers = select(Contact.phone_number).where(
        Contact.company_id == session.company_id,
        Contact.phone_number.is_not(None),
        or_(and_(Contact.id.in_(tagged), Contact.deleted_at.is_(None)), Contact.merged_into.in_(tagged)),
    )
    return [number for number in await session.scalars(numbers) if number is not None]


def digits_of(search: str) -> str:
    """What of a search could be part of a number."""
    return _NOT_DIGITS.sub("", search)


async def tags_of(session: TenantSession, contacts: Sequence[Contact]) -> dict[UUID, list[str]]:
    """The tags of each of these contacts, sorted."""
    found: dict[UUID, list[str]] = {contact.id: [] for contact in contacts}
    if found:
        rows = await session.execute(
            select(ContactTag.contact_id, ContactTag.tag)
            .where(ContactTag.company_id == session.company_id, ContactTag.contact_id.in_(list(found)))
            .order_by(ContactTag.tag)
        )
        for row in rows:
            found[row.contact_id].append(row.tag)
    return found


async def list_tags(session: TenantSession) -> Sequence[Row[str, int]]:
    """Every tag that a contact has, with how many have it: by name, up to 1000."""
    rows = await session.execute(
        select(ContactTag.tag, func.count())
        .join(Contact, (Contact.company_id == ContactTag.company_id) & (Contact.id == ContactTag.contact_id))
        .where(ContactTag.company_id == session.company_id, Contact.deleted_at.is_(None))
        .group_by(ContactTag.tag)
        .order_by(ContactTag.tag)
        .limit(_MOST_TAGS_LISTED)
    )
    return rows.all()


def _has_tag(tag: str) -> ColumnElement[bool]:
    return and_(ContactTag.company_id == Contact.company_id, ContactTag.contact_id == Contact.id, ContactTag.tag == tag)


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


async def get_import(session: TenantSession, import_id: UUID) -> ContactImport:
    """One import. Raises NotFoundError."""
    found = await session.scalar(
        select(ContactImport).where(ContactImport.company_id == session.company_id, ContactImport.id == import_id)
    )
    if found is None:
        raise NotFoundError
    return found


async def unfinished_import(session: TenantSession, import_id: UUID) -> ContactImport | None:
    """One import that has not ended, or None."""
    return await session.scalar(
        select(ContactImport).where(
            ContactImport.company_id == session.company_id,
            ContactImport.id == import_id,
            ContactImport.finished_at.is_(None),
        )
    )


async def unfinished_import_ids(session: TenantSession) -> set[UUID]:
    """Every import of the company that has not ended: its file is still needed."""
    return set(
        await session.scalars(
            select(ContactImport.id).where(
                ContactImport.company_id == session.company_id, ContactImport.finished_at.is_(None)
            )
        )
    )


async def list_imports(session: TenantSession, *, after: Position | None, limit: int) -> Sequence[ContactImport]:
    """Imports, newest first: up to limit + 1 after a position."""
    query = select(ContactImport).where(ContactImport.company_id == session.company_id)
    if after is not None:
        query = query.where(tuple_(ContactImport.created_at, ContactImport.id) < (after.at, after.id))
    newest_first = query.order_by(ContactImport.created_at.desc(), ContactImport.id.desc())
    return (await session.scalars(newest_first.limit(limit + 1))).all()


async def list_import_problems(
    session: TenantSession, import_id: UUID, *, after: Rank | None, limit: int
) -> Sequence[ContactImportProblem]:
    """The rows that an import did not take over, in the order of the file: up to limit + 1 after a position."""
    query = select(ContactImportProblem).where(
        ContactImportProblem.company_id == session.company_id, ContactImportProblem.import_id == import_id
    )
    if after is not None:
        query = query.where(tuple_(ContactImportProblem.line, ContactImportProblem.id) > (after.count, after.id))
    in_order = query.order_by(ContactImportProblem.line, ContactImportProblem.id)
    return (await session.scalars(in_order.limit(limit + 1))).all()


async def custom_names(session: TenantSession) -> list[str]:
    """The names of all custom fields that a contact has, sorted."""
    name = func.jsonb_object_keys(Contact.custom_fields).label("name")
    rows = await session.scalars(
        select(name).where(Contact.company_id == session.company_id, Contact.deleted_at.is_(None)).distinct()
    )
    return sorted(rows)
