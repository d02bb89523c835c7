"""Recordings: known by webhook, fetched by a job, removed with their call."""

from typing import Literal
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from ringfence.features.calls import queries
from ringfence.features.calls.actions import legs
from ringfence.features.calls.model import Call, CallRecording
from ringfence.features.calls.values.jobs import FetchRecording
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession


async def take_in(
    session: TenantSession,
    call: Call,
    *,
    sid: str,
    account_sid: str,
    kind: str,
    duration_seconds: int | None,
    state: Literal["processing", "complete", "lost"],
) -> None:
    """Note a recording of a locked call; have it fetched once it is `complete`. Told again it changes nothing.

    One that is only ever told as `processing` is fetched by the sweep, `lost` means that there is nothing to fetch.
    """
    statement = (
        insert(CallRecording)
        .values(
            company_id=session.company_id,
            id=new_id(),
            call_id=call.id,
            kind=kind,
            status="failed" if state == "lost" else "pending",
            reason="Twilio has no sound of this call." if state == "lost" else None,
            twilio_sid=sid,
            account_sid=account_sid,
            duration_seconds=duration_seconds,
            created_at=utc_now(),
        )
        .on_conflict_do_nothing(index_elements=["company_id", "twilio_sid"])
    )
    await session.execute(statement)
    recording = await queries.recording_of(session, call.id, sid)
    if recording is not None and recording.status == "pending" and state == "complete":
        await enqueue(session, FetchRecording(recording_id=recording.id), once_key=f"recording:{recording.id}")
    await legs.follow(session, call, await queries.legs_of(session, call.id))


async def mark_stored(session: TenantSession, recording_id: UUID, *, content_type: str, size_bytes: int) -> bool:
    """The sound has been fetched. False when the call was deleted meanwhile: then the file must go."""
    recording = await queries.pending_recording(session, recording_id)
    if recording is None:
        return False
    recording.status, recording.content_type, recording.size_bytes = "stored", content_type, size_bytes
    call = await legs.locked(session, recording.call_id)
    if call is not None:
        await legs.tell(session, call)
    await session.flush()
    return True


async def mark_failed(session: TenantSession, recording_id: UUID, *, reason: str) -> None:
    """The sound will not be fetched, because."""
    await session.execute(
        update(CallRecording)
        .where(
            CallRecording.company_id == session.company_id,
            CallRecording.id == recording_id,
            CallRecording.status == "pending",
        )
        .values(status="failed", reason=reason)
    )
