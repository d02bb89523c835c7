"""`/api/sms/opt-outs`: who must not be texted, since when, and why."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from ringfence.features.audit_log.values import actor_of
from ringfence.features.companies.queries import default_region
from ringfence.features.consent import actions, queries
from ringfence.features.consent.schemas import OptOutAnswer, OptOutCreate, OptOutEnd
from ringfence.features.contacts.values import read_number
from ringfence.kit.keyring import Keyring
from ringfence.web.caller import Manager, Reader, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

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
