"""What background work writes: fetched attachments, and that a text was asked about."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import insert

from ringfence.features.events.actions import emit
from ringfence.features.messages.actions import recording
from ringfence.features.messages.actions.merging import Event
from ringfence.features.messages.model import Media, Message
from ringfence.features.messages.values import FetchMedia
from ringfence.jobqueue.queue import PATIENT, enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession


async def mark_stored(
    session: TenantSession, media_id: UUID, *, message_id: UUID, content_type: str, size_bytes: int
) -> bool:
    """An attachment has been fetched. False when its text was deleted meanwhile: then the file must go."""
    company = session.company_id
    is_there = exists().where(
        Message.company_id == company, Message.id == Media.message_id, Message.deleted_at.is_(None)
    )
    changed = await session.execute(
        update(Media)
        .where(Media.company_id == company, Media.id == media_id, is_there)
        .values(status="stored", content_type=content_type, size_bytes=size_bytes, reason=None)
        .returning(Media.position)
    )
    row = changed.first()
    if row is None:
        return False
    detail = {"position": row.position, "status": "stored", "content_type": content_type, "size_bytes": size_bytes}
    await recording.note(session, [Event(message_id, "media", detail)])
    await _tell(session, message_id)
    return True


async def mark_failed(session: TenantSession, media_id: UUID, *, message_id: UUID, reason: str) -> None:
    """An attachment will not be fetched, because."""
    changed = await session.execute(
        update(Media)
        .where(Media.company_id == session.company_id, Media.id == media_id, Media.status == "pending")
        .values(status="failed", reason=reason)
        .returning(Media.position)
    )
    row = changed.first()
    if row is not None:
        detail = {"position": row.position, "status": "failed", "reason": reason}
        await recording.note(session, [Event(message_id, "media", detail)])
        await _tell(session, message_id)


async def expect_media(session: TenantSession, message_id: UUID, media: Sequence[tuple[str, str | None]]) -> None:
    """Have a text's attachments (address and type, in order) fetched, when nobody waits for something else."""
    if not media:
        return
    now = utc_now()
    await session.execute(
        insert(Media)
        .values(
            [
                {
                    "company_id": session.company_id,
                    "id": new_id(),
                    "message_id": message_id,
                    "position": position,
                    "status": "pending",
                    "source_url": url,
                    "content_type": content_type,
                    "created_at": now,
                }
                for position, (url, content_type) in enumerate(media)
            ]
        )
        .on_conflict_do_nothing()
    )
    await enqueue(session, FetchMedia(message_id=message_id), once_key=f"media:{message_id}", priority=PATIENT)


async def note_asked(session: TenantSession, message_ids: Sequence[UUID]) -> None:
    """Twilio was just asked about these texts: the next time is further away."""
    await session.execute(
        update(Message)
        .where(Message.company_id == session.company_id, Message.id.in_(message_ids))
        .values(updated_at=utc_now())
        .execution_options(synchronize_session=False)
    )


async def _tell(session: TenantSession, message_id: UUID) -> None:
    thread = select(Message.conversation_id).where(Message.company_id == session.company_id, Message.id == message_id)
    emit(session, kind="message.changed", subject_id=message_id, conversation_id=await session.scalar(thread))
