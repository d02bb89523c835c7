"""`/api/media`: files to send; and the door through which Twilio fetches them."""

from typing import Annotated, Any, BinaryIO, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from starlette.datastructures import UploadFile

from ringfence.errors import InvalidInputError, NotFoundError
from ringfence.features.audit_log.values import actor_of
from ringfence.features.messages.actions import uploading
from ringfence.features.messages.actions.links import is_genuine
from ringfence.features.messages.actions.media_store import MediaStore
from ringfence.features.messages.model import MediaUpload
from ringfence.features.messages.queries.uploads import get_upload
from ringfence.features.messages.schemas import UploadAnswer
from ringfence.features.messages.values import MOST_MEDIA_BYTES
from ringfence.kit.keyring import Keyring
from ringfence.kit.media_types import ENDINGS, sniff
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import Caller, Level, Reader, Sender, TenantDB
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.services import service

router = APIRouter(tags=["media"], responses=PROBLEM_RESPONSES)

_MOST_FILE_NAME: Final = 200
_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {"file": {"type": "string", "format": "binary", "description": "Up to 5 MB."}},
}
# A file is only ever shown or saved: whatever it holds, nothing in it runs.
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
}


@router.post(
    "/api/media",
    status_code=201,
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def upload_media(request: Request, caller: Sender) -> UploadAnswer:
    """Take a file in, to be sent as one of `media_ids`; it waits for a day.

    What it is, its bytes say: JPEG, PNG, GIF, MP3, M4A, AMR, OGG, WAV, MP4, 3GP, MOV, PDF, vCard. 422 `media_type` for
    anything else, `media_too_large` over 5 MB.
    """
    # Read here and not as a parameter: the body is taken in after the caller is known, and outside any transaction.
    async with request.form(max_files=1, max_fields=0) as form:
        upload = form.get("file")
        if not isinstance(upload, UploadFile) or len(form) != 1:
            raise InvalidInputError("invalid", "file: one file is required, as multipart/form-data.")
        return UploadAnswer.of(await _take_in(request, caller, upload))


@router.get("/api/media/{media_id}", response_class=FileResponse)
async def read_upload(request: Request, media_id: UUID, caller: Reader, session: TenantDB) -> FileResponse:
    """A file that one has uploaded oneself; managers read everybody's."""
    upload = await get_upload(session, media_id)
    if caller.level < Level.MANAGE and (upload.actor_kind, upload.actor_id) != (caller.kind, caller.id):
        raise NotFoundError
    return await _file(request, caller.company_id, upload)


@router.get("/media/{company_id}/{media_id}", response_class=FileResponse)
@router.head("/media/{company_id}/{media_id}", response_class=FileResponse, include_in_schema=False)
async def fetch_media(
    request: Request,
    company_id: UUID,
    media_id: UUID,
    expires: Annotated[int, Query(ge=0, le=1 << 40)],
    code: Annotated[str, Query(max_length=200)],
) -> FileResponse:
    """A file as Twilio fetches it, by a signed address that ends."""
    if not is_genuine(service(request, Keyring), company_id, media_id, expires=expires, code=code):
        raise NotFoundError
    async with service(request, Tenancy).tenant(company_id) as session:
        upload = await get_upload(session, media_id)
    return await _file(request, company_id, upload)


async def _take_in(request: Request, caller: Caller, upload: UploadFile) -> MediaUpload:
    tenancy, store = service(request, Tenancy), service(request, MediaStore)
    size, content_type = _look(upload.file)
    async with tenancy.tenant(caller.company_id) as session:
        begun = await uploading.begin(
            session,
            file_name=_shown_name(upload.filename),
            content_type=content_type,
            size_bytes=size,
            actor=actor_of(caller),
        )
    await store.take(caller.company_id, begun.id, upload.file)
    async with tenancy.tenant(caller.company_id) as session:
        return await uploading.finish(session, begun.id)


def _look(file: BinaryIO) -> tuple[int, str]:
    size = file.seek(0, 2)
    if not size:
        raise InvalidInputError("media_empty", "The file is empty.")
    if size > MOST_MEDIA_BYTES:
        raise InvalidInputError("media_too_large", f"The file has more than {MOST_MEDIA_BYTES // 1_000_000} MB.")
    content_type = sniff(file)
    if content_type is None:
        known = ", ".join(ending.removeprefix(".") for ending in ENDINGS.values())
        raise InvalidInputError("media_type", f"This is none of the files that can be sent: {known}.")
    return size, content_type


async def _file(request: Request, company_id: UUID, upload: MediaUpload) -> FileResponse:
    store = service(request, MediaStore)
    if not await store.exists(company_id, upload.id):
        raise NotFoundError
    return FileResponse(
        store.path(company_id, upload.id),
        media_type=upload.content_type,
        # Telephones show it: short, and without a character that a carrier might stumble over.
        filename=f"{upload.id.hex[-12:]}{ENDINGS.get(upload.content_type, '')}",
        content_disposition_type="inline",
        headers=_HEADERS,
    )


def _shown_name(name: str | None) -> str:
    """A file's name for people to recognise it by, never a path."""
    plain = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in plain if char.isprintable())[:_MOST_FILE_NAME] or "file"
