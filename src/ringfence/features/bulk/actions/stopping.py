"""Pausing and stopping: the state is one row, and what waits in the lanes is taken back in the same transaction."""

from typing import Final
from uuid import UUID

from sqlalchemy import select

from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import SYSTEM, Actor
from ringfence.features.bulk.model.sends import BulkRecipient, BulkSend
from ringfence.features.bulk.queries import sends
from ringfence.features.events.actions import emit
from ringfence.features.messages.actions import batching
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

PAUSED: Final = "bulk_paused"
STOPPED: Final = "bulk_stopped"

_WAIT = register(
    "bulk.wait",
    """
    UPDATE bulk_recipients SET state = 'waiting', not_before = :now, updated_at = :now
    WHERE company_id = :company_id AND message_id = ANY(CAST(:message_ids AS uuid[]))
    """,
)


async def pause(session: TenantSession, bulk: BulkSend, *, actor: Actor, code: str, reason: str) -> None:
    """Pause a bulk send that the session has locked; texts that wait in lanes are held until it is resumed."""
    bulk.status, bulk.code, bulk.reason, bulk.updated_at = "paused", code, reason, utc_now()
    note(session, bulk, "bulk.paused", actor=actor, after={"code": code, "reason": reason})
    await session.flush()
    senders = [sender.id for sender in await sends.senders_of(session, bulk.id)]
    taken = await batching.take_back(
        session, bulk.id, senders, to="held", code=PAUSED, reason=f"The bulk send {bulk.name} is paused."
    )
    if taken:
        parameters = {"company_id": session.company_id, "message_ids": taken, "now": utc_now()}
        await session.execute(_WAIT, parameters)


async def pause_by_itself(session: TenantSession, bulk: BulkSend, *, code: str, reason: str) -> None:
    """The server pauses it, for a reason that people read."""
    await pause(session, bulk, actor=SYSTEM, code=code, reason=reason)


async def stop(session: TenantSession, bulk: BulkSend, *, actor: Actor) -> None:
    """End a bulk send that the session has locked; what has not been handed to Twilio never will be."""
    now = utc_now()
    bulk.status, bulk.code, bulk.reason = "stopped", None, f"{actor.name} stopped it."
    bulk.updated_at = bulk.finished_at = now
    note(session, bulk, "bulk.stopped", actor=actor, after={"taken": bulk.taken, "recipients": bulk.recipients_count})
    await session.flush()
    senders = [sender.id for sender in await sends.senders_of(session, bulk.id)]
    reason = f"The bulk send {bulk.name} was stopped."
    await batching.take_back(session, bulk.id, senders, to="canceled", code=STOPPED, reason=reason)
    await batching.set_aside(
        session, await _held_by_pause(session, bulk.id), to="canceled", code=STOPPED, reason=reason
    )


def note(
    session: TenantSession, bulk: BulkSend, action: str, *, actor: Actor, after: dict[str, object] | None = None
) -> None:
    """One entry of the audit log about one act on a bulk send; who watches the company hears of it."""
    emit(session, kind="bulk.progress", subject_id=bulk.id)
    details: dict[str, object] = {"name": bulk.name, **(after or {})}
    record(session, actor=actor, action=action, target_kind="bulk_send", target_id=bulk.id, after=details)


async def _held_by_pause(session: TenantSession, bulk_send_id: UUID) -> list[UUID]:
    """Texts that a pause took back: no more than lanes hold."""
    query = select(BulkRecipient.message_id).where(
        BulkRecipient.company_id == session.company_id,
        BulkRecipient.bulk_send_id == bulk_send_id,
        BulkRecipient.state == "waiting",
        BulkRecipient.message_id.is_not(None),
    )
    return [message_id for message_id in await session.scalars(query) if message_id is not None]
