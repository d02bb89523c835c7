"""`/api/sms/phone-numbers`: the company's numbers. Everyone reads them; company admins change them."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request

from ringfence.features.audit_log.values import actor_of
from ringfence.features.phone_numbers import actions, queries
from ringfence.features.phone_numbers.schemas import NumberChange, PhoneNumberAnswer
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.caller import Admin, Reader, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/sms/phone-numbers", tags=["phone numbers"], responses=PROBLEM_RESPONSES)


@router.get("")
async def list_phone_numbers(
    request: Request,
    caller: Reader,
    session: TenantDB,
    *,
    status: Annotated[Literal["active", "inactive"] | None, Query(description="Only numbers of this status.")] = None,
    released: Annotated[bool | None, Query(description="Only released numbers, or only those that are not.")] = None,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[PhoneNumberAnswer]:
    """The company's numbers, newest first, released ones included unless filtered out."""
    filters = {"status": status, "released": released}
    cursors = Cursors(service(request, Keyring), caller.company_id, "phone-numbers", filters)
    rows = await queries.list_numbers(
        session, status=status, released=released, after=cursors.read(cursor), limit=limit
    )
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.created_at, row.id))
    inbound_url = await _inbound_url(request, session)
    return Page(items=[PhoneNumberAnswer.about(row, inbound_url) for row in page], next_cursor=next_cursor)


@router.patch("/{number_id}")
async def change_phone_number(
    request: Request, caller: Admin, session: TenantDB, number_id: UUID, body: NumberChange
) -> PhoneNumberAnswer:
    """Activate or deactivate a number, set its part in rotation, its rate or its name, or make it the default.

    409 `number_released` for a number that is gone at Twilio, `number_cannot_send` for a default that cannot text.
    """
    number = await actions.change(session, number_id, changes=body.changes(), actor=actor_of(caller))
    return PhoneNumberAnswer.about(number, await _inbound_url(request, session))


async def _inbound_url(request: Request, session: TenantSession) -> str | None:
    settings = await settings_queries.current(session)
    if settings is None:
        return None
    return service(request, TwilioGateway).webhook_url(settings.webhook_path, "inbound")
