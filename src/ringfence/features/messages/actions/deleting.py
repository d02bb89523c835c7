"""Deleting: a text that waits is canceled; a finished one is removed from view, and its content for good."""

from typing import Final
from uuid import UUID

from sqlalchemy import select, update

from ringfence.dispatch import outbox
from ringfence.errors import ForbiddenError
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.conversations import actions as conversations
from ringfence.features.conversations.values import Viewer, preview_of
from ringfence.features.events.actions import emit
from ringfence.features.messages.actions import indexing, recording
from ringfence.features.messages.actions.indexing import Said
from ringfence.features.messages.actions.merging import Event, count_key_of
from ringfence.features.messages.errors import UnderWayError
from ringfence.features.messages.model import Media, Message, WebhookEvent
from ringfence.features.messages.queries.messages import get_message, last_of
from ringfence.features.messages.values import FINAL, RemoveMedia, inbound_key
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession

_WIPED_AT_ONCE: Final = 500


async def delete_message(
    session: TenantSession, viewer: Viewer, message_id: UUID, *, actor: Actor, may_remove: bool
) -> Message | None:
    """Cancel a text that still waits and return it, or remove a finished one from view and return None.

    Nothing changes at Twilio. Raises NotFoundError, UnderWayError for a text whose outcome is open, ForbiddenError
    for a finished one unless the actor `may_remove`.
    """
    message = await get_message(session, viewer, message_id)
    # The outbox row first, as the dispatcher locks it: whoever gets it decides.
    if await outbox.cancel(session, message_id):
        return await _cancel(session, message, actor)
    await session.refresh(message, with_for_update={"key_share": True})
    if message.status not in FINAL and message.status not in {"sent", "unconfirmed"}:
        raise UnderWayError
    if not may_remove:
        raise ForbiddenError
    await _remove(session, message, actor)
    return None


async def _cancel(session: TenantSession, message: Message, actor: Actor) -> Message:
    await session.refresh(message, with_for_update={"key_share": True})
    before = count_key_of(message.status, refusal_code=message.refusal_code, error_code=message.error_code)
    message.status, message.not_before, message.updated_at = "canceled", None, utc_now()
    message.refusal_code = message.reason = None
    emit(session, kind="message.status", subject_id=message.id, conversation_id=message.conversation_id)
    record(session, actor=actor, action="message.canceled", target_kind="message", target_id=message.id)
    await session.flush()
    await recording.count_move(session, message, before=before)
    await recording.note(session, [Event(message.id, "canceled", {"by": actor.name, "by_kind": actor.kind})])
    return message


async def _remove(session: TenantSession, message: Message, actor: Actor) -> None:
    now = utc_now()
    await indexing.forget(session, [Said(message.id, message.created_at, message.body)])
    message.body, message.deleted_at, message.updated_at = "", now, now
    emit(session, kind="message.changed", subject_id=message.id, conversation_id=message.conversation_id)
    await session.flush()
    company = session.company_id
    await session.execute(
        update(Media)
        .where(Media.company_id == company, Media.message_id == message.id)
        .values(source_url="", upload_id=None, reason="The text was deleted.")
    )
    if message.twilio_sid is not None:
        await session.execute(
            update(WebhookEvent)
            .where(WebhookEvent.company_id == company, WebhookEvent.dedupe_key == inbound_key(message.twilio_sid))
            .values(parameters={})
        )
    await _show_the_one_before(session, message)
    record(
        session,
        actor=actor,
        action="message.deleted",
        target_kind="message",
        target_id=message.id,
        before={"direction": message.direction, "status": message.status, "created_at": message.created_at},
    )
    if message.num_media:
        await enqueue(session, RemoveMedia(message_id=message.id))


async def wipe_texts(session: TenantSession, conversation_id: UUID) -> int:
    """Remove a batch of a deleted conversation's texts with their content; how many. They stay countable."""
    company, now = session.company_id, utc_now()
    batch = (
        select(Message.id, Message.created_at, Message.body)
        .where(
            Message.company_id == company,
            Message.conversation_id == conversation_id,
            Message.deleted_at.is_(None),
            # What is under way needs its body; after thirty days nothing is.
            Message.status.in_(FINAL | {"sent", "unconfirmed"}),
        )
        .order_by(Message.created_at)
        .limit(_WIPED_AT_ONCE)
    )
    texts = [Said(row.id, row.created_at, row.body) for row in await session.execute(batch)]
    await indexing.forget(session, texts)
    wiped = await session.execute(
        update(Message)
        .where(Message.company_id == company, Message.id.in_([text.id for text in texts]))
        .values(body="", deleted_at=now, updated_at=now)
        .returning(Message.id, Message.twilio_sid, Message.num_media)
    )
    rows = wiped.all()
    ids = [row.id for row in rows]
    await session.execute(
        update(Media)
        .where(Media.company_id == company, Media.message_id.in_(ids))
        .values(source_url="", upload_id=None, reason="The text was deleted.")
    )
    keys = [inbound_key(row.twilio_sid) for row in rows if row.twilio_sid is not None]
    await session.execute(
        update(WebhookEvent)
        .where(WebhookEvent.company_id == company, WebhookEvent.dedupe_key.in_(keys))
        .values(parameters={})
    )
    for row in rows:
        if row.num_media:
            await enqueue(session, RemoveMedia(message_id=row.id))
    return len(rows)


async def _show_the_one_before(session: TenantSession, message: Message) -> None:
    """The list of conversations must not go on showing what was deleted."""
    if message.conversation_id is None:
        return
    last = await last_of(session, message.conversation_id)
    await conversations.show_last(
        session,
        message.conversation_id,
        direction=last.direction if last else message.direction,
        preview=preview_of(last.body, last.num_media) if last else "",
    )
