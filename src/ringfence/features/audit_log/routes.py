"""`/api/audit-log`: what people, keys and rules did, for company admins."""

import json
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from ringfence.features.audit_log import actions, queries
from ringfence.features.audit_log.schemas import AuditEntryAnswer
from ringfence.features.audit_log.values import ActorKind, Filters, actor_of
from ringfence.kit.csv_line import csv_line
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import Admin, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/audit-log", tags=["audit log"], responses=PROBLEM_RESPONSES)

EXPORT_PAGE = 500
COLUMNS = tuple(AuditEntryAnswer.model_fields)

Word = Annotated[str | None, Query(max_length=100)]


def _filters(
    *,
    action: Annotated[
        str | None, Query(max_length=100, description="Only this action, such as user.suspended.")
    ] = None,
    actor_kind: ActorKind | None = None,
    actor_id: UUID | None = None,
    target_kind: Word = None,
    target_id: Word = None,
    since: Annotated[AwareDatetime | None, Query(description="From this instant on, with offset.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before this instant, with offset.")] = None,
) -> Filters:
    return Filters(
        action=action,
        actor_kind=actor_kind,
        actor_id=actor_id,
        target_kind=target_kind,
        target_id=target_id,
        since=since,
        until=until,
    )


EntryFilters = Annotated[Filters, Depends(_filters)]


@router.get("")
async def list_audit_log(
    request: Request,
    caller: Admin,
    session: TenantDB,
    filters: EntryFilters,
    *,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[AuditEntryAnswer]:
    """The company's audit log, newest first."""
    cursors = Cursors(service(request, Keyring), caller.company_id, "audit-log", filters.given())
    entries = await queries.list_entries(session, filters=filters, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(entries, limit, lambda entry: Position(entry.at, entry.id))
    return Page(items=[AuditEntryAnswer.of(entry) for entry in page], next_cursor=next_cursor)


@router.get("/export", response_class=StreamingResponse)
async def export_audit_log(
    request: Request, caller: Admin, session: TenantDB, filters: EntryFilters
) -> StreamingResponse:
    """The audit log as CSV, newest first, under the same filters; the export is an entry of the log itself."""
    entry = actions.record(
        session,
        actor=actor_of(caller),
        action="audit_log.exported",
        target_kind="audit_log",
        target_id=None,
        after=filters.given(),
    )
    return StreamingResponse(
        _export(service(request, Tenancy), caller.company_id, filters, Position(entry.at, entry.id)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="audit-log.csv"', "Cache-Control": "no-store"},
    )


async def _export(tenancy: Tenancy, company_id: UUID, filters: Filters, after: Position) -> AsyncIterator[str]:
    """Lines of CSV, a page a transaction: however long the log is, one page of it is held at a time."""
    yield csv_line(COLUMNS)
    more = True
    while more:
        async with tenancy.tenant(company_id) as session:
            entries = await queries.list_entries(session, filters=filters, after=after, limit=EXPORT_PAGE)
        more = len(entries) > EXPORT_PAGE
        page = [AuditEntryAnswer.of(entry) for entry in entries[:EXPORT_PAGE]]
        if page:
            after = Position(page[-1].at, page[-1].id)
            yield "".join(csv_line([_cell(getattr(entry, name)) for name in COLUMNS]) for entry in page)


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
