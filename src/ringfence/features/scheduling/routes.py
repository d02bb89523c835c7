"""`/api/sms/schedule` and `/api/sms/scheduled`: texts for later."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request

from ringfence.features.audit_log.values import actor_of
from ringfence.features.companies.queries import default_region
from ringfence.features.contacts.values import read_number
from ringfence.features.conversations.routes import Looking
from ringfence.features.conversations.values import Viewer
from ringfence.features.messages.actions import idempotency
from ringfence.features.messages.actions.idempotency import FirstAnswer
from ringfence.features.messages.routes.sending import Key
from ringfence.features.messages.values import attachments
from ringfence.features.scheduling import queries
from ringfence.features.scheduling.actions import writing
from ringfence.features.scheduling.actions.due import send
from ringfence.features.scheduling.actions.writing import Plan
from ringfence.features.scheduling.model import ScheduledText
from ringfence.features.scheduling.queries import Filters
from ringfence.features.scheduling.schemas import ScheduleBody, ScheduleChange, ScheduledAnswer
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.caller import Caller, Level, Reader, Sender, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/sms", tags=["scheduled texts"], responses=PROBLEM_RESPONSES)

_NO_COLUMNS = {"scheduled_at", "local_time", "media_ids", "media_urls"}

Status = Literal["pending", "sent", "failed", "canceled", "expired"]
Moment = Annotated[datetime | None, Query(description="With offset; without one it is UTC.")]


@router.post("/schedule", status_code=201)
async def schedule(
    body: ScheduleBody, caller: Sender, session: TenantDB, viewer: Looking, idempotency_key: Key = None
) -> ScheduledAnswer:
    """Keep a text for later. The gate is asked when its time comes, and it goes out in the caller's name."""
    if idempotency_key is None:
        return ScheduledAnswer.about(await _schedule(session, body, caller, viewer))
    request = body.model_dump(mode="json")
    first = await idempotency.begin(session, key=idempotency_key, operation="schedule", request=request)
    if first is None:
        made = ScheduledAnswer.about(await _schedule(session, body, caller, viewer))
        first = FirstAnswer(201, made.model_dump(mode="json"))
        await idempotency.finish(session, key=idempotency_key, answer=first)
    return ScheduledAnswer.model_validate(first.response)


@router.get("/scheduled")
async def list_scheduled(
    request: Request,
    caller: Reader,
    session: TenantDB,
    viewer: Looking,
    *,
    status: Status | None = None,
    number: Annotated[str | None, Query(max_length=64, description="Only to this number.")] = None,
    contact_id: UUID | None = None,
    due_from: Moment = None,
    due_to: Moment = None,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[ScheduledAnswer]:
    """Scheduled texts by their time: with `status=pending` the next one first, else the latest first."""
    filters = Filters(
        status=status,
        number=None if number is None else read_number(number, region=await default_region(session)),
        contact_id=contact_id,
        due_from=_aware(due_from),
        due_to=_aware(due_to),
    )
    cursors = Cursors(service(request, Keyring), caller.company_id, "scheduled", asdict(filters))
    rows = await queries.list_scheduled(session, viewer, filters=filters, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.due_at, row.id))
    return Page(items=[ScheduledAnswer.about(row) for row in page], next_cursor=next_cursor)


@router.get("/scheduled/{scheduled_id}")
async def get_scheduled(scheduled_id: UUID, _caller: Reader, session: TenantDB, viewer: Looking) -> ScheduledAnswer:
    """One scheduled text."""
    return ScheduledAnswer.about(await queries.get_scheduled(session, viewer, scheduled_id))


@router.patch("/scheduled/{scheduled_id}")
async def change_scheduled(
    scheduled_id: UUID, body: ScheduleChange, caller: Sender, session: TenantDB, viewer: Looking
) -> ScheduledAnswer:
    """Change a pending text. One's own, or as a manager anybody's; 409 `not_pending` once it is none."""
    given = body.model_dump(mode="json", exclude_unset=True, exclude=_NO_COLUMNS)
    changes = {name: value for name, value in given.items() if value is not None or name == "from_number"}
    if body.from_number is not None:
        changes["from_number"] = read_number(body.from_number, region=await default_region(session))
    changed = await writing.change(
        session,
        viewer,
        scheduled_id,
        actor=actor_of(caller),
        manages=caller.level >= Level.MANAGE,
        changes=changes,
        media_ids=body.media_ids,
        addresses=None if body.media_urls is None else [str(url) for url in body.media_urls],
        due_at=_aware(body.scheduled_at),
        wall=body.local_time,
    )
    return ScheduledAnswer.about(changed)


@router.delete("/scheduled/{scheduled_id}")
async def cancel_scheduled(scheduled_id: UUID, caller: Sender, session: TenantDB, viewer: Looking) -> ScheduledAnswer:
    """Take a pending text back; it stays in the list as canceled."""
    manages = caller.level >= Level.MANAGE
    actor = actor_of(caller)
    return ScheduledAnswer.about(await writing.cancel(session, viewer, scheduled_id, actor=actor, manages=manages))


@router.post("/scheduled/{scheduled_id}/send-now")
async def send_scheduled_now(scheduled_id: UUID, caller: Sender, session: TenantDB, viewer: Looking) -> ScheduledAnswer:
    """Hand in a pending text at once: the answer is `sent` with its `message_id`, or `failed` with the reason."""
    manages = caller.level >= Level.MANAGE
    scheduled = await writing.take(session, viewer, scheduled_id, actor=actor_of(caller), manages=manages)
    await send(session, scheduled)
    return ScheduledAnswer.about(scheduled)


async def _schedule(session: TenantSession, body: ScheduleBody, caller: Caller, viewer: Viewer) -> ScheduledText:
    region = await default_region(session)
    plan = Plan(
        to_number=read_number(body.to, region=region),
        body=body.body,
        template_id=body.template_id,
        variables=body.variables,
        media_urls=attachments(body.media_ids, (str(url) for url in body.media_urls)),
        from_number=None if body.from_number is None else read_number(body.from_number, region=region),
        contact_id=body.contact_id,
        due_at=_aware(body.scheduled_at),
        wall=body.local_time,
        cancel_if_reply=body.cancel_if_reply,
    )
    return await writing.schedule(session, viewer, plan, actor=actor_of(caller))


def _aware(moment: datetime | None) -> datetime | None:
    """In UTC, where a query without offset is meant to be; a body always brings one."""
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
