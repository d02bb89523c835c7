"""`/api/audit-log`: what people, keys and rules did, for company admins."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from ringfence.features.audit_log import queries
from ringfence.features.audit_log.schemas import AuditEntryAnswer
from ringfence.kit.keyring import Keyring
from ringfence.web.caller import Admin, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/audit-log", tags=["audit log"], responses=PROBLEM_RESPONSES)


@router.get("")
async def list_audit_log(
    request: Request,
    caller: Admin,
    session: TenantDB,
    *,
    action: Annotated[
        str | None, Query(max_length=100, description="Only this action, such as user.suspended.")
    ] = None,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[AuditEntryAnswer]:
    """The company's audit log, newest first."""
    cursors = Cursors(service(request, Keyring), caller.company_id, "audit-log", {"action": action})
    entries = await queries.list_entries(session, action=action, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(entries, limit, lambda entry: Position(entry.at, entry.id))
    return Page(items=[AuditEntryAnswer.of(entry) for entry in page], next_cursor=next_cursor)
