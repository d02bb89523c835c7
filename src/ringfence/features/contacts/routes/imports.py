"""Contacts from a file: upload, progress, and the rows that were not taken over."""

import asyncio
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile

from ringfence.errors import InvalidInputError
from ringfence.features.audit_log.values import actor_of
from ringfence.features.companies.queries import default_region
from ringfence.features.contacts import queries
from ringfence.features.contacts.actions.importing import start_import
from ringfence.features.contacts.actions.upload_store import UploadStore
from ringfence.features.contacts.model import EXISTING
from ringfence.features.contacts.routes.uploads import (
    LAYOUT_OPTIONS,
    LAYOUT_PROPERTIES,
    one_of,
    read_form,
    shown_name,
    told_of,
)
from ringfence.features.contacts.schemas import ImportAnswer, ImportProblem
from ringfence.features.contacts.values.columns import Told
from ringfence.features.contacts.values.files import MOST_BYTES, Layout, inspect_file
from ringfence.kit.ids import new_id
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import Caller, Manager, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position, Rank
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/contacts", tags=["contacts"], responses=PROBLEM_RESPONSES)

_OPTIONS: Final = LAYOUT_OPTIONS | {"existing"}
_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "CSV; up to 20 MB and 200,000 rows."},
        "existing": {"type": "string", "enum": list(EXISTING), "default": "update"},
        **LAYOUT_PROPERTIES,
    },
}


@router.post(
    "/import",
    status_code=202,
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def import_contacts(request: Request, caller: Manager) -> ImportAnswer:
    """Take contacts over from a CSV file; 202, and the rows follow in the background.

    The file is looked through first: 422 when it cannot be read or no column holds phone numbers.
    """
    # Read here and not as a parameter: the body is taken in after the caller is known, and outside any transaction.
    async with request.form(max_files=1, max_fields=len(_OPTIONS)) as form:
        upload, options = read_form(form, options=_OPTIONS)
        told, existing = told_of(options), one_of(options, "existing", EXISTING) or "update"
        import_id = new_id()
        try:
            return await _start(request, caller, import_id, upload=upload, told=told, existing=existing)
        except BaseException:
            await service(request, UploadStore).remove(caller.company_id, import_id)
            raise


@router.get("/imports")
async def list_imports(
    request: Request, caller: Manager, session: TenantDB, limit: PageLimit = DEFAULT_PAGE, cursor: PageCursor = None
) -> Page[ImportAnswer]:
    """The company's imports, newest first."""
    cursors = Cursors(service(request, Keyring), caller.company_id, "contact-imports")
    rows = await queries.list_imports(session, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.created_at, row.id))
    return Page(items=[ImportAnswer.made_of(row) for row in page], next_cursor=next_cursor)


@router.get("/imports/{import_id}")
async def get_import(import_id: UUID, _caller: Manager, session: TenantDB) -> ImportAnswer:
    """How far an import is."""
    return ImportAnswer.made_of(await queries.get_import(session, import_id))


@router.get("/imports/{import_id}/errors")
async def list_errors(
    request: Request,
    import_id: UUID,
    caller: Manager,
    session: TenantDB,
    *,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[ImportProblem]:
    """The rows that were not taken over, in the order of the file."""
    found = await queries.get_import(session, import_id)
    cursors = Cursors(service(request, Keyring), caller.company_id, "contact-import-errors", str(found.id))
    rows = await queries.list_import_problems(session, found.id, after=cursors.read_rank(cursor), limit=limit)
    page, next_cursor = cursors.page(rows, limit, lambda row: Rank(row.line, row.id))
    return Page(items=[ImportProblem.of(row) for row in page], next_cursor=next_cursor)


async def _start(
    request: Request, caller: Caller, import_id: UUID, *, upload: UploadFile, told: Told, existing: str
) -> ImportAnswer:
    tenancy, uploads = service(request, Tenancy), service(request, UploadStore)
    size = await uploads.write(caller.company_id, import_id, upload.file)
    if size > MOST_BYTES:
        raise InvalidInputError("file_too_large", f"The file has more than {MOST_BYTES // 1_000_000} MB; split it.")
    async with tenancy.tenant(caller.company_id) as session:
        region = await default_region(session)
    layout: Layout = await asyncio.to_thread(
        inspect_file, uploads.path(caller.company_id, import_id), told, region=region
    )
    async with tenancy.tenant(caller.company_id) as session:
        found = await start_import(
            session,
            import_id,
            layout=layout,
            file_name=shown_name(upload.filename, otherwise="contacts.csv"),
            size_bytes=size,
            region=region,
            existing=existing,
            actor=actor_of(caller),
        )
        return ImportAnswer.made_of(found)
