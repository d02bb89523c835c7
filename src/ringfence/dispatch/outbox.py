"""The engine's face to the rooms above: put a text into the outbox, take it out again.

All of it happens in the caller's transaction: a text and its outbox row are committed together or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from ringfence.dispatch.statements import LOCK_LANES, WAKE_LANES
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

INSERT = register(
    "dispatch.enqueue",
    """
    INSERT INTO outbox (company_id, message_id, sender_id, priority, segments, state, due_at, attempt, created_at)
    VALUES (:company_id, :message_id, :sender_id, :priority, :segments, 'ready', :due_at, 0, :now)
    """,
)
# Last in the transaction: it serialises the senders of one lane until the commit. The lock is what makes sure that
# the dispatcher, which locks the lane before it reads the outbox, never misses a row that is about to be committed.
WAKE = register(
    "dispatch.wake_lane",
    """
    INSERT INTO lane AS l (company_id, sender_id, next_due, segments_per_second)
    VALUES (:company_id, :sender_id, :due_at, :rate)
    ON CONFLICT (company_id, sender_id) DO UPDATE
    SET next_due = LEAST(l.next_due, excluded.next_due), segments_per_second = excluded.segments_per_second
    """,
)
# A text that was taken back may have been tried before: its attempts go on counting where they stopped.
INSERT_MANY = register(
    "dispatch.enqueue_many",
    """
    INSERT INTO outbox (company_id, message_id, sender_id, priority, segments, state, due_at, attempt, created_at)
    SELECT :company_id, u.message_id, u.sender_id, :priority, u.segments, 'ready', :now,
           COALESCE((SELECT max(a.attempt) FROM send_attempt a
                     WHERE a.company_id = :company_id AND a.message_id = u.message_id), 0), :now
    FROM unnest(CAST(:message_ids AS uuid[]), CAST(:senders AS uuid[]), CAST(:segments AS int[]))
         AS u(message_id, sender_id, segments)
    """,
)
# Up to a limit: who asks wants to know how much room is left in a lane, not how much is in it.
COUNT_READY = register(
    "dispatch.count_ready",
    """
    SELECT s.sender_id, (SELECT count(*) FROM (
        SELECT true FROM outbox WHERE company_id = :company_id AND sender_id = s.sender_id AND priority = :priority
          AND state = 'ready' LIMIT s.most) AS r) AS waiting
    FROM unnest(CAST(:senders AS uuid[]), CAST(:most AS int[])) AS s(sender_id, most)
    """,
)
READY = register(
    "dispatch.ready",
    """
    SELECT message_id FROM outbox WHERE company_id = :company_id AND sender_id = ANY(CAST(:senders AS uuid[]))
      AND priority = :priority AND state = 'ready'
    """,
)
# In the order in which others lock several rows; one that a claim holds is under way and stays.
TAKE_BACK = register(
    "dispatch.take_back",
    """
    DELETE FROM outbox WHERE company_id = :company_id AND message_id = ANY(ARRAY(
        SELECT message_id FROM outbox
        WHERE company_id = :company_id AND message_id = ANY(CAST(:message_ids AS uuid[])) AND state || '' = 'ready'
        ORDER BY message_id FOR UPDATE SKIP LOCKED))
    RETURNING message_id
    """,
)
CANCEL = register(
    "dispatch.cancel",
    """
    DELETE FROM outbox WHERE company_id = :company_id AND message_id = :message_id AND state = 'ready'
    RETURNING message_id
    """,
)
BRING_FORWARD = register(
    "dispatch.bring_forward",
    """
    UPDATE outbox SET due_at = :now
    WHERE company_id = :company_id AND message_id = ANY(ARRAY(
        SELECT message_id FROM outbox
        WHERE company_id = :company_id AND message_id = ANY(CAST(:message_ids AS uuid[]))
          AND state || '' = 'ready' AND due_at > :now
        ORDER BY message_id FOR UPDATE))
    RETURNING sender_id
    """,
)
SETTLE = register(
    "dispatch.settle",
    "DELETE FROM outbox WHERE company_id = :company_id AND message_id = ANY(:message_ids)",
)


async def enqueue(
    session: TenantSession,
    *,
    message_id: UUID,
    sender_id: UUID,
    priority: int,
    segments: int,
    due_at: datetime,
    segments_per_second: Decimal,
) -> None:
    """Put a text into the outbox; call it last in the transaction.

    `priority` is lower for what goes first: 0 reply, 1 transactional, 2 scheduled, 3 bulk. `segments` is what the text
    costs of the sender's rate. `due_at` (aware, UTC) is the earliest instant it may be sent.
    """
    company_id = session.company_id
    await session.execute(
        INSERT,
        {
            "company_id": company_id,
            "message_id": message_id,
            "sender_id": sender_id,
            "priority": priority,
            "segments": max(segments, 1),
            "due_at": due_at,
            "now": utc_now(),
        },
    )
    await session.execute(
        WAKE,
        {"company_id": company_id, "sender_id": sender_id, "due_at": due_at, "rate": segments_per_second},
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """A text for the outbox: who sends it, and what it costs of the sender's rate."""

    message_id: UUID
    sender_id: UUID
    segments: int


async def enqueue_many(
    session: TenantSession, entries: Sequence[Entry], *, priority: int, rates: Mapping[UUID, Decimal]
) -> None:
    """Put texts into the outbox that may be sent now; call it last. `rates` are the senders' segments a second."""
    now, company_id = utc_now(), session.company_id
    await session.execute(
        INSERT_MANY,
        {
            "company_id": company_id,
            "message_ids": [entry.message_id for entry in entries],
            "senders": [entry.sender_id for entry in entries],
            "segments": [max(entry.segments, 1) for entry in entries],
            "priority": priority,
            "now": now,
        },
    )
    # By sender, so that two that put texts into the same lanes wait for each other in one order.
    for sender_id in sorted({entry.sender_id for entry in entries}):
        lane = {"company_id": company_id, "sender_id": sender_id, "due_at": now, "rate": rates[sender_id]}
        await session.execute(WAKE, lane)


async def count_ready(session: TenantSession, most: Mapping[UUID, int], *, priority: int) -> dict[UUID, int]:
    """How many texts of a priority wait in each sender's lane, counted up to `most`."""
    lanes = {"senders": list(most), "most": list(most.values())}
    rows = await session.execute(COUNT_READY, {"company_id": session.company_id, "priority": priority, **lanes})
    return {row.sender_id: row.waiting for row in rows}


async def ready(session: TenantSession, senders: Sequence[UUID], *, priority: int) -> list[UUID]:
    """The texts of a priority that wait in these senders' lanes."""
    parameters = {"company_id": session.company_id, "senders": list(senders), "priority": priority}
    return list(await session.scalars(READY, parameters))


async def take_back(session: TenantSession, message_ids: Sequence[UUID]) -> list[UUID]:
    """Take texts out before they are sent; those that really were, in order. What is under way is left alone."""
    if not message_ids:
        return []
    parameters = {"company_id": session.company_id, "message_ids": list(message_ids)}
    return sorted(await session.scalars(TAKE_BACK, parameters))


async def cancel(session: TenantSession, message_id: UUID) -> bool:
    """Take a text out before it is sent. False when it is under way, settled or unknown here."""
    taken = await session.execute(CANCEL, {"company_id": session.company_id, "message_id": message_id})
    return taken.first() is not None


async def bring_forward(session: TenantSession, message_ids: Sequence[UUID]) -> None:
    """Let texts that wait for a later instant be looked at now: the gate is asked again. Call it last."""
    now = utc_now()
    company = {"company_id": session.company_id}
    rows = await session.execute(BRING_FORWARD, company | {"message_ids": list(message_ids), "now": now})
    senders = sorted({row.sender_id for row in rows})
    if senders:
        await session.execute(LOCK_LANES, company | {"senders": senders})
        await session.execute(WAKE_LANES, company | {"senders": senders, "due": [now] * len(senders)})


async def settle(session: TenantSession, message_ids: list[UUID]) -> None:
    """Take texts out whose outcome is known (a callback adopted them); whatever state their rows are in."""
    await session.execute(SETTLE, {"company_id": session.company_id, "message_ids": message_ids})
