"""Notes, and the timeline of a conversation."""

from uuid import UUID

from fastapi import APIRouter, Request

from ringfence.features.audit_log.values import actor_of
from ringfence.features.calls import queries as calls
from ringfence.features.calls.model import Call
from ringfence.features.calls.schemas import CallAnswer
from ringfence.features.conversations.queries import get_thread
from ringfence.features.conversations.routes import Looking
from ringfence.features.conversations.values import Viewer
from ringfence.features.inbox import queries
from ringfence.features.inbox.actions import notes
from ringfence.features.inbox.model import Note
from ringfence.features.inbox.queries import Item
from ringfence.features.inbox.schemas import NoteAnswer, NoteBody, TimelineItem, TimelinePage
from ringfence.features.messages.model import Message
from ringfence.features.messages.routes.messages import answers
from ringfence.features.scheduling.schemas import ScheduledAnswer
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.caller import Level, Reader, Sender, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/sms/conversations", tags=["conversations"], responses=PROBLEM_RESPONSES)


@router.get("/{conversation_id}/timeline")
async def read_timeline(
    request: Request,
    conversation_id: UUID,
    caller: Reader,
    session: TenantDB,
    viewer: Looking,
    *,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> TimelinePage:
    """Texts, notes and calls of a conversation in one order, newest first; texts for later beside them."""
    thread = await get_thread(session, viewer, conversation_id)
    cursors = Cursors(service(request, Keyring), caller.company_id, "conversation-timeline", str(thread.id))
    rows = await queries.timeline(session, viewer, thread, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(rows, limit, lambda item: item.position)
    pinned = await queries.pinned(session, viewer, thread) if cursor is None else ()
    return TimelinePage(
        items=await _items(session, viewer, list(page)),
        scheduled=[ScheduledAnswer.about(item) for item in pinned],
        next_cursor=next_cursor,
    )


@router.get("/{conversation_id}/notes")
async def list_notes(
    request: Request,
    conversation_id: UUID,
    caller: Reader,
    session: TenantDB,
    viewer: Looking,
    *,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[NoteAnswer]:
    """The notes of a conversation, newest first."""
    thread = await get_thread(session, viewer, conversation_id)
    cursors = Cursors(service(request, Keyring), caller.company_id, "conversation-notes", str(thread.id))
    rows = await queries.list_notes(session, viewer, thread.id, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.created_at, row.id))
    return Page(items=[NoteAnswer.of(row) for row in page], next_cursor=next_cursor)


@router.post("/{conversation_id}/notes", status_code=201)
async def write_note(
    conversation_id: UUID, body: NoteBody, caller: Sender, session: TenantDB, viewer: Looking
) -> NoteAnswer:
    """Leave a note for colleagues. It never goes to Twilio."""
    note = await notes.write_note(session, viewer, conversation_id, body=body.body, actor=actor_of(caller))
    return NoteAnswer.of(note)


@router.patch("/{conversation_id}/notes/{note_id}")
async def edit_note(
    conversation_id: UUID, note_id: UUID, body: NoteBody, caller: Sender, *, session: TenantDB, viewer: Looking
) -> NoteAnswer:
    """Rewrite one's own note."""
    note = await notes.edit_note(session, viewer, conversation_id, note_id, body=body.body, actor=actor_of(caller))
    return NoteAnswer.of(note)


@router.delete("/{conversation_id}/notes/{note_id}", status_code=204)
async def delete_note(conversation_id: UUID, note_id: UUID, caller: Sender, session: TenantDB, viewer: Looking) -> None:
    """Remove a note for good: one's own; anybody's with the right to manage."""
    manages = caller.level >= Level.MANAGE
    await notes.delete_note(session, viewer, conversation_id, note_id, actor=actor_of(caller), manages=manages)


async def _items(session: TenantSession, viewer: Viewer, page: list[Item]) -> list[TimelineItem]:
    """The answers for a page, each kind's made together."""
    texts = [item.row for item in page if isinstance(item.row, Message)]
    called = [item.row for item in page if isinstance(item.row, Call)]
    told = {answer.id: answer for answer in await answers(session, texts)}
    rung = {item.call.id: CallAnswer.made_of(item) for item in await calls.shown(session, viewer, called)}
    items: list[TimelineItem] = []
    for item in page:
        row, at = item.row, item.position.at
        if isinstance(row, Message):
            items.append(TimelineItem(kind="message", at=at, message=told[row.id]))
        elif isinstance(row, Note):
            items.append(TimelineItem(kind="note", at=at, note=NoteAnswer.of(row)))
        else:
            items.append(TimelineItem(kind="call", at=at, call=rung[row.id]))
    return items
