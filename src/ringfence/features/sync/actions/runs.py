"""A run from its request to its end: a row that says where it stands, moved on under its lock, step by step."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from ringfence.errors import RingfenceError
from ringfence.features.audit_log import actions as audit_log
from ringfence.features.audit_log.values import SYSTEM, Actor
from ringfence.features.events.actions import emit
from ringfence.features.sync import queries
from ringfence.features.sync.model import SyncMark, SyncRun
from ringfence.features.sync.values import MOST_FAILURES, OVERLAP, STAGES, Counts, Kind, RunSync
from ringfence.features.twilio_settings import queries as twilio_settings
from ringfence.features.twilio_settings.errors import NotConnectedError
from ringfence.jobqueue.queue import PATIENT, enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession

SWEEP_MARK = "sweep"
DEEP_MARK = "deep_sweep"
_FIRST_WAIT = timedelta(seconds=2)
_LONGEST_WAIT = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is to be done next: one page of one stage. `number` says whether the run still stands there."""

    run_id: UUID
    number: int
    stage: str
    standing: bool
    account_sid: str
    since: datetime | None
    began: datetime
    cursor: str | None
    place: int


async def ask(session: TenantSession, *, kind: Kind, since: datetime | None, whole: bool, actor: Actor) -> SyncRun:
    """Ask for a sync; while one is under way it is the same one, which then does what was asked for too.

    `since` (aware) is how far back it looks at most; else it begins behind the last one, or at the beginning the first
    time and with `whole`. Raises NotConnectedError.
    """
    settings = await twilio_settings.current(session)
    if settings is None:
        raise NotConnectedError
    run = await _begin(session, kind=kind, account_sid=settings.account_sid, since=since, whole=whole)
    await hurry(session, run.id)
    audit_log.record(
        session,
        actor=actor,
        action="sync.requested",
        target_kind="sync_run",
        target_id=run.id,
        after={"kind": kind, "since": since, "whole": whole},
    )
    await session.flush()
    return run


async def begin(
    session: TenantSession, *, kind: Kind, account_sid: str, since: datetime | None, whole: bool
) -> UUID | None:
    """A new run; None when one of its sort is under way."""
    now, run_id = utc_now(), new_id()
    added = await session.execute(
        insert(SyncRun)
        .values(
            company_id=session.company_id,
            id=run_id,
            kind=kind,
            standing=kind == "sweep",
            state="queued",
            account_sid=account_sid,
            stages=list(STAGES[kind]),
            asked_since=since,
            whole=whole,
            counts={},
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing(index_elements=["company_id", "standing"], index_where=SyncRun.finished_at.is_(None))
        .returning(SyncRun.id)
    )
    return run_id if added.first() is not None else None


async def _begin(
    session: TenantSession, *, kind: Kind, account_sid: str, since: datetime | None, whole: bool
) -> SyncRun:
    while True:
        run_id = await begin(session, kind=kind, account_sid=account_sid, since=since, whole=whole)
        query = select(SyncRun).where(SyncRun.company_id == session.company_id)
        query = (
            query.where(SyncRun.id == run_id)
            if run_id
            else query.where(SyncRun.standing.is_(False), SyncRun.finished_at.is_(None))
        )
        run = await session.scalar(query.with_for_update().execution_options(populate_existing=True))
        # It can have ended between the two statements: then there is room for a new one.
        if run is not None:
            if run_id is None:
                run.stages = [*run.stages, *(stage for stage in STAGES[kind] if stage not in run.stages)]
                await session.flush()
            return run


async def hurry(session: TenantSession, run_id: UUID, *, run_at: datetime | None = None) -> None:
    """Have the run's next piece done; one that waits already is the same one."""
    await enqueue(session, RunSync(run_id=run_id), once_key=f"sync:{run_id}", run_at=run_at, priority=PATIENT)


async def locked(session: TenantSession, run_id: UUID) -> SyncRun | None:
    """A run that is not finished, locked until the transaction ends."""
    return await session.scalar(
        select(SyncRun)
        .where(SyncRun.company_id == session.company_id, SyncRun.id == run_id, SyncRun.finished_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def next_step(session: TenantSession, run_id: UUID) -> Step | None:
    """Where the run stands; a stage begins here, and a run without one ends. None: nothing is left to do."""
    run = await locked(session, run_id)
    if run is None:
        return None
    now = utc_now()
    run.state, run.started_at, run.updated_at, run.waits_until = "running", run.started_at or now, now, None
    stage = run.stage
    if stage is None:
        _finish(session, run, state="done")
        await session.flush()
        return None
    if run.stage_began is None:
        run.stage_began = now
        run.stage_since = await _since(session, run, stage)
    await session.flush()
    seen = int(run.counts.get(stage, {}).get("seen", 0))
    return Step(
        run_id=run.id,
        number=run.step,
        stage=stage,
        standing=run.standing,
        account_sid=run.account_sid,
        since=run.stage_since,
        began=run.stage_began,
        cursor=run.cursor,
        place=seen,
    )


async def at(session: TenantSession, step: Step) -> SyncRun | None:
    """The run, locked, if it still stands at the step; None when somebody else has taken it on, or it has ended."""
    run = await locked(session, step.run_id)
    return run if run is not None and run.step == step.number else None


async def advance(session: TenantSession, run: SyncRun, *, counts: Counts, cursor: str | None) -> None:
    """A page has been taken in; `cursor` leads to the next one, None ends the stage."""
    stage = run.stage or ""
    run.counts = {**run.counts, stage: counts.onto(run.counts.get(stage))}
    run.news += counts.added + counts.changed + counts.recovered
    run.step += 1
    run.failures, run.error_code, run.error = 0, None, None
    run.cursor, run.updated_at = cursor, utc_now()
    if cursor is None:
        await _set_marks(session, run, stage)
        run.done, run.stage_since, run.stage_began = run.done + 1, None, None
    _tell(session, run)
    await session.flush()


async def put_off(session: TenantSession, step: Step, *, code: str, words: str, wait: float | None) -> None:
    """Twilio did not answer: try the same page again after `wait` seconds, or ever longer ones; in the end fail."""
    run = await at(session, step)
    if run is None:
        return
    run.failures += 1
    run.error_code, run.error = code, words
    if run.failures >= MOST_FAILURES:
        _finish(session, run, state="failed")
    else:
        pause = min(_FIRST_WAIT * 2 ** (run.failures - 1), _LONGEST_WAIT)
        if wait is not None:
            pause = max(timedelta(seconds=wait), _FIRST_WAIT)
        run.waits_until = run.updated_at = utc_now() + pause
        run.updated_at = utc_now()
        await hurry(session, run.id, run_at=run.waits_until)
        _tell(session, run)
    await session.flush()


async def start_stage_again(session: TenantSession, step: Step, *, words: str) -> None:
    """Twilio refuses to go on from where the walk stood: begin the stage anew. What is here already is not added again.

    A stage that was just begun anew fails.
    """
    run = await at(session, step)
    if run is None:
        return
    run.failures += 1
    run.step += 1
    run.updated_at = utc_now()
    run.error_code, run.error = "twilio_refused", words
    if step.cursor is None or run.failures >= MOST_FAILURES:
        _finish(session, run, state="failed")
    else:
        run.cursor = None
        await hurry(session, run.id)
    await session.flush()


async def fail(session: TenantSession, run_id: UUID, error: RingfenceError) -> None:
    """The run cannot go on, because."""
    run = await locked(session, run_id)
    if run is not None:
        run.error_code, run.error, run.updated_at = error.code, error.detail, utc_now()
        _finish(session, run, state="failed")
        await session.flush()


def _finish(session: TenantSession, run: SyncRun, *, state: str) -> None:
    run.state, run.finished_at, run.cursor, run.waits_until = state, utc_now(), None, None
    _tell(session, run)
    if not run.standing or run.news:
        audit_log.record(
            session,
            actor=SYSTEM,
            action=f"sync.{state}",
            target_kind="sync_run",
            target_id=run.id,
            after={"kind": run.kind, "counts": run.counts, "error": run.error},
        )


def _tell(session: TenantSession, run: SyncRun) -> None:
    """Whoever watches sees a sync move; a sweep only when it has found something."""
    if not run.standing or run.news:
        emit(session, kind="sync.progress", subject_id=run.id)


async def _since(session: TenantSession, run: SyncRun, stage: str) -> datetime | None:
    if run.standing or run.asked_since is not None:
        return run.asked_since
    if run.whole:
        return None
    mark = await queries.mark(session, stage)
    if mark is None or mark.account_sid != run.account_sid:
        return None
    return mark.looked_until - OVERLAP


async def _set_marks(session: TenantSession, run: SyncRun, stage: str) -> None:
    """All that Twilio listed when the stage began has been looked at; a sweep counts as one look."""
    if run.standing:
        if run.done + 1 == len(run.stages):
            began = run.started_at or run.created_at
            await _set_mark(session, SWEEP_MARK, run.account_sid, began)
            if run.whole:
                await _set_mark(session, DEEP_MARK, run.account_sid, began)
    elif run.asked_since is None:
        # With a beginning of its own it looked at a part: what lies before may never have been looked at.
        await _set_mark(session, stage, run.account_sid, run.stage_began or utc_now())


async def _set_mark(session: TenantSession, name: str, account_sid: str, looked_until: datetime) -> None:
    looked = {"account_sid": account_sid, "looked_until": looked_until}
    statement = insert(SyncMark).values(company_id=session.company_id, mark=name, **looked)
    await session.execute(statement.on_conflict_do_update(index_elements=["company_id", "mark"], set_=looked))
