"""Merging status callbacks, and what a sweep learns, into texts: many of one company at a time."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from ringfence.dispatch import outbox
from ringfence.features.consent.values import OPTED_OUT_AT_TWILIO
from ringfence.features.messages.actions import recording
from ringfence.features.messages.actions.dispatching import note_opt_out_at_twilio
from ringfence.features.messages.actions.merging import Event, News, Record, merge
from ringfence.features.messages.model import Message
from ringfence.features.messages.values import status_key
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

_KEEP = register(
    "messages.keep_callbacks",
    """
    INSERT INTO webhook_events (company_id, id, kind, dedupe_key, message_id, parameters, received_at)
    SELECT :company_id, u.id, 'status', u.dedupe_key, u.message_id, CAST(u.parameters AS jsonb), :now
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:dedupe_keys AS text[]), CAST(:message_ids AS uuid[]), CAST(:parameters AS text[])
    ) AS u(id, dedupe_key, message_id, parameters)
    ON CONFLICT (company_id, dedupe_key) DO NOTHING
    RETURNING id
    """,
)
_STARTS = register(
    "messages.attempt_starts",
    """
    SELECT a.message_id, a.attempt, a.started_at
    FROM unnest(CAST(:message_ids AS uuid[]), CAST(:attempts AS int[])) AS u(message_id, attempt)
    JOIN send_attempt a
      ON a.company_id = :company_id AND a.message_id = u.message_id AND a.attempt = u.attempt
    """,
)


@dataclass(frozen=True, slots=True)
class Callback:
    """One status callback; `message_id` is what our own callback address named, None when it named none."""

    message_id: UUID | None
    news: News
    parameters: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether a callback speaks of a text of ours, and when the attempt that it reports on began (first time only)."""

    is_known: bool
    started_at: datetime | None = None


async def take_in(session: TenantSession, callbacks: Sequence[Callback]) -> list[Taken]:
    """Keep status callbacks and merge them in the order given; what came of each.

    One that speaks of no text of ours is not kept: without a named text its SID has to be known. The same news a
    second time, in an earlier transaction or in this one, changes nothing.
    """
    owners = await _owners(session, [callback.news.sid for callback in callbacks])
    targets = [callback.message_id or owners.get(callback.news.sid) for callback in callbacks]
    records = await recording.lock(session, sorted({target for target in targets if target is not None}))
    # Whoever had the locks before may have given a text its SID meanwhile.
    owners |= {record.twilio_sid: record.id for record in records.values() if record.twilio_sid is not None}
    known = [
        (number, callback, records[target])
        for number, (callback, target) in enumerate(zip(callbacks, targets, strict=True))
        if target is not None and target in records
    ]
    is_new = await _keep(session, known)
    fresh = [item for item, new in zip(known, is_new, strict=True) if new]
    await _merge(session, [(record, callback.news) for _, callback, record in fresh], owners)
    starts = await _attempt_starts(session, [(record.id, callback.news.attempt) for _, callback, record in fresh])
    taken = [Taken(is_known=target in records) for target in targets]
    for number, callback, record in fresh:
        taken[number] = Taken(is_known=True, started_at=starts.get((record.id, callback.news.attempt)))
    return taken


@dataclass(frozen=True, slots=True)
class Learned:
    """How many texts moved to another status by what was learned, and how many got a price."""

    statuses: int
    prices: int


Tell = Callable[[TenantSession, Learned], Awaitable[None]]
"""Whoever keeps count of what asking Twilio has mended."""


async def learn(session: TenantSession, told: Mapping[UUID, News]) -> Learned:
    """Merge what Twilio said of outbound texts when it was asked."""
    if not told:
        return Learned(0, 0)
    owners = await _owners(session, [news.sid for news in told.values()])
    records = await recording.lock(session, sorted(told))
    owners |= {record.twilio_sid: record.id for record in records.values() if record.twilio_sid is not None}
    before = {record.id: (record.status, record.price_micros) for record in records.values()}
    await _merge(session, [(record, told[record.id]) for record in records.values()], owners)
    return Learned(
        statuses=sum(record.status != before[record.id][0] for record in records.values()),
        prices=sum(record.price_micros != before[record.id][1] for record in records.values()),
    )


async def _merge(session: TenantSession, pairs: Sequence[tuple[Record, News]], owners: dict[str, UUID]) -> None:
    """The first news settles a text, wherever its outbox row stands."""
    now = utc_now()
    events: list[Event] = []
    settled: list[UUID] = []
    for record, news in pairs:
        if record.twilio_sid is None and owners.setdefault(news.sid, record.id) != record.id:
            detail = {"what": "sid_of_another_text", "twilio_sid": news.sid, "via": news.via}
            events.append(Event(record.id, "anomaly", detail))
            continue
        merged = merge(record, news, now=now)
        events += merged.events
        if merged.settled:
            settled.append(record.id)
    records = list({record.id: record for record, _ in pairs}.values())
    await recording.write(session, records, events, at=now)
    if settled:
        await outbox.settle(session, settled)
    for record in records:
        if record.changed and record.error_code == OPTED_OUT_AT_TWILIO:
            await note_opt_out_at_twilio(session, record)


async def _keep(session: TenantSession, known: Sequence[tuple[int, Callback, Record]]) -> list[bool]:
    """Store the callbacks themselves; for each, whether it was new."""
    if not known:
        return []
    ids = [new_id() for _ in known]
    rows = await session.scalars(
        _KEEP,
        {
            "company_id": session.company_id,
            "now": utc_now(),
            "ids": ids,
            "dedupe_keys": [status_key(c.news.sid, c.news.status or "", c.news.error_code) for _, c, _ in known],
            "message_ids": [record.id for _, _, record in known],
            "parameters": [json.dumps(dict(callback.parameters)) for _, callback, _ in known],
        },
    )
    stored = set(rows)
    return [event_id in stored for event_id in ids]


async def _attempt_starts(
    session: TenantSession, attempts: Sequence[tuple[UUID, int | None]]
) -> Mapping[tuple[UUID, int | None], datetime]:
    named = [(message_id, attempt) for message_id, attempt in attempts if attempt is not None]
    if not named:
        return {}
    rows = await session.execute(
        _STARTS,
        {
            "company_id": session.company_id,
            "message_ids": [message_id for message_id, _ in named],
            "attempts": [attempt for _, attempt in named],
        },
    )
    return {(row.message_id, row.attempt): row.started_at for row in rows}


async def _owners(session: TenantSession, sids: Sequence[str]) -> dict[str, UUID]:
    rows = await session.execute(
        select(Message.twilio_sid, Message.id).where(
            Message.company_id == session.company_id, Message.twilio_sid.in_(set(sids))
        )
    )
    return {row.twilio_sid: row.id for row in rows if row.twilio_sid is not None}
