"""Many texts at once: handing in those of a bulk send, taking back what still waits, putting it in again.

Each passes the same gate as a single one, and each batch is one transaction of a few statements.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import insert

from ringfence.dispatch import outbox
from ringfence.dispatch.outbox import Entry
from ringfence.features.audit_log.values import Actor
from ringfence.features.conversations import actions as conversations
from ringfence.features.conversations.actions import Outgoing
from ringfence.features.conversations.values import preview_of
from ringfence.features.messages.actions import indexing, recording
from ringfence.features.messages.actions.indexing import Said
from ringfence.features.messages.actions.merging import Event
from ringfence.features.messages.model import Message
from ringfence.features.messages.queries import batches, gate
from ringfence.features.messages.queries.batches import Candidate
from ringfence.features.messages.values import BULK
from ringfence.features.phone_numbers import actions as phone_numbers
from ringfence.features.templates import actions as templates
from ringfence.kit.clock import utc_now
from ringfence.kit.segments import count_segments
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

_AT_ONCE = 500

# As for a single text: two equal ones that are handed in at once must see each other. In one order for everybody.
_TAKE_TURNS = register(
    "messages.take_turns_many",
    """
    SELECT pg_advisory_xact_lock(t.key) FROM (
        SELECT DISTINCT hashtextextended(CAST(:company_id AS text) || u.to_number, 0) AS key
        FROM unnest(CAST(:to_numbers AS text[])) AS u(to_number) ORDER BY 1 OFFSET 0
    ) AS t
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkDraft:
    """A text of a bulk send: filled in, not empty, not too long. `id` will be the text's."""

    id: UUID
    to_number: str
    body: str = field(repr=False)
    sender_id: UUID
    sender_number: str
    contact_id: UUID | None
    retry_of: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """What the texts of one bulk send have in common. `rates` are the senders' segments a second."""

    id: UUID
    template_id: UUID | None
    actor: Actor
    rates: Mapping[UUID, Decimal]


async def hand_in_many(session: TenantSession, drafts: Sequence[BulkDraft], bulk: Bulk) -> dict[UUID, gate.Answer]:
    """Hand in texts to different numbers, each through the gate; by id, what the gate said (None: it is queued).

    What is refused or held is not stored here: it is the bulk send that knows why somebody got no text, or not yet.
    Call it last in the transaction.
    """
    now = utc_now()
    numbers = [draft.to_number for draft in drafts]
    await session.execute(_TAKE_TURNS, {"company_id": session.company_id, "to_numbers": numbers})
    candidates = [
        Candidate(
            id=draft.id,
            to_number=draft.to_number,
            body=draft.body,
            sender_id=draft.sender_id,
            segments=count_segments(draft.body).segments,
            at=now,
            retry_of=draft.retry_of,
        )
        for draft in drafts
    ]
    answers = await batches.ask_many(session, candidates)
    going = [draft for draft in drafts if answers[draft.id] is None]
    if going:
        await _store(session, going, bulk, at=now)
    return answers


async def take_back(
    session: TenantSession,
    bulk_send_id: UUID,
    senders: Sequence[UUID],
    *,
    to: Literal["held", "canceled"],
    code: str,
    reason: str,
) -> list[UUID]:
    """Take the texts of a bulk send that wait out of the outbox; their ids. As many as lanes hold, however long it is.

    What the dispatcher has taken already is under way and stays so.
    """
    waiting = await batches.of_bulk(session, bulk_send_id, await outbox.ready(session, senders, priority=BULK))
    taken = await outbox.take_back(session, waiting)
    await set_aside(session, taken, to=to, code=code, reason=reason)
    return taken


async def set_aside(
    session: TenantSession, message_ids: Sequence[UUID], *, to: Literal["held", "canceled"], code: str, reason: str
) -> None:
    """Record that texts which are in no outbox are held for now, or canceled for good."""
    for start in range(0, len(message_ids), _AT_ONCE):
        records = await recording.lock(session, message_ids[start : start + _AT_ONCE])
        for record in records.values():
            record.status, record.refusal_code, record.reason = to, code, reason
            record.not_before, record.changed = None, True
        events = [Event(message_id, to, {"code": code, "reason": reason}) for message_id in records]
        await recording.write(session, records.values(), events)


async def put_in_again(session: TenantSession, message_ids: Sequence[UUID], rates: Mapping[UUID, Decimal]) -> set[UUID]:
    """Put texts that were taken back into the outbox again; the gate is asked when they are sent. Call it last.

    `rates` are the senders that may send them: those of another number are canceled instead, and their ids returned.
    """
    entries = await batches.entries(session, message_ids)
    going = [entry for entry in entries if entry.sender_id in rates]
    stranded = [entry.message_id for entry in entries if entry.sender_id not in rates]
    await set_aside(session, stranded, to="canceled", code="sender_changed", reason="It goes out from another number.")
    records = await recording.lock(session, [entry.message_id for entry in going])
    for record in records.values():
        record.status, record.refusal_code, record.reason = "queued", None, None
        record.not_before, record.changed = None, True
    await recording.write(session, records.values(), [Event(message_id, "released", {}) for message_id in records])
    await outbox.enqueue_many(session, going, priority=BULK, rates=rates)
    return set(stranded)


async def _store(session: TenantSession, drafts: Sequence[BulkDraft], bulk: Bulk, *, at: datetime) -> None:
    threads = await conversations.bump_many(
        session,
        [Outgoing(d.sender_id, d.to_number, d.contact_id, preview_of(d.body, 0)) for d in drafts],
        at=at,
    )
    rows = [_row(session.company_id, draft, bulk, threads[draft.sender_id, draft.to_number], at) for draft in drafts]
    await session.execute(insert(Message), rows)
    await indexing.index(session, [Said(draft.id, at, draft.body) for draft in drafts])
    who = {"by": bulk.actor.name, "by_kind": bulk.actor.kind, "source": "bulk", "priority": BULK}
    who["bulk_send_id"] = str(bulk.id)
    await recording.note(session, [Event(draft.id, "queued", who) for draft in drafts], at=at)
    await recording.count(session, Counter({(bulk.id, "queued", ""): len(drafts)}))
    if bulk.template_id is not None:
        await templates.note_used(session, bulk.template_id, texts=len(drafts))
    for sender_id in sorted({draft.sender_id for draft in drafts}):
        await phone_numbers.touch_used(session, sender_id, at=at)
    entries = [Entry(d.id, d.sender_id, count_segments(d.body).segments) for d in drafts]
    await outbox.enqueue_many(session, entries, priority=BULK, rates=bulk.rates)


def _row(company_id: UUID, draft: BulkDraft, bulk: Bulk, conversation_id: UUID, at: datetime) -> dict[str, object]:
    count = count_segments(draft.body)
    return {
        "company_id": company_id,
        "id": draft.id,
        "conversation_id": conversation_id,
        "phone_number_id": draft.sender_id,
        "contact_id": draft.contact_id,
        "direction": "outbound",
        "status": "queued",
        "from_number": draft.sender_number,
        "to_number": draft.to_number,
        "body": draft.body,
        "encoding": count.encoding,
        "num_segments": count.segments,
        "num_media": 0,
        "priority": BULK,
        "source": "bulk",
        "retry_of": draft.retry_of,
        "template_id": bulk.template_id,
        "bulk_send_id": bulk.id,
        "created_by": bulk.actor.user_id,
        "created_at": at,
        "updated_at": at,
    }
