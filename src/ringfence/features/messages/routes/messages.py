"""`/api/sms/messages`: lists, single texts, timelines, deletion."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from ringfence.features.audit_log.values import actor_of
from ringfence.features.companies.queries import default_region
from ringfence.features.contacts.values import read_number
from ringfence.features.conversations.routes import Looking
from ringfence.features.messages.actions.deleting import delete_message
from ringfence.features.messages.actions.holding import release
from ringfence.features.messages.model import Message
from ringfence.features.messages.queries import messages as queries
from ringfence.features.messages.queries.messages import Filters
from ringfence.features.messages.schemas import EventAnswer, MessageAnswer, Timeline
from ringfence.features.messages.values import STATUSES
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.caller import Level, Manager, Reader, Sender, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/sms/messages", tags=["messages"], responses=PROBLEM_RESPONSES)

Moment = Annotated[datetime | None, Query(description="With offset; without one it is UTC.")]


@router.get("")
async def list_messages(
    request: Request,
    caller: Reader,
    session: TenantDB,
    viewer: Looking,
    *,
    direction: Literal["inbound", "outbound"] | None = None,
    status: Annotated[str | None, Query(pattern=f"^({'|'.join(STATUSES)})$")] = None,
    phone_number_id: Annotated[UUID | None, Query(description="Only of this number of the company.")] = None,
    number: Annotated[str | None, Query(max_length=64, description="Only with this number, at either end.")] = None,
    contact_id: UUID | None = None,
    conversation_id: UUID | None = None,
    created_from: Moment = None,
    created_to: Moment = None,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[MessageAnswer]:
    """The company's texts, newest first."""
    filters = Filters(
        direction=direction,
        status=status,
        phone_number_id=phone_number_id,
        number=None if number is None else read_number(number, region=await default_region(session)),
        contact_id=contact_id,
        conversation_id=conversation_id,
        created_from=_aware(created_from),
        created_to=_aware(created_to),
    )
    cursors = Cursors(service(request, Keyring), caller.company_id, "messages", asdict(filters))
    rows = await queries.list_messages(session, viewer, filters=filters, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.created_at, row.id))
    return Page(items=await answers(session, page), next_cursor=next_cursor)


@router.get("/{message_id}")
async def get_message(message_id: UUID, _caller: Reader, session: TenantDB, viewer: Looking) -> MessageAnswer:
    """One text."""
    message = await queries.get_message(session, viewer, message_id)
    return (await answers(session, [message]))[0]


@router.delete(
    "/{message_id}",
    response_model=MessageAnswer,
    responses={204: {"description": "It was finished, and is removed from view."}},
)
async def delete(message_id: UUID, caller: Sender, session: TenantDB, viewer: Looking) -> MessageAnswer | Response:
    """Cancel a text that still waits (200, the canceled text), or remove a finished one (204; managers).

    409 `under_way` while its outcome is open. Nothing changes at Twilio.
    """
    may_remove = caller.level >= Level.MANAGE
    canceled = await delete_message(session, viewer, message_id, actor=actor_of(caller), may_remove=may_remove)
    if canceled is None:
        return Response(status_code=204)
    return (await answers(session, [canceled]))[0]


@router.post("/{message_id}/release")
async def release_held(message_id: UUID, caller: Manager, session: TenantDB, viewer: Looking) -> MessageAnswer:
    """Let a held text go out now, whatever quiet hours, holidays and budget say; it stands in the audit log.

    409 `not_held` for any other text. Opt-outs and all other reasons to refuse it still count.
    """
    message = await release(session, viewer, message_id, actor=actor_of(caller))
    return (await answers(session, [message]))[0]


@router.get("/{message_id}/timeline")
async def timeline(message_id: UUID, _caller: Reader, session: TenantDB, viewer: Looking) -> Timeline:
    """Everything that happened to a text, first things first."""
    events = await queries.timeline(session, viewer, message_id)
    return Timeline(items=[EventAnswer.of(event) for event in events])


async def answers(session: TenantSession, rows: Sequence[Message]) -> list[MessageAnswer]:
    """The answers for texts, with their attachments."""
    media = await queries.media_of(session, rows)
    return [MessageAnswer.made_of(row, media[row.id]) for row in rows]


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
