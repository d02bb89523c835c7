"""`/api/call-settings`: recording, ring order, voicemail."""

from fastapi import APIRouter

from ringfence.features.audit_log.values import actor_of
from ringfence.features.calls import queries
from ringfence.features.calls.actions import keeping
from ringfence.features.calls.schemas import SettingsAnswer, SettingsBody
from ringfence.web.caller import Admin, Reader, TenantDB
from ringfence.web.problems import PROBLEM_RESPONSES

router = APIRouter(prefix="/api/call-settings", tags=["calls"], responses=PROBLEM_RESPONSES)


@router.get("")
async def read_settings(_caller: Reader, session: TenantDB) -> SettingsAnswer:
    """How the company telephones."""
    return SettingsAnswer.of(await queries.how_to_call(session))


@router.patch("")
async def change_settings(caller: Admin, session: TenantDB, body: SettingsBody) -> SettingsAnswer:
    """Change how the company telephones. 422 `ring_order` for somebody named twice or not of this company."""
    changes = body.model_dump(exclude={"ring_order"}, exclude_none=True)
    found = await keeping.change_settings(session, changes=changes, ring_order=body.ring_order, actor=actor_of(caller))
    return SettingsAnswer.of(found)
