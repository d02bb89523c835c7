"""`/api/sms/opt-outs`: who must not be texted, since when, and why."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from ringfence.features.audit_log.values import actor_of
from ringfence.features.companies.queries import default_region
from ringfence.features.consent import actions, queries
from ringfence.features.consent.schemas import (
    EXPORT_COLUMNS,
    OptOutAnswer,
    OptOutCreate,
    OptOutEnd,
    exported_row,
)
from ringfence.features.contacts.values import read_number
from ringfence.kit.csv_line import csv_line
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import Manager, Reader, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

_EXPORT_PAGE = 500

router = APIRouter(prefix="/api/sms/opt-outs", tags=["opt-outs"], responses=PROBLEM_RESPONSES)


@router.get("")
async def list_opt_outs(
    request: Request,
    caller: Reader,
    session: TenantDB,
    *,
    number: Annotated[str | None, Query(max_length=64, description="Only of this outside number.")] = None,
    active: Annotated[bool | None, Query(description="Only those that stand, or only those that ended.")] = None,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[OptOutAnswer]:
    """The company's opt-outs, newest first."""
    cursors = Cursors(service(request, Keyring), caller.company_id, "opt-outs", {"number": number, "active": active})
    outside_number = None if number is None else read_number(number, region=await default_region(session))
    rows = await queries.list_opt_outs(
        session, outside_number=outside_number, active=active, after=cursors.read(cursor), limit=limit
    )
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.created_at, row.id))
    return Page(items=[OptOutAnswer.of(row) for row in page], next_cursor=next_cursor)


@router.get("/export", response_class=StreamingResponse)
async def export_opt_outs(request: Request, caller: Manager, session: TenantDB) -> StreamingResponse:
    """All opt-outs with their evidence as CSV, newest first. The export stands in the audit log."""
    actions.note_export(session, actor=actor_of(caller))
    rows = _exported(service(request, Tenancy), caller.company_id)
    headers = {"Content-Disposition": 'attachment; filename="opt-outs.csv"'}
    return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=headers)


@router.post("", status_code=201)
async def add_opt_out(body: OptOutCreate, caller: Manager, session: TenantDB, response: Response) -> OptOutAnswer:
    """Block a number; 200 instead of 201 when it was blocked already. Texts that still wait are refused."""
    opt_out, is_new = await actions.opt_out_by_staff(
        session,
        actor=actor_of(caller),
        outside_number=read_number(body.outside_number, region=await default_region(session)),
        phone_number_id=body.phone_number_id,
        note=body.evidence,
    )
    response.status_code = 201 if is_new else 200
    return OptOutAnswer.of(opt_out)


@router.delete("/{opt_out_id}")
async def end_opt_out(opt_out_id: UUID, body: OptOutEnd, caller: Manager, session: TenantDB) -> OptOutAnswer:
    """Opt a contact back in; the evidence is kept. The opt-out stays in the list as ended."""
    ended = await actions.opt_in_by_staff(session, opt_out_id, actor=actor_of(caller), evidence=body.evidence)
    return OptOutAnswer.of(ended)


async def _exported(tenancy: Tenancy, company_id: UUID) -> AsyncIterator[str]:
    """The file, a page of rows at a time, each read in a session of its own."""
    yield csv_line(EXPORT_COLUMNS)
    after: Position | None = None
    while True:
        async with tenancy.tenant(company_id) as session:
            page = await queries.page_for_export(session, after=after, limit=_EXPORT_PAGE)
        for row in page:
            yield csv_line(exported_row(row.opt_out, row.our_number))
        if len(page) < _EXPORT_PAGE:
            return
        after = Position(page[-1].opt_out.created_at, page[-1].opt_out.id)
