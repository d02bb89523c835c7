"""Files that people upload to send them: taken in, kept while they are needed, and forgotten.

The row comes first, then the file, then the word that it is whole: whatever a process leaves behind when it dies, the
sweep finds it by its row.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, exists, func, select, update

from ringfence.errors import TooManyRequestsError
from ringfence.features.audit_log.values import Actor
from ringfence.features.messages.model import Media, MediaUpload
from ringfence.features.messages.queries import uploads
from ringfence.features.messages.values import MOST_WAITING_BYTES, UPLOAD_LIFE, RemoveUpload, uploads_of
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession

_BATCH: Final = 100
_WAIT_SECONDS: Final = 3600


async def begin(
    session: TenantSession, *, file_name: str, content_type: str, size_bytes: int, actor: Actor
) -> MediaUpload:
    """Make room for a file. Raises TooManyRequestsError when the company has uploaded too much lately."""
    if await uploads.waiting_bytes(session) + size_bytes > MOST_WAITING_BYTES:
        most = MOST_WAITING_BYTES // 1_000_000
        raise TooManyRequestsError(
            "too_many_uploads",
            f"The company has uploaded {most} MB within a day; more can be uploaded as that day passes.",
            {"retry_after_seconds": _WAIT_SECONDS},
        )
    now = utc_now()
    upload = MediaUpload(
        id=new_id(),
        file_name=file_name,
        content_type=content_type,
        size_bytes=size_bytes,
        is_ready=False,
        keep_until=now + UPLOAD_LIFE,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        created_at=now,
    )
    session.add(upload)
    await session.flush()
    return upload


async def finish(session: TenantSession, upload_id: UUID) -> MediaUpload:
    """The file is whole."""
    await session.execute(
        update(MediaUpload)
        .where(MediaUpload.company_id == session.company_id, MediaUpload.id == upload_id)
        .values(is_ready=True)
    )
    return await uploads.get_upload(session, upload_id)


async def keep(session: TenantSession, written: list[str], *, until: datetime) -> None:
    """Keep the uploads among what a text is to carry until an instant (aware), however long they have waited."""
    wanted = uploads_of(written)
    if wanted:
        await session.execute(
            update(MediaUpload)
            .where(MediaUpload.company_id == session.company_id, MediaUpload.id.in_(wanted))
            .values(keep_until=func.greatest(MediaUpload.keep_until, until))
            .execution_options(synchronize_session=False)
        )


async def sweep(session: TenantSession) -> int:
    """Forget uploads whose time is over and that no text carries, a batch at most; how many. Jobs delete the files."""
    company = session.company_id
    carried = exists().where(Media.company_id == company, Media.upload_id == MediaUpload.id)
    over = (MediaUpload.company_id == company, MediaUpload.keep_until < utc_now(), ~carried)
    # Locked first and looked at again: a text that takes one up meanwhile holds it, and then it is carried.
    taken = await session.scalars(select(MediaUpload.id).where(*over).limit(_BATCH).with_for_update(skip_locked=True))
    ids = taken.all()
    if not ids:
        return 0
    gone = await session.scalars(delete(MediaUpload).where(*over, MediaUpload.id.in_(ids)).returning(MediaUpload.id))
    removed = gone.all()
    for upload_id in removed:
        await enqueue(session, RemoveUpload(upload_id=upload_id))
    return len(removed)
