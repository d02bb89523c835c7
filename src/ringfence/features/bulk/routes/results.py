"""What became of everybody on the list, as a file."""

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from ringfence.features.audit_log.values import actor_of
from ringfence.features.bulk.actions.sends import note_export
from ringfence.features.bulk.model.sends import BulkSend
from ringfence.features.bulk.queries import sends
from ringfence.features.bulk.queries.sends import Told
from ringfence.features.bulk.schemas.sends import RecipientAnswer
from ringfence.features.bulk.values.lists import Recipient
from ringfence.kit.csv_line import csv_line
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import Manager, TenantDB
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.services import service

router = APIRouter(prefix="/api/sms/bulk", tags=["bulk sends"], responses=PROBLEM_RESPONSES)

_PAGE: Final = 500
_COLUMNS: Final = (
    "position",
    "line",
    "to_number",
    "status",
    "code",
    "reason",
    "message_id",
    "from_number",
    "segments",
    "handed_in_at",
)


@router.get("/{bulk_send_id}/results", response_class=StreamingResponse)
async def export_results(request: Request, bulk_send_id: UUID, caller: Manager, session: TenantDB) -> StreamingResponse:
    """Every recipient as CSV (UTF-8), in the order of the list. It stands in the audit log."""
    bulk = await sends.get_send(session, bulk_send_id)
    note_export(session, bulk, actor=actor_of(caller))
    return StreamingResponse(
        _lines(service(request, Tenancy), bulk),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="bulk-results.csv"'},
    )


async def _lines(tenancy: Tenancy, bulk: BulkSend) -> AsyncIterator[str]:
    """The file, a page of recipients at a time, each read in a session of its own; untouched ones last."""
    # A spreadsheet takes a file without this mark for one in its own old encoding.
    yield "\ufeff" + csv_line(_COLUMNS)
    after = 0
    while True:
        async with tenancy.tenant(bulk.company_id) as session:
            page = await sends.told(session, bulk.id, after=after, limit=_PAGE)
            positions = [told.recipient.position for told in page]
            listed = {item.position: item for item in await sends.recipients_at(session, bulk.list_id, positions)}
        yield "".join(_dealt_with(told, listed[told.recipient.position]) for told in page)
        if not page:
            break
        after = positions[-1]
    while True:
        async with tenancy.tenant(bulk.company_id) as session:
            untouched = await sends.next_recipients(session, bulk, after, _PAGE)
        yield "".join(csv_line([item.position, item.line, item.phone_number, "not_sent"]) for item in untouched)
        if not untouched:
            return
        after = untouched[-1].position


def _dealt_with(told: Told, listed: Recipient) -> str:
    answer, message = RecipientAnswer.made_of(told.recipient, told.message), told.message
    return csv_line(
        [
            answer.position,
            listed.line,
            answer.to_number,
            answer.status or answer.state,
            answer.code,
            answer.reason,
            answer.message_id,
            message.from_number if message else None,
            message.num_segments if message else None,
            message.created_at.isoformat() if message else None,
        ]
    )
