"""`/api/sms/bulk/lists`: who a bulk send is for. Managers only."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.datastructures import UploadFile

from ringfence.errors import InvalidInputError
from ringfence.features.audit_log.values import actor_of
from ringfence.features.bulk.actions import lists as actions
from ringfence.features.bulk.actions.list_files import ListFiles
from ringfence.features.bulk.queries import lists as queries
from ringfence.features.bulk.queries.recipients import recipients_after, rejected_after
from ringfence.features.bulk.schemas.lists import (
    ListAnswer,
    ListChange,
    ListedRecipient,
    ListFromContacts,
    PreviewAnswer,
    PreviewRow,
    Status,
    layout_of,
)
from ringfence.features.bulk.values.files import MOST_BYTES, FileLayout, inspect_file, preview_rows
from ringfence.features.bulk.values.lists import MOST_NAME, ListStateError
from ringfence.features.companies.queries import default_region
from ringfence.features.contacts.routes.uploads import (
    LAYOUT_OPTIONS,
    LAYOUT_PROPERTIES,
    read_form,
    shown_name,
    told_of,
)
from ringfence.features.contacts.values import tidy_tag
from ringfence.features.contacts.values.columns import Told
from ringfence.kit.csv_line import csv_line
from ringfence.kit.ids import new_id
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import Caller, Manager, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position, Rank
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/sms/bulk/lists", tags=["recipient lists"], responses=PROBLEM_RESPONSES)

_OPTIONS: Final = LAYOUT_OPTIONS | {"name"}
_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "CSV up to 250 MB and 1,000,000 rows, or XLSX up to 100,000 rows.",
        },
        "name": {"type": "string", "maxLength": MOST_NAME, "description": "The file's name if left out."},
        **LAYOUT_PROPERTIES,
    },
}


@router.post(
    "",
    status_code=201,
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def upload_list(request: Request, caller: Manager) -> ListAnswer:
    """Take a file in and look through it: what it is, what its columns may be. Start it to have its rows read."""
    # Read here and not as a parameter: the body is taken in after the caller is known, and outside any transaction.
    async with request.form(max_files=1, max_fields=len(_OPTIONS)) as form:
        upload, options = read_form(form, options=_OPTIONS)
        list_id = new_id()
        try:
            return await _take_in(request, caller, list_id, upload=upload, told=told_of(options), options=options)
        except BaseException:
            await service(request, ListFiles).remove(caller.company_id, list_id)
            raise


@router.post("/from-contacts", status_code=202)
async def list_from_contacts(body: ListFromContacts, caller: Manager, session: TenantDB) -> ListAnswer:
    """Make a list of contacts as they are now; 202, and they follow in the background."""
    found = await actions.add_from_contacts(
        session,
        new_id(),
        name=body.name,
        tag=None if body.tag is None else tidy_tag(body.tag),
        search=body.search,
        region=await default_region(session),
        actor=actor_of(caller),
    )
    return ListAnswer.made_of(found)


@router.get("")
async def list_lists(
    request: Request,
    caller: Manager,
    session: TenantDB,
    *,
    status: Status | None = None,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[ListAnswer]:
    """The company's recipient lists, newest first."""
    cursors = Cursors(service(request, Keyring), caller.company_id, "bulk-lists", {"status": status})
    rows = await queries.list_lists(session, status=status, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.created_at, row.id))
    return Page(items=[ListAnswer.made_of(row) for row in page], next_cursor=next_cursor)


@router.get("/{list_id}")
async def get_list(list_id: UUID, _caller: Manager, session: TenantDB) -> ListAnswer:
    """A list, and how far it is."""
    return ListAnswer.made_of(await queries.get_list(session, list_id))


@router.get("/{list_id}/preview")
async def preview_list(request: Request, list_id: UUID, caller: Manager) -> PreviewAnswer:
    """The first ten rows of a file that is not started yet, and what they would become."""
    async with service(request, Tenancy).tenant(caller.company_id) as session:
        found = await queries.get_list(session, list_id)
    if found.status != "draft":
        raise ListStateError(
            "The file is read, or about to be; look at its recipients and rejected rows.", found.status
        )
    path = service(request, ListFiles).path(caller.company_id, list_id)
    rows = await asyncio.to_thread(preview_rows, path, layout_of(found), region=found.region)
    return PreviewAnswer(columns=found.columns, items=[PreviewRow.of(row) for row in rows])


@router.patch("/{list_id}")
async def change_list(request: Request, list_id: UUID, body: ListChange, caller: Manager) -> ListAnswer:
    """Rename a list, or say how its file is to be read: columns, encoding, separator, header."""
    tenancy = service(request, Tenancy)
    async with tenancy.tenant(caller.company_id) as session:
        found = await queries.get_list(session, list_id)
    layout: FileLayout | None = None
    if body.model_fields_set - {"name"}:
        if found.status != "draft":
            raise ListStateError("Only a list that is not started yet can be changed or started.", found.status)
        path = service(request, ListFiles).path(caller.company_id, list_id)
        layout = await asyncio.to_thread(inspect_file, path, _told(body, layout_of(found)), region=found.region)
    async with tenancy.tenant(caller.company_id) as session:
        return ListAnswer.made_of(await actions.change_list(session, list_id, name=body.name, layout=layout))


@router.post("/{list_id}/start", status_code=202)
async def start_list(list_id: UUID, caller: Manager, session: TenantDB) -> ListAnswer:
    """Have the rows of a file read in the background; 422 while no column holds phone numbers."""
    return ListAnswer.made_of(await actions.start_list(session, list_id, actor=actor_of(caller)))


@router.post("/{list_id}/cancel")
async def cancel_list(request: Request, list_id: UUID, caller: Manager) -> ListAnswer:
    """End a list that is not read to its end."""
    async with service(request, Tenancy).tenant(caller.company_id) as session:
        answer = ListAnswer.made_of(await actions.cancel_list(session, list_id, actor=actor_of(caller)))
    await service(request, ListFiles).remove(caller.company_id, list_id)
    return answer


@router.delete("/{list_id}", status_code=204)
async def delete_list(request: Request, list_id: UUID, caller: Manager) -> None:
    """Delete a list with its recipients; 409 while a bulk send uses it."""
    async with service(request, Tenancy).tenant(caller.company_id) as session:
        await actions.delete_list(session, list_id, actor=actor_of(caller))
    await service(request, ListFiles).remove(caller.company_id, list_id)


@router.get("/{list_id}/recipients")
async def list_recipients(
    request: Request,
    list_id: UUID,
    caller: Manager,
    session: TenantDB,
    *,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[ListedRecipient]:
    """The recipients so far, in the order of the file (of contacts, newest first)."""
    found = await queries.get_list(session, list_id)
    cursors = Cursors(service(request, Keyring), caller.company_id, "bulk-list-recipients", str(found.id))
    after = cursors.read_rank(cursor)
    rows = await recipients_after(session, found.id, after.count if after else 0, limit + 1)
    page, next_cursor = cursors.page(rows, limit, lambda row: Rank(row.position, found.id))
    return Page(items=[ListedRecipient.of(row) for row in page], next_cursor=next_cursor)


@router.get("/{list_id}/rejected", response_class=StreamingResponse)
async def export_rejected(request: Request, list_id: UUID, caller: Manager, session: TenantDB) -> StreamingResponse:
    """The rows that are no recipients as CSV (UTF-8), with line and reason. It stands in the audit log."""
    found = await queries.get_list(session, list_id)
    actions.note_rejected_export(session, found.id, actor=actor_of(caller))
    columns = found.columns if found.source == "file" else ["contact_id", "name"]
    return StreamingResponse(
        _lines(service(request, Tenancy), caller.company_id, found.id, columns),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="rejected.csv"'},
    )


async def _lines(tenancy: Tenancy, company_id: UUID, list_id: UUID, columns: list[str]) -> AsyncIterator[str]:
    """The file, some parcels at a time, each read in a session of its own."""
    # A spreadsheet takes a file without this mark for one in its own old encoding.
    yield "\ufeff" + csv_line(["line", "kind", "reason", *columns])
    begins_at: int | None = 0
    while begins_at is not None:
        async with tenancy.tenant(company_id) as session:
            rows, begins_at = await rejected_after(session, list_id, begins_at)
        yield "".join(csv_line([row.line, row.kind, row.reason, *row.cells]) for row in rows)


async def _take_in(
    request: Request, caller: Caller, list_id: UUID, *, upload: UploadFile, told: Told, options: dict[str, str]
) -> ListAnswer:
    tenancy, files = service(request, Tenancy), service(request, ListFiles)
    file_name = shown_name(upload.filename, otherwise="recipients")
    name = options.get("name", "").strip() or file_name
    if len(name) > MOST_NAME or "\x00" in name:
        raise InvalidInputError("invalid", f"name: must have at most {MOST_NAME} characters, and no NUL.")
    size = await files.write(caller.company_id, list_id, upload.file)
    if size > MOST_BYTES:
        raise InvalidInputError("file_too_large", f"The file has more than {MOST_BYTES // 1_000_000} MB; split it.")
    async with tenancy.tenant(caller.company_id) as session:
        region = await default_region(session)
    layout = await asyncio.to_thread(inspect_file, files.path(caller.company_id, list_id), told, region=region)
    async with tenancy.tenant(caller.company_id) as session:
        found = await actions.add_file(
            session,
            list_id,
            name=name,
            layout=layout,
            file_name=file_name,
            size_bytes=size,
            region=region,
            actor=actor_of(caller),
        )
        return ListAnswer.made_of(found)


def _told(body: ListChange, layout: FileLayout) -> Told:
    """What is known of the file after a change. A mapping holds as long as the columns are cut the same way."""
    told = Told(
        encoding=body.encoding or layout.encoding,
        separator=body.separator or layout.separator,
        has_header=layout.has_header if body.has_header is None else body.has_header,
        mapping=body.mapping,
    )
    same_columns = (told.encoding, told.separator, told.has_header) == (
        layout.encoding,
        layout.separator,
        layout.has_header,
    )
    if told.mapping is None and same_columns:
        return replace(told, mapping={str(at + 1): field for at, field in layout.mapping.items()})
    return told
