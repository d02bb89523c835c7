"""`/api/contacts`: the outside people a company texts with."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from ringfence.features.contacts import actions, queries
from ringfence.features.contacts.schemas import ContactAnswer, ContactCreate, ContactUpdate
from ringfence.kit.keyring import Keyring
from ringfence.web.caller import Reader, Sender, TenantDB
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
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[ContactAnswer]:
    """The company's contacts, newest first."""
    cursors = Cursors(service(request, Keyring), caller.company_id, "contacts", {"q": q})
    rows = await queries.list_contacts(session, search=q, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.created_at, row.id))
    return Page(items=[ContactAnswer.of(row) for row in page], next_cursor=next_cursor)


@router.post("", status_code=201)
async def create_contact(body: ContactCreate, _caller: Sender, session: TenantDB) -> ContactAnswer:
    """Add a contact. 409 `contact_exists` names the contact that has the number already."""
    return ContactAnswer.of(await actions.create_contact(session, details=body.model_dump()))


@router.get("/{contact_id}")
async def get_contact(contact_id: UUID, _caller: Reader, session: TenantDB) -> ContactAnswer:
    """One contact."""
    return ContactAnswer.of(await queries.get_contact(session, contact_id))


@router.patch("/{contact_id}")
async def change_contact(contact_id: UUID, body: ContactUpdate, _caller: Sender, session: TenantDB) -> ContactAnswer:
    """Change a contact. 409 `contact_exists` when another contact has the new number."""
    changes = body.model_dump(exclude_unset=True)
    return ContactAnswer.of(await actions.change_contact(session, contact_id, changes=changes))
