"""`/api/sms/conversations`: the inbox. The texts of a thread are answered by the messages room."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from ringfence.features.conversations import actions, queries
from ringfence.features.conversations.routes.viewing import Looking
from ringfence.features.conversations.schemas import ConversationAnswer
from ringfence.kit.keyring import Keyring
from ringfence.web.caller import Reader, Sender, TenantDB
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
    unread: Annotated[bool | None, Query(description="Only those with unread texts, or only those without.")] = None,
    phone_number_id: Annotated[UUID | None, Query(description="Only of this number of the company.")] = None,
    q: Annotated[str | None, Query(max_length=100, description="Beginning of a name, or part of a number.")] = None,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[ConversationAnswer]:
    """The company's conversations, the latest text first."""
    filters = {"unread": unread, "phone_number_id": phone_number_id, "q": q}
    cursors = Cursors(service(request, Keyring), caller.company_id, "conversations", filters)
    rows = await queries.list_threads(
        session,
        viewer,
        unread=unread,
        phone_number_id=phone_number_id,
        search=q,
        after=cursors.read(cursor),
        limit=limit,
    )
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.last_message_at, row.id))
    return Page(items=[ConversationAnswer.of(row) for row in page], next_cursor=next_cursor)


@router.get("/{conversation_id}")
async def get_conversation(
    conversation_id: UUID, _caller: Reader, session: TenantDB, viewer: Looking
) -> ConversationAnswer:
    """One conversation."""
    return ConversationAnswer.of(await queries.get_thread(session, viewer, conversation_id))


@router.post("/{conversation_id}/read")
async def read_conversation(
    conversation_id: UUID, _caller: Sender, session: TenantDB, viewer: Looking
) -> ConversationAnswer:
    """Everything in it has been read."""
    thread = await queries.get_thread(session, viewer, conversation_id)
    await actions.mark_read(session, thread.id)
    return ConversationAnswer.of(await queries.get_thread(session, viewer, conversation_id))
