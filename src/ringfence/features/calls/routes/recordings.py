"""Stored recordings, for the people of their company only."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse

from ringfence.errors import NotFoundError
from ringfence.features.calls import queries
from ringfence.features.conversations.routes import Looking
from ringfence.features.messages.actions.media_store import MediaStore
from ringfence.web.caller import Reader, TenantDB
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.services import service

router = APIRouter(prefix="/api/calls", tags=["calls"], responses=PROBLEM_RESPONSES)

_PLAYED: Final = {"audio/mpeg": ".mp3", "audio/x-wav": ".wav", "audio/wav": ".wav"}


@router.get("/{call_id}/recording", response_class=FileResponse)
async def read_recording(
    request: Request,
    call_id: UUID,
    caller: Reader,
    session: TenantDB,
    viewer: Looking,
    *,
    recording_id: Annotated[UUID | None, Query(description="One of several; the first if left out.")] = None,
) -> FileResponse:
    """The sound of a call, or the message that was left."""
    item = await queries.stored_recording(session, viewer, call_id, recording_id)
    store = service(request, MediaStore)
    if not await store.exists(caller.company_id, item.id):
        raise NotFoundError
    ending = _PLAYED.get(item.content_type or "")
    return FileResponse(
        store.path(caller.company_id, item.id),
        media_type=item.content_type if ending else "application/octet-stream",
        filename=f"{item.id}{ending or ''}",
        content_disposition_type="inline" if ending else "attachment",
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "private, no-store",
        },
    )
