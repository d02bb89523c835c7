"""Reading templates, and the values that their fields take. A template that was deleted is nowhere to be seen."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_

from ringfence.errors import NotFoundError
from ringfence.features.companies import queries as companies
from ringfence.features.contacts.model import Contact
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.templates.model import Template
from ringfence.features.templates.values import CUSTOM, Part, fields_of
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position, Rank


async def get_template(session: TenantSession, template_id: UUID) -> Template:
    """One template. Raises NotFoundError."""
    template = await session.scalar(
        select(Template).where(
            Template.company_id == session.company_id, Template.id == template_id, Template.deleted_at.is_(None)
        )
    )
    if template is None:
        raise NotFoundError
    return template


async def find_by_name(session: TenantSession, name_norm: str) -> Template | None:
    """The template with this name, whatever its capitals, or None."""
    return await session.scalar(
        select(Template).where(
            Template.company_id == session.company_id, Template.name_norm == name_norm, Template.deleted_at.is_(None)
        )
    )


async def list_templates(
    session: TenantSession, *, category: str | None, search: str | None, after: Position | None, limit: int
) -> Sequence[Template]:
    """Templates, the newest first: up to limit + 1 after a position.

    `category` is compared without regard to case; `search` finds a part of the name.
    """
    query = _listed(session, category, search)
    if after is not None:
        query = query.where(tuple_(Template.created_at, Template.id) < (after.at, after.id))
    query = query.order_by(Template.created_at.desc(), Template.id.desc())
    return (await session.scalars(query.limit(limit + 1))).all()


async def list_by_use(
    session: TenantSession, *, category: str | None, search: str | None, after: Rank | None, limit: int
) -> Sequence[Template]:
    """The same, the most used first. A template that is used between two pages may move from one to the other."""
    query = _listed(session, category, search)
    if after is not None:
        query = query.where(tuple_(Template.usage_count, Template.id) < (after.count, after.id))
    query = query.order_by(Template.usage_count.desc(), Template.id.desc())
    return (await session.scalars(query.limit(limit + 1))).all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Whom a text is for and who sends it: where the values of its fields come from. Numbers are E.164."""

    contact: Contact | None
    to_number: str | None = None
    sender_name: str | None
    sender_number: str | None
    variables: Mapping[str, str] = field(repr=False)


async def values_for(session: TenantSession, parts: Collection[Part], setting: Setting) -> dict[str, str | None]:
    """The value of every field that the text has; None where there is none."""
    return values_of(parts, setting, await company_values(session, parts))


async def company_values(session: TenantSession, parts: Collection[Part]) -> dict[str, str | None]:
    """The values of those fields of the text that are the company's own."""
    names = {item.name for item in fields_of(parts)}
    known: dict[str, str | None] = {}
    if "company.name" in names:
        known["company.name"] = (await companies.own_company(session)).name
    if "company.phone" in names:
        known["company.phone"] = await _default_number(session)
    return known


def values_of(parts: Collection[Part], setting: Setting, company: Mapping[str, str | None]) -> dict[str, str | None]:
    """The same as `values_for`, with the company's own values at hand: for many recipients of one text."""
    known: dict[str, str | None] = {
        **setting.variables,
        **_of_contact(setting.contact),
        "contact.phone_number": setting.to_number or (setting.contact and setting.contact.phone_number),
        "sender.name": setting.sender_name,
        "sender.number": setting.sender_number,
        **company,
    }
    return {item.name: known.get(item.name) for item in fields_of(parts)}


def _listed(session: TenantSession, category: str | None, search: str | None) -> Select[Template]:
    query = select(Template).where(Template.company_id == session.company_id, Template.deleted_at.is_(None))
    if category is not None:
        query = query.where(func.lower(Template.category) == category.lower())
    if search:
        query = query.where(Template.name.icontains(search, autoescape=True))
    return query


def _of_contact(contact: Contact | None) -> dict[str, str | None]:
    if contact is None:
        return {}
    return {
        "contact.first_name": contact.first_name,
        "contact.last_name": contact.last_name,
        "contact.full_name": f"{contact.first_name} {contact.last_name}",
        "contact.organisation": contact.organisation,
        "contact.email": contact.email,
        **{f"{CUSTOM}{name}": value for name, value in contact.custom_fields.items()},
    }


async def _default_number(session: TenantSession) -> str | None:
    return await session.scalar(
        select(PhoneNumber.phone_number).where(
            PhoneNumber.company_id == session.company_id,
            PhoneNumber.is_default,
            PhoneNumber.released_at.is_(None),
        )
    )
