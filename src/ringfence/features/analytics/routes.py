"""`/api/sms/analytics`: figures for managers, as JSON and as CSV."""

from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response

from ringfence.features.analytics import actions, queries
from ringfence.features.analytics.schemas import CSV_COLUMNS, AnalyticsAnswer
from ringfence.features.analytics.values import By, Days, choose_days
from ringfence.features.audit_log.values import actor_of
from ringfence.features.companies.queries import own_company
from ringfence.kit.clock import utc_now
from ringfence.kit.csv_line import csv_line
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.caller import Manager, TenantDB
from ringfence.web.problems import PROBLEM_RESPONSES

router = APIRouter(prefix="/api/sms/analytics", tags=["analytics"], responses=PROBLEM_RESPONSES)

First = Annotated[
    date | None,
    Query(alias="from", description="First day; by default 30 days up to the last."),
]
Last = Annotated[date | None, Query(alias="to", description="Last day; by default today.")]
Division = Annotated[By, Query(description="What the rows are about.")]


@router.get("")
async def read_analytics(
    _caller: Manager, session: TenantDB, first: First = None, last: Last = None, by: Division = "day"
) -> AnalyticsAnswer:
    """What became of the texts of whole days in the company's zone, at most 400, and how fast people answered.

    Days are those on which a text was handed in or came in, and on which a question was asked. Deleted texts count.
    """
    days = await _days(session, first, last)
    return AnalyticsAnswer.about(await queries.report(session, days=days, by=by))


@router.get("/export", response_class=Response)
async def export_analytics(
    caller: Manager, session: TenantDB, first: First = None, last: Last = None, by: Division = "day"
) -> Response:
    """The rows as CSV; the export is an entry of the audit log."""
    days = await _days(session, first, last)
    answer = AnalyticsAnswer.about(await queries.report(session, days=days, by=by))
    actions.note_export(session, actor=actor_of(caller), days=days, by=by)
    return Response(
        "".join(map(csv_line, [CSV_COLUMNS, *(row.cells() for row in answer.rows)])),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="analytics.csv"', "Cache-Control": "no-store"},
    )


async def _days(session: TenantSession, first: date | None, last: date | None) -> Days:
    zone = ZoneInfo((await own_company(session)).time_zone)
    return choose_days(first, last, zone=zone, now=utc_now())
