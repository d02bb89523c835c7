"""Stored attachments, for the people of their company only."""

from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse

from ringfence.errors import NotFoundError
from ringfence.features.conversations.routes import Looking
from ringfence.features.messages.actions.media_store import MediaStore
from ringfence.features.messages.queries.messages import get_media
from ringfence.web.caller import Reader, TenantDB
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.services import service

router = APIRouter(prefix="/api/sms/messages", tags=["messages"], responses=PROBLEM_RESPONSES)

# Types that a browser may show. Everything else (HTML and SVG among it, which carry scripts) is only downloaded.
_SHOWN: Final = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/amr": ".amr",
    "audio/mp4": ".m4a",
    "video/mp4": ".mp4",
    "video/3gpp": ".3gp",
    "video/quicktime": ".mov",
}


@router.get("/{message_id}/media/{media_id}", response_class=FileResponse)
async def read_media(
    request: Request, message_id: UUID, media_id: UUID, caller: Reader, *, session: TenantDB, viewer: Looking
) -> FileResponse:
    """A stored attachment of a text."""
    item = await get_media(session, viewer, message_id, media_id)
    store = service(request, MediaStore)
    if not await store.exists(caller.company_id, item.file_id):
        raise NotFoundError
    ending = _SHOWN.get(item.content_type or "")
    return FileResponse(
        store.path(caller.company_id, item.file_id),
        media_type=item.content_type if ending else "application/octet-stream",
        filename=f"{item.id}{ending or ''}",
        content_disposition_type="inline" if ending else "attachment",
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "private, no-store",
        },
    )
