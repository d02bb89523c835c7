"""Taking rows over into a list, a few parcels a transaction.

The parcels and how far they go are one commit, under a lock of the list's row: a run that begins anew, or a second
one beside it, takes no row twice and leaves none out.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert, select

from ringfence.features.bulk.model.lists import ListParcel, RecipientList
from ringfence.features.bulk.values.files import Batch
from ringfence.features.bulk.values.lists import PARCEL, Rejected
from ringfence.features.contacts import queries as contacts
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A batch as it is stored. `begins_at` counts the rows before it."""

    begins_at: int
    size: int
    recipients: int
    duplicates: int
    bad: int
    recipients_json: str
    rejected_json: str

    @classmethod
    def of(cls, batch: Batch) -> "Parcel":
        """Make a batch ready to be stored. Costs time: for threads."""
        duplicates = sum(row.kind == "duplicate" for row in batch.rejected)
        return cls(
            begins_at=batch.begins_at,
            size=batch.size,
            recipients=len(batch.recipients),
            duplicates=duplicates,
            bad=len(batch.rejected) - duplicates,
            recipients_json=_dump(batch.recipients),
            rejected_json=_dump(batch.rejected),
        )


async def store_parcels(session: TenantSession, list_id: UUID, parcels: Sequence[Parcel]) -> bool:
    """Take parcels over, in their order; False when the list ended, or is not where the first one begins."""
    found = await _lock(session, list_id)
    if found is None or (parcels and found.rows_done != parcels[0].begins_at):
        return False
    await _store(session, found, parcels)
    return True


async def store_contacts(session: TenantSession, list_id: UUID) -> bool:
    """Take the next 500 contacts over; False when the list ended, or has the last of them."""
    found = await _lock(session, list_id)
    if found is None:
        return False
    after = None if found.after_at is None or found.after_id is None else Position(found.after_at, found.after_id)
    rows = await contacts.list_contacts(
        session, search=found.filter_search, tag=found.filter_tag, after=after, limit=PARCEL
    )
    page = rows[:PARCEL]
    rejected = [
        Rejected(None, "bad", "the contact has no phone number", [str(row.id), f"{row.first_name} {row.last_name}"])
        for row in page
        if row.phone_number is None
    ]
    recipients: list[Sequence[object]] = [
        (None, row.phone_number, str(row.id)) for row in page if row.phone_number is not None
    ]
    batch = Batch(begins_at=found.rows_done, size=len(page), recipients=recipients, rejected=rejected)
    if page:
        found.after_at, found.after_id = page[-1].created_at, page[-1].id
        await _store(session, found, [Parcel.of(batch)])
    if len(rows) <= PARCEL:
        _finish(found, failed=None)
    await session.flush()
    return len(rows) > PARCEL


async def finish_list(session: TenantSession, list_id: UUID, *, failed: str | None = None) -> None:
    """Note that a list has all its recipients, or why it never will. One that ended stays as it ended."""
    found = await _lock(session, list_id)
    if found is not None:
        _finish(found, failed=failed)
        await session.flush()


def _finish(found: RecipientList, *, failed: str | None) -> None:
    found.status, found.reason = ("failed", failed) if failed else ("ready", None)
    found.rows_total = found.rows_done if failed is None else found.rows_total
    found.finished_at = found.updated_at = utc_now()


async def _store(session: TenantSession, found: RecipientList, parcels: Sequence[Parcel]) -> None:
    rows: list[dict[str, object]] = []
    for parcel in parcels:
        found.rows_done += parcel.size
        found.recipients_count += parcel.recipients
        found.duplicate_count += parcel.duplicates
        found.bad_count += parcel.bad
        rows.append(
            {
                "company_id": session.company_id,
                "id": new_id(),
                "list_id": found.id,
                "begins_at": parcel.begins_at,
                "last_position": found.recipients_count,
                "recipients_count": parcel.recipients,
                "rejected_count": parcel.duplicates + parcel.bad,
                "recipients": parcel.recipients_json,
                "rejected": parcel.rejected_json,
            }
        )
    found.updated_at = utc_now()
    if rows:
        await session.execute(insert(ListParcel), rows)
    await session.flush()


async def _lock(session: TenantSession, list_id: UUID) -> RecipientList | None:
    return await session.scalar(
        select(RecipientList)
        .where(
            RecipientList.company_id == session.company_id,
            RecipientList.id == list_id,
            RecipientList.status == "reading",
        )
        .with_for_update()
    )


def _dump(rows: Sequence[object]) -> str:
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
