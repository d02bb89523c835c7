"""Making recipient lists: by a file that is looked through first, or from contacts."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import exists, select

from ringfence.errors import NotFoundError
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.bulk.model.lists import RecipientList
from ringfence.features.bulk.model.sends import BulkSend
from ringfence.features.bulk.values.files import FileLayout
from ringfence.features.bulk.values.lists import PHONE_FIELD, ListInUseError, ListStateError, ReadList
from ringfence.features.contacts.values.columns import no_phone_column
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


async def add_file(
    session: TenantSession,
    list_id: UUID,
    *,
    name: str,
    layout: FileLayout,
    file_name: str,
    size_bytes: int,
    region: str,
    actor: Actor,
) -> RecipientList:
    """Enter an uploaded file that was looked through. Nothing of it is read before `start_list`."""
    found = _new(list_id, name=name, source="file", status="draft", region=region, actor=actor)
    found.file_name, found.size_bytes = file_name, size_bytes
    _lay_out(found, layout)
    session.add(found)
    after = {"name": name, "file_name": file_name, "rows": layout.rows}
    record(session, actor=actor, action="bulk.list_added", target_kind="bulk_list", target_id=list_id, after=after)
    await session.flush()
    return found


async def add_from_contacts(
    session: TenantSession, list_id: UUID, *, name: str, tag: str | None, search: str | None, region: str, actor: Actor
) -> RecipientList:
    """Enter a list of the contacts with a tag (a tidy one) or found by a search, and the job that takes them over."""
    found = _new(list_id, name=name, source="contacts", status="reading", region=region, actor=actor)
    found.filter_tag, found.filter_search = tag, search
    session.add(found)
    after = {"name": name, "tag": tag, "search": search is not None}
    record(session, actor=actor, action="bulk.list_added", target_kind="bulk_list", target_id=list_id, after=after)
    await session.flush()
    await enqueue(session, ReadList(list_id=list_id))
    return found


async def change_list(
    session: TenantSession, list_id: UUID, *, name: str | None, layout: FileLayout | None
) -> RecipientList:
    """Rename a list, or lay its file out anew, which only a draft allows. Raises NotFoundError, ListStateError."""
    found = await _lock(session, list_id)
    if layout is not None:
        _need_draft(found)
        _lay_out(found, layout)
    found.name = name or found.name
    found.updated_at = utc_now()
    await session.flush()
    return found


async def start_list(session: TenantSession, list_id: UUID, *, actor: Actor) -> RecipientList:
    """Have the file read in the background. Raises NotFoundError, ListStateError, InvalidInputError."""
    found = await _lock(session, list_id)
    _need_draft(found)
    if PHONE_FIELD not in found.mapping.values():
        raise no_phone_column(found.columns)
    found.status, found.updated_at = "reading", utc_now()
    record(session, actor=actor, action="bulk.list_started", target_kind="bulk_list", target_id=list_id)
    await session.flush()
    await enqueue(session, ReadList(list_id=list_id))
    return found


async def cancel_list(session: TenantSession, list_id: UUID, *, actor: Actor) -> RecipientList:
    """End a list that is not read to its end; what was read stays to be looked at, and cannot be sent to.

    Raises NotFoundError, ListStateError.
    """
    found = await _lock(session, list_id)
    if found.status not in {"draft", "reading"}:
        raise ListStateError("The list is read to its end; delete it if nobody is to send to it.", found.status)
    found.status = "canceled"
    found.finished_at = found.updated_at = utc_now()
    record(session, actor=actor, action="bulk.list_canceled", target_kind="bulk_list", target_id=list_id)
    await session.flush()
    return found


async def delete_list(session: TenantSession, list_id: UUID, *, actor: Actor | None) -> None:
    """Delete a list with its recipients. `actor` is None for the sweep. Raises NotFoundError, ListInUseError."""
    # Whoever makes a bulk send of it holds the row's key until it is committed: after the lock, all of them are seen.
    found = await _lock(session, list_id)
    used = await session.scalar(
        select(exists().where(BulkSend.company_id == session.company_id, BulkSend.list_id == list_id))
    )
    if used:
        raise ListInUseError
    if actor is not None:
        before = {"name": found.name, "recipients": found.recipients_count}
        record(
            session, actor=actor, action="bulk.list_deleted", target_kind="bulk_list", target_id=list_id, before=before
        )
    await session.delete(found)
    await session.flush()


def note_rejected_export(session: TenantSession, list_id: UUID, *, actor: Actor) -> None:
    """Enter into the audit log that somebody took the rejected rows with them."""
    record(session, actor=actor, action="bulk.list_rejected_exported", target_kind="bulk_list", target_id=list_id)


def _new(list_id: UUID, *, name: str, source: str, status: str, region: str, actor: Actor) -> RecipientList:
    now = utc_now()
    counts: Mapping[str, int] = {"rows_done": 0, "recipients_count": 0, "duplicate_count": 0, "bad_count": 0}
    return RecipientList(
        id=list_id,
        name=name,
        source=source,
        status=status,
        columns=[],
        mapping={},
        region=region,
        created_by=actor.user_id,
        created_at=now,
        updated_at=now,
        **counts,
    )


def _lay_out(found: RecipientList, layout: FileLayout) -> None:
    found.file_kind = layout.kind
    found.encoding, found.separator, found.has_header = layout.encoding, layout.separator, layout.has_header
    found.columns = layout.columns
    found.mapping = {str(position): field for position, field in layout.mapping.items()}
    found.rows_total = layout.rows


def _need_draft(found: RecipientList) -> None:
    if found.status != "draft":
        raise ListStateError("Only a list that is not started yet can be changed or started.", found.status)


async def _lock(session: TenantSession, list_id: UUID) -> RecipientList:
    found = await session.scalar(
        select(RecipientList)
        .where(RecipientList.company_id == session.company_id, RecipientList.id == list_id)
        .with_for_update()
    )
    if found is None:
        raise NotFoundError
    return found
