"""`/api/twilio/sync`: bring the company's numbers, texts and calls to what Twilio has."""

from fastapi import APIRouter

from ringfence.features.audit_log.values import actor_of
from ringfence.features.phone_numbers import queries as phone_numbers
from ringfence.features.phone_numbers.schemas import NumbersSyncStatus
from ringfence.features.sync import queries
from ringfence.features.sync.actions import runs
from ringfence.features.sync.schemas import MendedAnswer, RunAnswer, SweepsAnswer, SyncBody, SyncStatusAnswer
from ringfence.features.sync.values import Kind
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.caller import Admin, Caller, Reader, TenantDB
from ringfence.web.problems import PROBLEM_RESPONSES

router = APIRouter(prefix="/api/twilio/sync", tags=["sync"], responses=PROBLEM_RESPONSES)

_SHOWN = 10


@router.post("/phone-numbers", status_code=202)
async def sync_phone_numbers(caller: Admin, session: TenantDB) -> RunAnswer:
    """Sync all phone numbers in the background. Numbers that another company holds are not taken in.

    While a sync of the company is under way, asking for one means the same run, which then does this too. 409
    `twilio_not_connected` without a connected account.
    """
    return await _ask(caller, session, "phone_numbers", SyncBody())


@router.post("/messages", status_code=202)
async def sync_messages(caller: Admin, session: TenantDB, body: SyncBody | None = None) -> RunAnswer:
    """Take in texts of Twilio's log, silently, at their own times: the whole history at first, then what is new.

    See `…/phone-numbers` for a sync that is under way.
    """
    return await _ask(caller, session, "messages", body or SyncBody())


@router.post("/calls", status_code=202)
async def sync_calls(caller: Admin, session: TenantDB, body: SyncBody | None = None) -> RunAnswer:
    """Take in calls and recordings from Twilio's log; see `…/messages`."""
    return await _ask(caller, session, "calls", body or SyncBody())


@router.post("/full", status_code=202)
async def sync_everything(caller: Admin, session: TenantDB, body: SyncBody | None = None) -> RunAnswer:
    """Sync phone numbers, then texts with their attachments, then calls with their recordings; see `…/messages`."""
    return await _ask(caller, session, "full", body or SyncBody())


@router.get("/status")
async def read_sync_status(_caller: Reader, session: TenantDB) -> SyncStatusAnswer:
    """How the numbers stand, the sync that is under way, the last ones, and what the standing sweep mended."""
    settings = await settings_queries.current(session)
    current = await queries.under_way(session, standing=False)
    swept = await queries.mark(session, runs.SWEEP_MARK)
    return SyncStatusAnswer(
        connection=None if settings is None else settings.status,
        phone_numbers=NumbersSyncStatus.of(await phone_numbers.counts(session)),
        current=None if current is None else RunAnswer.about(current),
        runs=[RunAnswer.about(run) for run in await queries.last_runs(session, standing=False, limit=_SHOWN)],
        sweeps=SweepsAnswer(
            looked_until=None if swept is None else swept.looked_until,
            runs=[RunAnswer.about(run) for run in await queries.last_runs(session, standing=True, limit=_SHOWN)],
            today=MendedAnswer.about(await queries.mended(session, days=1)),
            week=MendedAnswer.about(await queries.mended(session, days=7)),
        ),
    )


async def _ask(caller: Caller, session: TenantSession, kind: Kind, body: SyncBody) -> RunAnswer:
    run = await runs.ask(session, kind=kind, since=body.since, whole=body.whole, actor=actor_of(caller))
    return RunAnswer.about(run)
