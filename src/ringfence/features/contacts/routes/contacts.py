"""Contacts one by one, and their list."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from ringfence.errors import ForbiddenError
from ringfence.features.audit_log.values import actor_of
from ringfence.features.contacts import actions, queries
from ringfence.features.contacts.model import Contact
from ringfence.features.contacts.schemas import (
    ContactAnswer,
    ContactCreate,
    ContactMerge,
    ContactUpdate,
    TagCount,
    TagList,
)
from ringfence.features.contacts.values import tidy_tag
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.caller import Level, Manager, Reader, Sender, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/contacts", tags=["contacts"], responses=PROBLEM_RESPONSES)


@router.get("")
async def list_contacts(
    request: Request,
    caller: Reader,
    session: TenantDB,
    *,
    q: Annotated[str | None, Query(max_length=100, description="Beginning of a name, or part of a number.")] = None,
    tag: Annotated[str | None, Query(max_length=50, description="Only with this tag.")] = None,
    deleted: Annotated[bool, Query(description="Those that can be restored, instead; for managers.")] = False,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[ContactAnswer]:
    """The company's contacts, newest first."""
    if deleted and caller.level < Level.MANAGE:
        raise ForbiddenError
    wanted = None if tag is None else tidy_tag(tag)
    filters = {"q": q, "tag": wanted, "deleted": deleted}
    cursors = Cursors(service(request, Keyring), caller.company_id, "contacts", filters)
    rows = await queries.list_contacts(
        session, search=q, tag=wanted, deleted=deleted, after=cursors.read(cursor), limit=limit
    )
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.created_at, row.id))
    return Page(items=await _answers(session, page), next_cursor=next_cursor)


@router.post("", status_code=201)
async def create_contact(body: ContactCreate, _caller: Sender, session: TenantDB) -> ContactAnswer:
    """Add a contact. 409 `contact_exists` names the contact that has the number already."""
    return await _answer(session, await actions.create_contact(session, details=body.model_dump()))


@router.get("/tags")
async def list_tags(_caller: Reader, session: TenantDB) -> TagList:
    """Every tag in use, with how many contacts have it."""
    return TagList(items=[TagCount(tag=tag, contacts=count) for tag, count in await queries.list_tags(session)])


@router.get("/{contact_id}")
async def get_contact(contact_id: UUID, _caller: Reader, session: TenantDB) -> ContactAnswer:
    """One contact."""
    return await _answer(session, await queries.get_contact(session, contact_id))


@router.patch("/{contact_id}")
async def change_contact(contact_id: UUID, body: ContactUpdate, _caller: Sender, session: TenantDB) -> ContactAnswer:
    """Change a contact. 409 `contact_exists` when another contact has the new number."""
    changes = body.model_dump(exclude_unset=True)
    return await _answer(session, await actions.change_contact(session, contact_id, changes=changes))


@router.delete("/{contact_id}", status_code=204)
async def delete_contact(contact_id: UUID, caller: Manager, session: TenantDB) -> None:
    """Remove a contact from view; its number is free, its texts stay, and it can be restored."""
    await actions.delete_contact(session, contact_id, actor=actor_of(caller))


@router.post("/{contact_id}/restore")
async def restore_contact(contact_id: UUID, caller: Manager, session: TenantDB) -> ContactAnswer:
    """Bring a deleted contact back. 409 `contact_exists` when another contact has its number by now."""
    return await _answer(session, await actions.restore_contact(session, contact_id, actor=actor_of(caller)))


@router.post("/{contact_id}/merge")
async def merge_contacts(contact_id: UUID, body: ContactMerge, caller: Manager, session: TenantDB) -> ContactAnswer:
    """Merge another contact into this one, with its conversations and texts; again changes nothing.

    409 `contact_merged` when the other one was merged into a third.
    """
    contact = await actions.merge_contacts(session, contact_id, source_id=body.source_id, actor=actor_of(caller))
    return await _answer(session, contact)


async def _answer(session: TenantSession, contact: Contact) -> ContactAnswer:
    return (await _answers(session, [contact]))[0]


async def _answers(session: TenantSession, page: Sequence[Contact]) -> list[ContactAnswer]:
    tags = await queries.tags_of(session, page)
    return [ContactAnswer.made_of(contact, tags[contact.id]) for contact in page]
