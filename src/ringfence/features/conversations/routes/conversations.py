"""`/api/sms/conversations`: the inbox. The texts of a thread are answered by the messages room."""

from dataclasses import asdict, replace
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request

from ringfence.errors import ForbiddenError, NotFoundError
from ringfence.features.audit_log.values import actor_of
from ringfence.features.contacts.values import tidy_tag
from ringfence.features.conversations import actions, queries
from ringfence.features.conversations.queries import Filters, Thread
from ringfence.features.conversations.routes.viewing import Looking
from ringfence.features.conversations.schemas import (
    ChangeBody,
    ChangedAnswer,
    ChangedManyAnswer,
    ChangeManyBody,
    ConversationAnswer,
    CountsAnswer,
    DeletedAnswer,
)
from ringfence.features.conversations.values import State, Viewer
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.caller import Level, Manager, Reader, Sender, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/sms/conversations", tags=["conversations"], responses=PROBLEM_RESPONSES)


@router.get("")
async def list_conversations(
    request: Request,
    caller: Reader,
    session: TenantDB,
    viewer: Looking,
    *,
    state: State | None = None,
    assigned: Annotated[
        UUID | Literal["me", "nobody"] | None, Query(description="Mine, nobody's, or those of one person.")
    ] = None,
    unread: Annotated[bool | None, Query(description="Only those I have not read, or only those I have.")] = None,
    phone_number_id: Annotated[UUID | None, Query(description="Only of this number of the company.")] = None,
    tag: Annotated[str | None, Query(max_length=50, description="Only with contacts of this tag.")] = None,
    q: Annotated[str | None, Query(max_length=100, description="Beginning of a name, or part of a number.")] = None,
    deleted: Annotated[bool, Query(description="Those that can be restored instead; managers.")] = False,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[ConversationAnswer]:
    """The conversations that the caller may see, the latest text first.

    With `unread` or `tag` a page can be short and still have a next one.
    """
    if deleted and caller.level < Level.MANAGE:
        raise ForbiddenError
    filters = Filters(
        state=state,
        assigned=assigned,
        unread=unread,
        phone_number_id=phone_number_id,
        tag=None if tag is None else tidy_tag(tag),
        search=(q or "").strip() or None,
        deleted=deleted,
    )
    cursors = Cursors(service(request, Keyring), caller.company_id, "conversations", asdict(filters))
    found = await queries.list_threads(session, viewer, filters=filters, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(found.threads, limit, lambda row: Position(row.last_message_at, row.id))
    if next_cursor is None and found.looked_to is not None:
        next_cursor = cursors.write(found.looked_to)
    return Page(items=[ConversationAnswer.of(row) for row in page], next_cursor=next_cursor)


@router.patch("")
async def change_conversations(
    body: ChangeManyBody, _caller: Sender, session: TenantDB, viewer: Looking
) -> ChangedManyAnswer:
    """Open, snooze, close or assign several conversations at once."""
    changed = await actions.change(session, viewer, body.ids, body.change())
    items = [ChangedAnswer.made_of(await _as_it_is_now(session, viewer, item.id), item.before) for item in changed]
    known = {item.id for item in changed}
    return ChangedManyAnswer(items=items, not_found=[one for one in dict.fromkeys(body.ids) if one not in known])


@router.get("/counts")
async def count_conversations(_caller: Reader, session: TenantDB, viewer: Looking) -> CountsAnswer:
    """How many conversations stand under each tab, up to 100."""
    return CountsAnswer.of(await queries.count_threads(session, viewer))


@router.get("/{conversation_id}")
async def get_conversation(
    conversation_id: UUID, _caller: Reader, session: TenantDB, viewer: Looking
) -> ConversationAnswer:
    """One conversation."""
    return ConversationAnswer.of(await queries.get_thread(session, viewer, conversation_id))


@router.patch("/{conversation_id}")
async def change_conversation(
    conversation_id: UUID, body: ChangeBody, _caller: Sender, session: TenantDB, viewer: Looking
) -> ChangedAnswer:
    """Open, snooze, close or assign a conversation; `before` sent back undoes it."""
    changed = await actions.change(session, viewer, [conversation_id], body.change())
    if not changed:
        raise NotFoundError
    return ChangedAnswer.made_of(await _as_it_is_now(session, viewer, conversation_id), changed[0].before)


@router.post("/{conversation_id}/read")
async def read_conversation(
    conversation_id: UUID, _caller: Sender, session: TenantDB, viewer: Looking
) -> ConversationAnswer:
    """The caller has read everything in it."""
    await actions.mark_read(session, viewer, conversation_id)
    return ConversationAnswer.of(await queries.get_thread(session, viewer, conversation_id))


@router.post("/{conversation_id}/unread")
async def unread_conversation(
    conversation_id: UUID, _caller: Sender, session: TenantDB, viewer: Looking
) -> ConversationAnswer:
    """The other side's last text is unread again, for the caller alone (for all if a key asks)."""
    await actions.mark_unread(session, viewer, conversation_id)
    return ConversationAnswer.of(await queries.get_thread(session, viewer, conversation_id))


@router.delete("/{conversation_id}")
async def delete_conversation(
    conversation_id: UUID, caller: Manager, session: TenantDB, viewer: Looking
) -> DeletedAnswer:
    """Put a conversation with its texts and notes out of sight; it can be restored for 30 days, then it is gone.

    A new text brings it back. Its calls stay in the call log.
    """
    await actions.delete_conversation(session, viewer, conversation_id, actor=actor_of(caller))
    thread = await queries.get_thread(session, viewer, conversation_id, with_deleted=True)
    return DeletedAnswer.made_of(thread, thread.deleted_at or utc_now())


@router.post("/{conversation_id}/restore")
async def restore_conversation(
    conversation_id: UUID, caller: Manager, session: TenantDB, viewer: Looking
) -> ConversationAnswer:
    """Bring a deleted conversation back as it was."""
    await actions.restore_conversation(session, conversation_id, actor=actor_of(caller))
    return ConversationAnswer.of(await queries.get_thread(session, viewer, conversation_id))


async def _as_it_is_now(session: TenantSession, viewer: Viewer, conversation_id: UUID) -> Thread:
    """What a caller has just changed is answered, also when the change was to hand it to somebody else."""
    return await queries.get_thread(session, replace(viewer, sees_all=True), conversation_id)
