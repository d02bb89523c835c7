"""The standing sweep: when it looks, how far back, and what it mended."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, or_
from sqlalchemy.dialects.postgresql import insert

from ringfence.features.messages.actions.callbacks import Learned
from ringfence.features.sync import queries
from ringfence.features.sync.actions import runs
from ringfence.features.sync.model import SyncMended, SyncRun
from ringfence.features.sync.values import DEEP_EVERY, DEEP_LOOK, FIRST_SWEEP, SWEEP_OVERLAP, Mended
from ringfence.features.twilio_settings.model import TwilioSettings
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.metrics import MENDED

_KEPT: Final = timedelta(days=7)
_KEPT_WITHOUT_NEWS: Final = timedelta(hours=1)


async def begin(session: TenantSession, settings: TwilioSettings) -> None:
    """Begin a sweep unless one is under way. It never looks back behind the moment at which the account was connected:
    what lies before is history, not lost."""
    now = utc_now()
    swept = await queries.mark(session, runs.SWEEP_MARK)
    deep = await queries.mark(session, runs.DEEP_MARK)
    is_deep = deep is None or deep.looked_until < now - DEEP_EVERY
    since = max(swept.looked_until - SWEEP_OVERLAP, now - DEEP_LOOK) if swept else now - FIRST_SWEEP
    if is_deep:
        since = now - DEEP_LOOK
    run_id = await runs.begin(
        session,
        kind="sweep",
        account_sid=settings.account_sid,
        since=max(since, settings.created_at),
        whole=is_deep,
    )
    if run_id is not None:
        await runs.hurry(session, run_id)


async def note_mended(session: TenantSession, mended: Mapping[Mended, int]) -> None:
    """Add to what sweeps mended today (UTC)."""
    now = utc_now()
    for what, count in mended.items():
        if count == 0:
            continue
        statement = insert(SyncMended).values(
            company_id=session.company_id, day=now.date(), what=what, count=count, last_at=now
        )
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["company_id", "day", "what"],
                set_={"count": SyncMended.count + statement.excluded.count, "last_at": now},
            )
        )
        MENDED.labels(what).inc(count)


async def note_learned(session: TenantSession, learned: Learned) -> None:
    """What asking Twilio about single texts has mended."""
    await note_mended(session, {"statuses_fixed": learned.statuses, "prices_filled": learned.prices})


async def forget_old(session: TenantSession) -> None:
    """Sweeps come round every few minutes: those that found nothing are soon forgotten, the others after a week."""
    now = utc_now()
    await session.execute(
        delete(SyncRun)
        .where(
            SyncRun.company_id == session.company_id,
            SyncRun.standing,
            SyncRun.finished_at < now - _KEPT_WITHOUT_NEWS,
            or_(SyncRun.news == 0, SyncRun.finished_at < now - _KEPT),
        )
        .execution_options(synchronize_session=False)
    )


def late_since(settings_made: datetime, *, standing: bool, just_arrived: timedelta) -> datetime:
    """From when on an inbound text that is not here is a new one that is late, and not history."""
    return settings_made if standing else max(settings_made, utc_now() - just_arrived)
