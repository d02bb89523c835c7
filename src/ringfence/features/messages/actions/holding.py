"""Texts that the company's rules hold: looking at them again when the rules change, and letting one go by hand."""

from collections.abc import Sequence
from uuid import UUID

from ringfence.dispatch import outbox
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.conversations.values import Viewer
from ringfence.features.events.actions import emit
from ringfence.features.messages.actions import recording
from ringfence.features.messages.actions.merging import Event, count_key_of
from ringfence.features.messages.errors import NotHeldError
from ringfence.features.messages.model import Message
from ringfence.features.messages.queries.messages import get_message
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


async def ask_again(session: TenantSession, message_ids: Sequence[UUID]) -> None:
    """Have the dispatcher take these held texts now: the gate holds them anew, or lets them out."""
    await outbox.bring_forward(session, message_ids)


async def release(session: TenantSession, viewer: Viewer, message_id: UUID, *, actor: Actor) -> Message:
    """Let a held text go out now, whatever hours, holidays and budget say; everything else still counts.

    Raises NotFoundError, NotHeldError.
    """
    message = await get_message(session, viewer, message_id)
    # The outbox row before the text, as the dispatcher locks them.
    await outbox.bring_forward(session, [message.id])
    await session.refresh(message, with_for_update={"key_share": True})
    if message.status != "held":
        raise NotHeldError(message.status)
    before = count_key_of(message.status, refusal_code=message.refusal_code, error_code=message.error_code)
    emit(session, kind="message.status", subject_id=message.id, conversation_id=message.conversation_id)
    held_by = {"code": message.refusal_code, "until": message.not_before}
    message.released_at = message.updated_at = utc_now()
    message.status, message.not_before, message.refusal_code, message.reason = "queued", None, None, None
    await session.flush()
    await recording.count_move(session, message, before=before)
    await recording.note(session, [Event(message.id, "released", {"by": actor.name, "by_kind": actor.kind})])
    record(
        session,
        actor=actor,
        action="message.released",
        target_kind="message",
        target_id=message.id,
        before={"status": "held", **held_by},
        after={"status": "queued"},
    )
    await session.flush()
    return message
