"""`/api/calls`: lists, single calls, notes, deletion; and the calls of a conversation."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request

from ringfence.features.audit_log.values import actor_of
from ringfence.features.calls import queries
from ringfence.features.calls.actions import keeping
from ringfence.features.calls.model import Call
from ringfence.features.calls.queries import Filters
from ringfence.features.calls.schemas import CallAnswer, NotesBody
from ringfence.features.calls.values.states import CALL_STATUSES
from ringfence.features.companies.queries import default_region
from ringfence.features.contacts.values import read_number
from ringfence.features.conversations.routes import Looking
from ringfence.features.conversations.values import Viewer
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.caller import Manager, Reader, Sender, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/calls", tags=["calls"], responses=PROBLEM_RESPONSES)
threads = APIRouter(prefix="/api/sms/conversations", tags=["calls"], responses=PROBLEM_RESPONSES)

Moment = Annotated[datetime | None, Query(description="With offset; without one it is UTC.")]


@router.get("")
async def list_calls(
    request: Request,
    caller: Reader,
    session: TenantDB,
    viewer: Looking,
    *,
    direction: Literal["inbound", "outbound"] | None = None,
    status: Annotated[str | None, Query(pattern=f"^({'|'.join(CALL_STATUSES)})$")] = None,
    number: Annotated[str | None, Query(max_length=64, description="Only with this number, at either end.")] = None,
    contact_id: UUID | None = None,
    user_id: Annotated[UUID | None, Query(description="Only calls that this person made or answered.")] = None,
    created_from: Moment = None,
    created_to: Moment = None,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[CallAnswer]:
    """The company's calls in both directions, newest first."""
    filters = Filters(
        direction=direction,
        status=status,
        number=None if number is None else read_number(number, region=await default_region(session)),
        contact_id=contact_id,
        user_id=user_id,
        created_from=_aware(created_from),
        created_to=_aware(created_to),
    )
    cursors = Cursors(service(request, Keyring), caller.company_id, "calls", asdict(filters))
    rows = await queries.list_calls(session, viewer, filters=filters, after=cursors.read(cursor), limit=limit)
    return await _page(session, viewer, cursors, rows, limit)


@threads.get("/{conversation_id}/calls")
async def list_calls_of_conversation(
    request: Request,
    conversation_id: UUID,
    caller: Reader,
    session: TenantDB,
    viewer: Looking,
    *,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[CallAnswer]:
    """The calls between the two numbers of a conversation, newest first."""
    cursors = Cursors(service(request, Keyring), caller.company_id, "conversation-calls", conversation_id)
    rows = await queries.of_conversation(session, viewer, conversation_id, after=cursors.read(cursor), limit=limit)
    return await _page(session, viewer, cursors, rows, limit)


@router.get("/{call_id}")
async def get_call(call_id: UUID, _caller: Reader, session: TenantDB, viewer: Looking) -> CallAnswer:
    """One call."""
    return await answer(session, viewer, await queries.get_call(session, viewer, call_id))


@router.patch("/{call_id}")
async def write_notes(
    call_id: UUID, _caller: Sender, session: TenantDB, viewer: Looking, body: NotesBody
) -> CallAnswer:
    """Replace the notes of a call."""
    return await answer(session, viewer, await keeping.write_notes(session, viewer, call_id, notes=body.notes))


@router.delete("/{call_id}", status_code=204)
async def delete_call(call_id: UUID, caller: Manager, session: TenantDB, viewer: Looking) -> None:
    """Remove a call that has ended, and its sound for good. 409 `not_over` before. Nothing changes at Twilio."""
    await keeping.delete_call(session, viewer, call_id, actor=actor_of(caller))


async def answer(session: TenantSession, viewer: Viewer, call: Call) -> CallAnswer:
    """The answer for one call."""
    return CallAnswer.made_of((await queries.shown(session, viewer, [call]))[0])


async def _page(
    session: TenantSession, viewer: Viewer, cursors: Cursors, rows: Sequence[Call], limit: int
) -> Page[CallAnswer]:
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.created_at, row.id))
    items = [CallAnswer.made_of(item) for item in await queries.shown(session, viewer, page)]
    return Page(items=items, next_cursor=next_cursor)


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
