"""`POST /api/calls`: click-to-call, calling again, hanging up. Twilio is asked by a job, never in the request."""

from uuid import UUID

from fastapi import APIRouter

from ringfence.errors import ForbiddenError
from ringfence.features.audit_log.values import actor_of
from ringfence.features.calls import queries
from ringfence.features.calls.actions import placing
from ringfence.features.calls.actions.placing import Wanted
from ringfence.features.calls.errors import UserNeededError
from ringfence.features.calls.routes.calls import answer
from ringfence.features.calls.schemas import CallAnswer, PlaceBody, RedialBody
from ringfence.features.companies.queries import default_region
from ringfence.features.contacts.values import read_number
from ringfence.features.conversations.routes import Looking
from ringfence.web.caller import Caller, Level, Sender, TenantDB
from ringfence.web.problems import PROBLEM_RESPONSES

router = APIRouter(prefix="/api/calls", tags=["calls"], responses=PROBLEM_RESPONSES)


@router.post("", status_code=202)
async def place_call(caller: Sender, session: TenantDB, viewer: Looking, body: PlaceBody) -> CallAnswer:
    """Call somebody: your own telephone rings first; when you answer, the other one is dialled.

    The other side sees the company's number. 422 with a stable code when the call is refused; nothing is stored then.
    """
    region = await default_region(session)
    wanted = Wanted(
        user_id=_who(caller, body.user_id),
        to_number=None if body.to is None else read_number(body.to, region=region),
        contact_id=body.contact_id,
        from_number=None if body.from_number is None else read_number(body.from_number, region=region),
        source="api" if caller.kind == "api_key" else "console",
    )
    return await answer(session, viewer, await placing.place(session, viewer, wanted, actor=actor_of(caller)))


@router.post("/{call_id}/redial", status_code=202)
async def redial(
    call_id: UUID, caller: Sender, session: TenantDB, viewer: Looking, body: RedialBody | None = None
) -> CallAnswer:
    """Call the outside number of an earlier call again (also back, after one that came in), from the same number."""
    earlier = await queries.get_call(session, viewer, call_id)
    wanted = Wanted(
        user_id=_who(caller, body.user_id if body else None),
        to_number=earlier.outside_number,
        from_number=earlier.our_number,
        source="redial",
        redial_of=earlier.id,
    )
    return await answer(session, viewer, await placing.place(session, viewer, wanted, actor=actor_of(caller)))


@router.post("/{call_id}/hang-up", status_code=202)
async def hang_up(call_id: UUID, caller: Sender, session: TenantDB, viewer: Looking) -> CallAnswer:
    """End a call that lasts: one's own; anybody's with the right to manage. 409 `over` when it has ended."""
    call = await queries.get_call(session, viewer, call_id)
    if caller.level < Level.MANAGE and (caller.user_id is None or call.user_id != caller.user_id):
        raise ForbiddenError
    return await answer(session, viewer, await placing.ask_to_hang_up(session, viewer, call_id, actor=actor_of(caller)))


def _who(caller: Caller, named: UUID | None) -> UUID:
    """Whose telephone rings: a person's own, and whoever an API key names."""
    if caller.user_id is None:
        if named is None:
            raise UserNeededError
        return named
    if named not in {None, caller.user_id}:
        raise ForbiddenError
    return caller.user_id
