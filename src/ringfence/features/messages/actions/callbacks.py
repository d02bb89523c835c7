"""Merging status callbacks, and what a sweep learns, into texts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
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

_TAKE_IN = register(
    "messages.take_in_status",
    """
    INSERT INTO webhook_events (company_id, id, kind, dedupe_key, message_id, parameters, received_at)
    VALUES (:company_id, :id, 'status', :dedupe_key, :message_id, CAST(:parameters AS jsonb), :now)
    ON CONFLICT (company_id, dedupe_key) DO NOTHING
    RETURNING (
        SELECT started_at FROM send_attempt
        WHERE company_id = :company_id AND message_id = :message_id AND attempt = :attempt
    ) AS started_at
    """,
)


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether a callback speaks of a text of ours, and when the attempt that it reports on began (first time only)."""

    is_known: bool
    started_at: datetime | None = None


async def take_in_status(
    session: TenantSession, *, message_id: UUID | None, news: News, parameters: Mapping[str, str]
) -> Taken:
    """Keep a status callback and merge it; one that speaks of no text of ours is not kept.

    `message_id` is what our own callback address named; without one the SID has to be known.
    """
    target = message_id or await _by_sid(session, news.sid)
    record = (await recording.lock(session, [target])).get(target) if target else None
    if record is None:
        return Taken(is_known=False)
    taken = (
        await session.execute(
            _TAKE_IN,
            {
                "company_id": session.company_id,
                "id": new_id(),
                "dedupe_key": status_key(news.sid, news.status or "", news.error_code),
                "message_id": record.id,
                "attempt": news.attempt,
                "parameters": json.dumps(dict(parameters)),
                "now": utc_now(),
            },
        )
    ).first()
    if taken is None:
        return Taken(is_known=True)
    await _merge_into(session, record, news)
    return Taken(is_known=True, started_at=taken.started_at)


async def learn(session: TenantSession, message_id: UUID, news: News) -> None:
    """Merge what Twilio said of a text when it was asked."""
    record = (await recording.lock(session, [message_id])).get(message_id)
    if record is not None:
        await _merge_into(session, record, news)


async def _merge_into(session: TenantSession, record: Record, news: News) -> None:
    """The first news settles a text, wherever its outbox row stands."""
    if record.twilio_sid is None and await _by_sid(session, news.sid) is not None:
        detail = {"what": "sid_of_another_text", "twilio_sid": news.sid, "via": news.via}
        await recording.note(session, [Event(record.id, "anomaly", detail)])
        return
    now = utc_now()
    merged = merge(record, news, now=now)
    await recording.write(session, [record], merged.events, at=now)
    if merged.settled:
        await outbox.settle(session, [record.id])
    if record.changed and record.error_code == OPTED_OUT_AT_TWILIO:
        await note_opt_out_at_twilio(session, record)


async def _by_sid(session: TenantSession, sid: str) -> UUID | None:
    return await session.scalar(
        select(Message.id).where(Message.company_id == session.company_id, Message.twilio_sid == sid)
    )
