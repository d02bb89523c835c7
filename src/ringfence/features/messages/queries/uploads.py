"""Reading uploads."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from ringfence.errors import InvalidInputError, NotFoundError
from ringfence.features.messages.model import MediaUpload
from ringfence.features.messages.values import MOST_MEDIA_BYTES, UPLOAD_LIFE, uploads_of
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


async def get_upload(session: TenantSession, upload_id: UUID) -> MediaUpload:
    """One whole upload of the company. Raises NotFoundError."""
    found = (await _whole(session, [upload_id])).get(upload_id)
    if found is None:
        raise NotFoundError
    return found


async def carried(session: TenantSession, written: Sequence[str]) -> dict[UUID, MediaUpload]:
    """The uploads among what a text is to carry, held so that no sweep takes them before the commit.

    Raises InvalidInputError: `unknown_media` for one that the company does not have, `media_too_large` for too much of
    them.
    """
    wanted = uploads_of(written)
    if not wanted:
        return {}
    found = await _whole(session, wanted, hold=True)
    if found.keys() != set(wanted):
        raise InvalidInputError("unknown_media", "One of media_ids is not an upload of this company, or no longer.")
    if sum(found[upload_id].size_bytes for upload_id in wanted) > MOST_MEDIA_BYTES:
        most = MOST_MEDIA_BYTES // 1_000_000
        raise InvalidInputError("media_too_large", f"The attachments have more than {most} MB together.")
    return found


async def waiting_bytes(session: TenantSession) -> int:
    """How much the company has uploaded within the life of an upload."""
    total = await session.scalar(
        select(func.coalesce(func.sum(MediaUpload.size_bytes), 0)).where(
            MediaUpload.company_id == session.company_id, MediaUpload.created_at > utc_now() - UPLOAD_LIFE
        )
    )
    return int(total or 0)


async def _whole(session: TenantSession, upload_ids: Sequence[UUID], *, hold: bool = False) -> dict[UUID, MediaUpload]:
    query = select(MediaUpload).where(
        MediaUpload.company_id == session.company_id, MediaUpload.id.in_(upload_ids), MediaUpload.is_ready
    )
    if hold:
        query = query.order_by(MediaUpload.id).with_for_update(read=True, key_share=True)
    return {row.id: row for row in await session.scalars(query)}
