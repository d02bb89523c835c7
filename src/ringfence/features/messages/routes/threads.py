"""The texts of one conversation."""

from uuid import UUID

from fastapi import APIRouter, Request

from ringfence.features.conversations.queries import get_thread
from ringfence.features.conversations.routes import Looking
from ringfence.features.messages.queries import messages as queries
from ringfence.features.messages.queries.messages import Filters
from ringfence.features.messages.routes.messages import answers
from ringfence.features.messages.schemas import MessageAnswer
from ringfence.kit.keyring import Keyring
from ringfence.web.caller import Reader, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/sms/conversations", tags=["conversations"], responses=PROBLEM_RESPONSES)


@router.get("/{conversation_id}/messages")
async def list_thread(
    request: Request,
    conversation_id: UUID,
    caller: Reader,
    session: TenantDB,
    viewer: Looking,
    *,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[MessageAnswer]:
    """The texts of a conversation, newest first."""
    thread = await get_thread(session, viewer, conversation_id)
    cursors = Cursors(service(request, Keyring), caller.company_id, "thread", str(thread.id))
    rows = await queries.list_messages(
        session, viewer, filters=Filters(conversation_id=thread.id), after=cursors.read(cursor), limit=limit
    )
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.created_at, row.id))
    return Page(items=await answers(session, page), next_cursor=next_cursor)
