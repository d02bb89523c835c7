"""Writing records and timelines, many texts at once; every statement names one company."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from ringfence.features.events.actions import emit
from ringfence.features.messages.actions.merging import CountKey, Event, Record, count_key_of
from ringfence.features.messages.model import Message
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

Counts = Counter[tuple[UUID, str, str]]
"""Bulk send, status and code → by how many recipients that count grows."""

# NO KEY: timelines refer to the text, and adding a line must not wait for us.
_LOCK = register(
    "messages.lock",
    """
    SELECT id, status, twilio_sid, account_sid, error_code, refusal_code, reason, not_before, accepted_at,
           phone_number_id, to_number, num_segments, price_micros, price_currency, conversation_id, bulk_send_id
    FROM sms_messages
    WHERE company_id = :company_id AND id = ANY(CAST(:ids AS uuid[])) AND direction = 'outbound'
    ORDER BY id
    FOR NO KEY UPDATE
    """,
)
# Records, counts and timelines in one round trip.
_WRITE = register(
    "messages.write",
    """
    WITH saved AS (
        UPDATE sms_messages m
        SET status = u.status, twilio_sid = u.twilio_sid, account_sid = u.account_sid, error_code = u.error_code,
            refusal_code = u.refusal_code, reason = u.reason, not_before = u.not_before, accepted_at = u.accepted_at,
            num_segments = u.num_segments, price_micros = u.price_micros, price_currency = u.price_currency,
            updated_at = :now
        FROM unnest(
            CAST(:ids AS uuid[]), CAST(:statuses AS text[]), CAST(:sids AS text[]), CAST(:accounts AS text[]),
            CAST(:error_codes AS int[]), CAST(:refusal_codes AS text[]), CAST(:reasons AS text[]),
            CAST(:not_before AS timestamptz[]), CAST(:accepted_at AS timestamptz[]),
            CAST(:num_segments AS int[]), CAST(:prices AS bigint[]), CAST(:currencies AS text[])
        ) AS u(id, status, twilio_sid, account_sid, error_code, refusal_code, reason, not_before, accepted_at,
               num_segments, price_micros, price_currency)
        WHERE m.company_id = :company_id AND m.id = u.id
    ), counted AS (
        INSERT INTO bulk_count_changes (company_id, id, bulk_send_id, status, code, change)
        SELECT :company_id, u.id, u.bulk_send_id, u.status, u.code, u.change
        FROM unnest(
            CAST(:count_ids AS uuid[]), CAST(:count_sends AS uuid[]), CAST(:count_statuses AS text[]),
            CAST(:count_codes AS text[]), CAST(:count_changes AS int[])
        ) AS u(id, bulk_send_id, status, code, change)
    )
    INSERT INTO message_events (company_id, id, message_id, at, kind, detail)
    SELECT :company_id, u.id, u.message_id, :now, u.kind, CAST(u.detail AS jsonb)
    FROM unnest(
        CAST(:event_ids AS uuid[]), CAST(:message_ids AS uuid[]), CAST(:kinds AS text[]), CAST(:details AS text[])
    ) AS u(id, message_id, kind, detail)
    """,
)


async def lock(session: TenantSession, message_ids: Sequence[UUID]) -> Mapping[UUID, Record]:
    """The records of outbound texts, locked (in the order of their ids) until the transaction ends."""
    if not message_ids:
        return {}
    rows = await session.execute(_LOCK, {"company_id": session.company_id, "ids": list(message_ids)})
    return {row.id: Record(*row) for row in rows}


async def write(
    session: TenantSession, records: Iterable[Record], events: Sequence[Event], *, at: datetime | None = None
) -> None:
    """Write the records that changed, and lines on timelines in the order given, all at one instant (default: now).

    Whoever watches the company hears of the texts whose records changed, apart from those of bulk sends.
    """
    changed = [record for record in records if record.changed]
    await _save(session, changed, events, _moves(changed), at=at)
    for record in changed:
        record.before = record.count_key


async def count(session: TenantSession, counts: Counts) -> None:
    """Note that so many recipients of a bulk send came to a status, or (below zero) left it."""
    await _save(session, (), (), counts, at=None)


async def count_move(session: TenantSession, message: Message, *, before: CountKey) -> None:
    """Note that a text that stood differently before has moved, if it is one of a bulk send."""
    if message.bulk_send_id is not None:
        now = count_key_of(message.status, refusal_code=message.refusal_code, error_code=message.error_code)
        await count(session, Counter({(message.bulk_send_id, *now): 1, (message.bulk_send_id, *before): -1}))


async def note(session: TenantSession, events: Sequence[Event], *, at: datetime | None = None) -> None:
    """Add lines to timelines; see `write`."""
    await write(session, (), events, at=at)


def _moves(records: Iterable[Record]) -> Counts:
    counts: Counts = Counter()
    for record in records:
        if record.bulk_send_id is not None and record.count_key != record.before:
            counts[record.bulk_send_id, *record.count_key] += 1
            counts[record.bulk_send_id, *record.before] -= 1
    return counts


def _columns(counts: Counts) -> dict[str, object]:
    moved = [(key, change) for key, change in counts.items() if change]
    return {
        "count_ids": [new_id() for _ in moved],
        "count_sends": [key[0] for key, _ in moved],
        "count_statuses": [key[1] for key, _ in moved],
        "count_codes": [key[2] for key, _ in moved],
        "count_changes": [change for _, change in moved],
    }


async def _save(
    session: TenantSession, changed: Sequence[Record], events: Sequence[Event], counts: Counts, *, at: datetime | None
) -> None:
    if not changed and not events and not any(counts.values()):
        return
    for record in changed:
        # A bulk send says itself how it moves on; its texts would push all other events out of the stream.
        if record.bulk_send_id is None:
            emit(session, kind="message.status", subject_id=record.id, conversation_id=record.conversation_id)
    await session.execute(
        _WRITE,
        {
            "company_id": session.company_id,
            "now": at or utc_now(),
            "ids": [record.id for record in changed],
            "statuses": [record.status for record in changed],
            "sids": [record.twilio_sid for record in changed],
            "accounts": [record.account_sid for record in changed],
            "error_codes": [record.error_code for record in changed],
            "refusal_codes": [record.refusal_code for record in changed],
            "reasons": [record.reason for record in changed],
            "not_before": [record.not_before for record in changed],
            "accepted_at": [record.accepted_at for record in changed],
            "num_segments": [record.num_segments for record in changed],
            "prices": [record.price_micros for record in changed],
            "currencies": [record.price_currency for record in changed],
            "event_ids": [new_id() for _ in events],
            "message_ids": [event.message_id for event in events],
            "kinds": [event.kind for event in events],
            "details": [json.dumps(event.detail, default=str) for event in events],
            **_columns(counts),
        },
    )
