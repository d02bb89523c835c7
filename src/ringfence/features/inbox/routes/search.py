"""`/api/sms/search`: names, numbers and the words of texts."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request

from ringfence.features.conversations import queries as conversations
from ringfence.features.conversations.routes import Looking
from ringfence.features.conversations.schemas import ConversationAnswer
from ringfence.features.inbox.schemas import SearchPage
from ringfence.features.messages.queries import search as queries
from ringfence.features.messages.routes.messages import answers
from ringfence.kit.keyring import Keyring
from ringfence.web.caller import Reader, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/sms/search", tags=["conversations"], responses=PROBLEM_RESPONSES)

_MOST_CONVERSATIONS: Final = 10


@router.get("")
async def search(
    request: Request,
    caller: Reader,
    session: TenantDB,
    viewer: Looking,
    *,
    q: Annotated[str, Query(max_length=200, description="Words, a name or a number; the last word may be unfinished.")],
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> SearchPage:
    """Search names, numbers and texts of the conversations that the caller may see."""
    cursors = Cursors(service(request, Keyring), caller.company_id, "search", q)
    found = await queries.search(session, viewer, q, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(found.texts, limit, lambda row: Position(row.created_at, row.id))
    if next_cursor is None and found.looked_to is not None:
        next_cursor = cursors.write(found.looked_to)
    named: list[ConversationAnswer] = []
    if cursor is None and q.strip():
        threads = await conversations.list_threads(
            session,
            viewer,
            filters=conversations.Filters(search=q.strip()),
            after=None,
            limit=_MOST_CONVERSATIONS,
        )
        named = [ConversationAnswer.of(thread) for thread in threads.threads[:_MOST_CONVERSATIONS]]
    return SearchPage(conversations=named, items=await answers(session, page), next_cursor=next_cursor)
