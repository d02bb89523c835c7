"""`/api/notices`: what a person should know, and how they want to be told."""

from uuid import UUID

from fastapi import APIRouter, Request

from ringfence.errors import ForbiddenError
from ringfence.features.notices import actions, queries
from ringfence.features.notices.queries import Wishes
from ringfence.features.notices.schemas import NoticeAnswer, PreferencesAnswer, PreferencesWrite
from ringfence.features.users.queries import user
from ringfence.kit.keyring import Keyring
from ringfence.web.caller import Caller, Reader, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/notices", tags=["notices"], responses=PROBLEM_RESPONSES)


@router.get("")
async def list_notices(
    request: Request,
    caller: Reader,
    session: TenantDB,
    *,
    unread: bool = True,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[NoticeAnswer]:
    """The caller's own notices, newest first; `unread=false` shows those of the last 30 days."""
    user_id = _person(caller)
    cursors = Cursors(service(request, Keyring), caller.company_id, "notices", {"user": user_id, "unread": unread})
    viewer = await queries.viewer_of(session, await user(session, user_id))
    rows = await queries.list_notices(session, user_id, viewer, unread=unread, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.updated_at, row.id))
    return Page(items=[NoticeAnswer.of(row) for row in page], next_cursor=next_cursor)


@router.post("/read", status_code=204)
async def read_all(caller: Reader, session: TenantDB) -> None:
    """All of them have been seen."""
    await actions.mark_all_read(session, _person(caller))


@router.post("/{notice_id}/read", status_code=204)
async def read_one(notice_id: UUID, caller: Reader, session: TenantDB) -> None:
    """One of them has been seen."""
    await actions.mark_read(session, _person(caller), notice_id)


@router.get("/preferences")
async def get_preferences(caller: Reader, session: TenantDB) -> PreferencesAnswer:
    """What the caller wants to be told."""
    return PreferencesAnswer.of(await queries.wishes_of(session, _person(caller)))


@router.put("/preferences")
async def put_preferences(body: PreferencesWrite, caller: Reader, session: TenantDB) -> PreferencesAnswer:
    """Say what the caller wants to be told."""
    wishes = Wishes(browser=body.browser, email=body.email, about=body.about)
    await actions.choose(session, _person(caller), wishes)
    return PreferencesAnswer.of(wishes)


def _person(caller: Caller) -> UUID:
    if caller.user_id is None:
        raise ForbiddenError("no_person", "An API key has no notices; log in as the person instead.")
    return caller.user_id
