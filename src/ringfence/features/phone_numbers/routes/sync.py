"""`/api/twilio/sync`: bring the company's numbers to what Twilio has."""

from fastapi import APIRouter

from ringfence.features.audit_log.values import actor_of
from ringfence.features.phone_numbers import actions, queries
from ringfence.features.phone_numbers.schemas import SyncAnswer, SyncStatusAnswer
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.web.caller import Admin, Reader, TenantDB
from ringfence.web.problems import PROBLEM_RESPONSES

router = APIRouter(prefix="/api/twilio/sync", tags=["sync"], responses=PROBLEM_RESPONSES)


@router.post("/phone-numbers", status_code=202)
async def sync_phone_numbers(caller: Admin, session: TenantDB) -> SyncAnswer:
    """Sync all phone numbers in the background; while one sync waits, asking again means the same one.

    409 `twilio_not_connected` without a connected account. Numbers that another company holds are not taken in; they
    stand in the audit log and in `GET /api/twilio-settings/phone-numbers`.
    """
    await actions.request_sync(session, actor=actor_of(caller))
    return SyncAnswer()


@router.get("/status")
async def read_sync_status(_caller: Reader, session: TenantDB) -> SyncStatusAnswer:
    """When the numbers were last synced, and how they stand."""
    settings = await settings_queries.current(session)
    return SyncStatusAnswer.about(None if settings is None else settings.status, await queries.counts(session))
