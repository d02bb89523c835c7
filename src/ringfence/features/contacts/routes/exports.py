"""All contacts as a file."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from ringfence.features.audit_log.values import actor_of
from ringfence.features.contacts import actions, queries
from ringfence.features.contacts.values import tidy_tag
from ringfence.features.contacts.values.files import CUSTOM
from ringfence.kit.csv_line import csv_line
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import Manager, TenantDB
from ringfence.web.paging import Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.services import service

router = APIRouter(prefix="/api/contacts", tags=["contacts"], responses=PROBLEM_RESPONSES)

_PAGE: Final = 500
_COLUMNS: Final = ("first_name", "last_name", "phone_number", "email", "organisation", "time_zone")


@router.get("/export", response_class=StreamingResponse)
async def export_contacts(
    request: Request,
    caller: Manager,
    session: TenantDB,
    *,
    tag: Annotated[str | None, Query(max_length=50, description="Only with this tag.")] = None,
) -> StreamingResponse:
    """The contacts as CSV (UTF-8), newest first, in a form that an import takes back. It stands in the audit log."""
    wanted = None if tag is None else tidy_tag(tag)
    custom = await queries.custom_names(session)
    actions.note_export(session, actor=actor_of(caller), tag=wanted)
    return StreamingResponse(
        _lines(service(request, Tenancy), caller.company_id, tag=wanted, custom=custom),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="contacts.csv"'},
    )


async def _lines(tenancy: Tenancy, company_id: UUID, *, tag: str | None, custom: Sequence[str]) -> AsyncIterator[str]:
    """The file, a page of contacts at a time, each read in a session of its own."""
    # A spreadsheet takes a file without this mark for one in its own old encoding.
    yield "\ufeff" + csv_line([*_COLUMNS, "tags", *(CUSTOM + name for name in custom)])
    after: Position | None = None
    while True:
        async with tenancy.tenant(company_id) as session:
            rows = await queries.list_contacts(session, search=None, tag=tag, after=after, limit=_PAGE)
            page = rows[:_PAGE]
            tags = await queries.tags_of(session, page)
        yield "".join(
            csv_line(
                [
                    *(getattr(contact, name) for name in _COLUMNS),
                    ", ".join(tags[contact.id]),
                    *(contact.custom_fields.get(name) for name in custom),
                ]
            )
            for contact in page
        )
        if len(rows) <= _PAGE:
            return
        after = Position(page[-1].created_at, page[-1].id)
