"""Adding up how many recipients stand where, without anybody waiting for anybody."""

from collections import Counter
from collections.abc import Iterable, Mapping
from uuid import UUID

from ringfence.features.bulk.queries.sends import counts_of
from ringfence.features.bulk.values.sends import Count
from ringfence.features.events.actions import emit
from ringfence.features.messages.actions import recording
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

# Changes that are not committed yet are not seen, and added up the next time.
_ADD_UP = register(
    "bulk.add_up",
    """
    WITH gone AS (
        DELETE FROM bulk_count_changes WHERE company_id = :company_id AND bulk_send_id = :bulk_send_id
        RETURNING status, code, change
    )
    INSERT INTO bulk_counts AS c (company_id, bulk_send_id, status, code, recipients)
    SELECT :company_id, :bulk_send_id, status, code, sum(change) FROM gone
    GROUP BY status, code HAVING sum(change) <> 0 ORDER BY status, code
    ON CONFLICT (company_id, bulk_send_id, status, code) DO UPDATE
    SET recipients = c.recipients + excluded.recipients
    RETURNING status
    """,
)
_CHANGED = register(
    "bulk.changed",
    "SELECT DISTINCT bulk_send_id FROM bulk_count_changes WHERE company_id = :company_id",
)


async def add_up(session: TenantSession, bulk_send_id: UUID) -> list[Count]:
    """Add the changes to the counts; the counts as they are then. Locks the counts until the transaction ends.

    Whoever watches the company hears of it when there were any: once, however many they were.
    """
    added = await session.scalars(_ADD_UP, {"company_id": session.company_id, "bulk_send_id": bulk_send_id})
    if added.all():
        emit(session, kind="bulk.progress", subject_id=bulk_send_id)
    return (await counts_of(session, [bulk_send_id]))[bulk_send_id]


async def changed(session: TenantSession) -> list[UUID]:
    """Bulk sends with changes that nobody has added up."""
    return sorted(await session.scalars(_CHANGED, {"company_id": session.company_id}))


async def note_recipients(session: TenantSession, bulk_send_id: UUID, moves: Mapping[tuple[str, str], int]) -> None:
    """Note how many recipients without a text came to a state, by (state, code)."""
    counts = Counter({(bulk_send_id, state, code): change for (state, code), change in moves.items()})
    await recording.count(session, counts)


def by_status(counts: Iterable[Count]) -> Counter[str]:
    """How many recipients stand at each status, whatever the reason."""
    found: Counter[str] = Counter()
    for count in counts:
        found[count.status] += count.recipients
    return found
