"""`/api/sms/templates`: saved texts; managers write them, everybody uses them."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request

from ringfence.features.audit_log.values import actor_of
from ringfence.features.companies.queries import default_region
from ringfence.features.contacts.queries import get_contact
from ringfence.features.contacts.values import read_number
from ringfence.features.phone_numbers import queries as phone_numbers
from ringfence.features.phone_numbers.errors import UnknownSenderError
from ringfence.features.templates import actions, queries
from ringfence.features.templates.model import Template
from ringfence.features.templates.queries import Setting
from ringfence.features.templates.schemas import (
    FilledField,
    PreviewAnswer,
    PreviewWrite,
    TemplateAnswer,
    TemplateWrite,
    UnsavedPreviewWrite,
)
from ringfence.features.templates.values import (
    check_body,
    check_variables,
    fields_of,
    fill,
    most_segments,
    parse,
    unresolved,
    usable,
)
from ringfence.kit.keyring import Keyring
from ringfence.kit.segments import count_segments
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.caller import Caller, Manager, Reader, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position, Rank
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/sms/templates", tags=["templates"], responses=PROBLEM_RESPONSES)


@router.get("")
async def list_templates(
    request: Request,
    caller: Reader,
    session: TenantDB,
    *,
    category: Annotated[str | None, Query(max_length=50, description="Only of this category.")] = None,
    q: Annotated[str | None, Query(max_length=100, description="Part of the name.")] = None,
    sort: Annotated[Literal["newest", "used"], Query(description="`used` lists the most used first.")] = "newest",
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[TemplateAnswer]:
    """The company's templates, newest or most used first."""
    filters = {"category": category, "q": q, "sort": sort}
    cursors = Cursors(service(request, Keyring), caller.company_id, "templates", filters)
    page: Sequence[Template]
    if sort == "used":
        rows = await queries.list_by_use(
            session, category=category, search=q, after=cursors.read_rank(cursor), limit=limit
        )
        page, next_cursor = cursors.page(rows, limit, lambda row: Rank(row.usage_count, row.id))
    else:
        rows = await queries.list_templates(
            session, category=category, search=q, after=cursors.read(cursor), limit=limit
        )
        page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.created_at, row.id))
    return Page(items=[_answer(row) for row in page], next_cursor=next_cursor)


@router.post("", status_code=201)
async def create_template(body: TemplateWrite, caller: Manager, session: TenantDB) -> TemplateAnswer:
    """Save a text. 409 `template_exists` names the template that has the name already."""
    return _answer(await actions.create_template(session, actor=actor_of(caller), **body.model_dump()))


@router.post("/preview")
async def preview_unsaved(body: UnsavedPreviewWrite, caller: Reader, session: TenantDB) -> PreviewAnswer:
    """Fill in a text that is not saved."""
    return await _preview(session, body.body, body, caller)


@router.get("/{template_id}")
async def get_template(template_id: UUID, _caller: Reader, session: TenantDB) -> TemplateAnswer:
    """One template."""
    return _answer(await queries.get_template(session, template_id))


@router.put("/{template_id}")
async def change_template(template_id: UUID, body: TemplateWrite, caller: Manager, session: TenantDB) -> TemplateAnswer:
    """Put a new name, text and category in place."""
    template = await actions.change_template(session, template_id, actor=actor_of(caller), **body.model_dump())
    return _answer(template)


@router.delete("/{template_id}", status_code=204)
async def delete_template(template_id: UUID, caller: Manager, session: TenantDB) -> None:
    """Remove a template; texts that were made with it stay."""
    await actions.delete_template(session, template_id, actor=actor_of(caller))


@router.post("/{template_id}/preview")
async def preview(template_id: UUID, body: PreviewWrite, caller: Reader, session: TenantDB) -> PreviewAnswer:
    """Fill in a template as sending would, with what is missing named instead of refused."""
    template = await queries.get_template(session, template_id)
    return await _preview(session, template.body, body, caller)


def _answer(template: Template) -> TemplateAnswer:
    parts = parse(template.body)
    return TemplateAnswer(
        id=template.id,
        name=template.name,
        body=template.body,
        category=template.category,
        fields=list(dict.fromkeys(field.name for field in fields_of(parts))),
        segments_most=most_segments(parts),
        usage_count=template.usage_count,
        last_used_at=template.last_used_at,
        created_by=template.created_by,
        created_at=template.created_at,
        updated_at=template.updated_at,
    )


async def _preview(session: TenantSession, text: str, given: PreviewWrite, caller: Caller) -> PreviewAnswer:
    parts = check_body(text)
    check_variables(given.variables)
    setting = Setting(
        contact=None if given.contact_id is None else await get_contact(session, given.contact_id),
        sender_name=caller.name if caller.kind == "user" else None,
        sender_number=await _own_number(session, given.from_number),
        variables=given.variables,
    )
    values = await queries.values_for(session, parts, setting)
    filled = fill(parts, values)
    count = count_segments(filled)
    return PreviewAnswer(
        body=filled,
        encoding=count.encoding,
        num_segments=count.segments,
        segments_most=most_segments(parts),
        fields=[_filled(field.name, usable(values[field.name]), field.fallback) for field in fields_of(parts)],
        unresolved=unresolved(parts, values),
    )


async def _own_number(session: TenantSession, spelled: str | None) -> str | None:
    if spelled is None:
        return None
    number = await phone_numbers.held(session, read_number(spelled, region=await default_region(session)))
    if number is None:
        raise UnknownSenderError
    return number.phone_number


def _filled(name: str, value: str | None, fallback: str) -> FilledField:
    source: Literal["value", "fallback", "missing"] = "value" if value else "fallback" if fallback else "missing"
    return FilledField(name=name, source=source, text=value or fallback)
