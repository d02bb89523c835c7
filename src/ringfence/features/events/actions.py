"""Appending events, giving them their places, and deleting old ones."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from ringfence.features.events import queries
from ringfence.features.events.model import Event, EventHead, EventReader
from ringfence.features.events.queries import Head
from ringfence.features.events.values import KEEP, KEEP_FOR_READERS, KINDS, MOST_KEPT, Kind
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import first_id_at, new_id
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

BATCH: Final = 1000
_TRIM_BATCH: Final = 5000

# Places and head in one round trip.
_NUMBER = register(
    "events.number",
    """
    WITH numbered AS (
        UPDATE events e SET seq = waiting.seq
        FROM (
            SELECT id, CAST(:last_seq AS bigint) + row_number() OVER (ORDER BY id) AS seq
            FROM (SELECT id FROM events WHERE company_id = :company_id AND seq IS NULL ORDER BY id LIMIT :batch) first
        ) waiting
        WHERE e.company_id = :company_id AND e.id = waiting.id
        RETURNING e.seq
    )
    UPDATE event_heads SET last_seq = GREATEST(last_seq, (SELECT max(seq) FROM numbered))
    WHERE company_id = :company_id
    RETURNING last_seq
    """,
)
_SAVE_HEAD = register(
    "events.save_head",
    "UPDATE event_heads SET last_seq = :last_seq, trimmed_seq = :trimmed_seq WHERE company_id = :company_id",
)
# The places of what is deleted, highest first; one without a place counts as NULL.
_TRIM = register(
    "events.trim",
    """
    WITH old AS (
        DELETE FROM events WHERE company_id = :company_id AND id IN (
            SELECT id FROM events
            WHERE company_id = :company_id AND id < :before
              AND (CAST(:read_to AS bigint) IS NULL OR seq <= :read_to OR id < :before_for_readers)
            ORDER BY id LIMIT :batch
        )
        RETURNING seq
    )
    SELECT count(*) AS deleted, count(*) FILTER (WHERE seq IS NULL) AS without_place, COALESCE(max(seq), 0) AS highest
    FROM old
    """,
)
_OLDEST_OF_THE_NEWEST = register(
    "events.oldest_of_the_newest",
    "SELECT id FROM events WHERE company_id = :company_id ORDER BY id DESC OFFSET :most - 1 LIMIT 1",
)


def emit(session: TenantSession, *, kind: Kind, subject_id: UUID, conversation_id: UUID | None = None) -> None:
    """Say in the caller's transaction that something changed; who watches the company hears of it after the commit.

    Give the thread where there is one: only who may see the thread hears of it then; an event without one is for
    everybody in the company. Appending takes no lock that others of the company wait for. Raises ValueError for a
    kind that is not in the list.
    """
    if kind not in KINDS:
        raise ValueError(f"there is no event of kind {kind}")
    session.add(
        Event(id=new_id(), kind=kind, subject_id=subject_id, conversation_id=conversation_id, created_at=utc_now())
    )
    session.announce()


async def number(session: TenantSession, *, batch: int = BATCH) -> Head:
    """Give all committed events that wait their places in the company's order, `batch` a statement; the head after it.

    Takes the lock of the company's head until the commit, and only if something waits: numberings of one company
    follow one another, so whoever sees a place sees all before it. Call it in a transaction of its own.
    """
    if not await queries.has_waiting(session):
        return await queries.head(session)
    head = await _lock_head(session)
    # Statements of their own: their snapshots are taken under the lock, and see what the last holder numbered.
    while True:
        numbered = await session.execute(
            _NUMBER, {"company_id": session.company_id, "last_seq": head.last_seq, "batch": batch}
        )
        before, head = head, Head(numbered.scalar_one(), head.trimmed_seq)
        if head.last_seq - before.last_seq < batch:
            return head


async def register_reader(session: TenantSession, name: str) -> None:
    """Keep events for a reader from now on; nothing changes for one that is registered."""
    before = await queries.head(session)
    await session.execute(
        insert(EventReader)
        .values(company_id=session.company_id, name=name, read_to=before.last_seq, read_at=utc_now())
        .on_conflict_do_nothing()
    )


async def drop_reader(session: TenantSession, name: str) -> None:
    """Keep nothing for a reader any more."""
    await session.execute(
        delete(EventReader).where(EventReader.company_id == session.company_id, EventReader.name == name)
    )


async def read(session: TenantSession, name: str, *, batch: int = BATCH) -> Sequence[Event]:
    """The next numbered events for a registered reader, which stands behind them once the transaction commits.

    The reader's row is locked until then: two workers never take the same events. Call `number` before, in a
    transaction of its own. Nothing for a reader that is not registered.
    """
    company = session.company_id
    reader = await session.scalar(
        select(EventReader)
        .where(EventReader.company_id == company, EventReader.name == name)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if reader is None:
        return []
    found = await session.scalars(
        select(Event).where(Event.company_id == company, Event.seq > reader.read_to).order_by(Event.seq).limit(batch)
    )
    events = found.all()
    if events:
        reader.read_to, reader.read_at = events[-1].seq or reader.read_to, utc_now()
    return events


async def trim(session: TenantSession, *, keep: timedelta = KEEP, most: int = MOST_KEPT) -> bool:
    """Delete one batch of events that are older than `keep`, or beyond the `most` newest; whether there may be more.

    What a registered reader has not read stays for `KEEP_FOR_READERS`. The head says how far: a reader that stands
    before that is told so, also when what is gone never had a place.
    """
    before = await _oldest_kept(session, utc_now() - keep, most)
    if not await queries.has_older(session, before):
        return False
    head = await _lock_head(session)
    row = (
        await session.execute(
            _TRIM,
            {
                "company_id": session.company_id,
                "before": before,
                "before_for_readers": first_id_at(utc_now() - KEEP_FOR_READERS),
                "read_to": await queries.least_read(session),
                "batch": _TRIM_BATCH,
            },
        )
    ).one()
    if row.without_place:
        # A place that no event has: whoever has heard everything so far has not heard of these.
        gone = head.last_seq + 1
        await _save_head(session, Head(gone, gone))
    else:
        await _save_head(session, Head(head.last_seq, max(head.trimmed_seq, row.highest)))
    return row.deleted == _TRIM_BATCH


async def _oldest_kept(session: TenantSession, since: datetime, most: int) -> UUID:
    """Ids are ordered by time: events with smaller ids than this are to go."""
    by_age = first_id_at(since)
    by_count: UUID | None = await session.scalar(
        _OLDEST_OF_THE_NEWEST, {"company_id": session.company_id, "most": most}
    )
    return by_age if by_count is None else max(by_age, by_count)


async def _lock_head(session: TenantSession) -> Head:
    company = session.company_id
    query = select(EventHead.last_seq, EventHead.trimmed_seq).where(EventHead.company_id == company).with_for_update()
    row = (await session.execute(query)).first()
    if row is None:
        await session.execute(insert(EventHead).values(company_id=company).on_conflict_do_nothing())
        row = (await session.execute(query)).one()
    return Head(row.last_seq, row.trimmed_seq)


async def _save_head(session: TenantSession, head: Head) -> None:
    await session.execute(
        _SAVE_HEAD,
        {"company_id": session.company_id, "last_seq": head.last_seq, "trimmed_seq": head.trimmed_seq},
    )
