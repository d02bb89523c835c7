"""Storing an inbound text: all of it in one transaction, and all of it once."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from ringfence.features.consent import actions as consent
from ringfence.features.consent.values import Heard, hear
from ringfence.features.conversations import actions as conversations
from ringfence.features.conversations.values import preview_of
from ringfence.features.events.actions import emit
from ringfence.features.messages.actions import indexing, recording
from ringfence.features.messages.actions.indexing import Said
from ringfence.features.messages.actions.merging import Event
from ringfence.features.messages.actions.past_words import PastWord, obey_past
from ringfence.features.messages.model import Media
from ringfence.features.messages.queries.inbound import Surroundings
from ringfence.features.messages.values import AnswerByItself, FetchMedia, inbound_key
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.phone import e164_or_none
from ringfence.kit.segments import count_segments
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

# Intake, text and the first line of its timeline are one statement: nothing comes back when the webhook (or the text)
# is known already, and then nothing of it has been written.
_STORE = register(
    "messages.receive",
    """
    WITH intake AS (
        INSERT INTO webhook_events (company_id, id, kind, dedupe_key, message_id, parameters, received_at)
        VALUES (:company_id, :intake_id, 'inbound', :dedupe_key, :message_id, CAST(:parameters AS jsonb), :now)
        ON CONFLICT (company_id, dedupe_key) DO NOTHING
        RETURNING message_id
    ), message AS (
        INSERT INTO sms_messages (
            company_id, id, conversation_id, phone_number_id, contact_id, direction, status, from_number, to_number,
            body, encoding, num_segments, num_media, priority, source, account_sid, twilio_sid, created_at, updated_at
        )
        SELECT :company_id, intake.message_id, :conversation_id, :phone_number_id, :contact_id, 'inbound', 'received',
               :from_number, :to_number, :body, :encoding, :num_segments, :num_media, 0, :source, :account_sid,
               :twilio_sid, :at, :now
        FROM intake
        ON CONFLICT (company_id, twilio_sid) WHERE twilio_sid IS NOT NULL DO NOTHING
        RETURNING id
    )
    INSERT INTO message_events (company_id, id, message_id, at, kind, detail)
    SELECT :company_id, :event_id, message.id, :now, 'received', CAST(:detail AS jsonb)
    FROM message
    RETURNING message_id
    """,
)


ANSWERED_LATE: Final = timedelta(minutes=5)
"""How late a text may be found and still be answered automatically."""


class AlreadyStoredError(Exception):
    """The same text was stored by another request meanwhile; roll back, there is nothing to add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """A text as Twilio's webhook tells it. `parameters` is everything that came, without the body.

    `late_since` is set for a text whose webhook never came: the instant it reached Twilio (aware).
    """

    twilio_sid: str
    account_sid: str
    from_number: str
    to_number: str
    body: str = field(repr=False)
    media: tuple[tuple[str, str | None], ...] = field(repr=False)
    num_segments: int | None
    opt_out_type: str | None
    parameters: Mapping[str, str] = field(repr=False)
    late_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A text that has just been stored, as the rooms above look at it. Numbers are as Twilio wrote them."""

    message_id: UUID
    conversation_id: UUID
    outside_number: str
    our_number: str


@dataclass(frozen=True, slots=True)
class AfterReceiving:
    """What the rooms above do in the transaction of each inbound text: short, and only in the database.

    The door that builds the application hands it down.
    """

    steps: tuple[Callable[[TenantSession, Received], Awaitable[None]], ...]


async def receive(
    session: TenantSession, inbound: Inbound, *, phone_number_id: UUID, surroundings: Surroundings, then: AfterReceiving
) -> UUID:
    """Store a text with thread, attachments still to be fetched, and what it says about consent; its id.

    STOP and START, and what follows in the rooms above (`then`), take effect in this transaction. Raises
    AlreadyStoredError.

    A late text stands at its own time: it counts as unread, keeps what is newer last, and does not undo what the
    contact or staff said after it. It is answered automatically only within ANSWERED_LATE.
    """
    now = utc_now()
    at = inbound.late_since or now
    conversation_id = await conversations.bump(
        session,
        phone_number_id=phone_number_id,
        outside_number=inbound.from_number,
        contact_id=surroundings.contact_id,
        direction="inbound",
        at=at,
        preview=preview_of(inbound.body, len(inbound.media)),
    )
    count = count_segments(inbound.body)
    message_id = new_id()
    stored = await session.execute(
        _STORE,
        {
            "company_id": session.company_id,
            "intake_id": new_id(),
            "event_id": new_id(),
            "message_id": message_id,
            "dedupe_key": inbound_key(inbound.twilio_sid),
            "parameters": json.dumps(dict(inbound.parameters)),
            "conversation_id": conversation_id,
            "phone_number_id": phone_number_id,
            "contact_id": surroundings.contact_id,
            "from_number": inbound.from_number,
            "to_number": inbound.to_number,
            "body": inbound.body,
            "encoding": count.encoding,
            "num_segments": inbound.num_segments or count.segments,
            "num_media": len(inbound.media),
            "account_sid": inbound.account_sid,
            "twilio_sid": inbound.twilio_sid,
            "source": "webhook" if inbound.late_since is None else "sync",
            "detail": "{}" if inbound.late_since is None else '{"late": true}',
            "at": at,
            "now": now,
        },
    )
    if stored.first() is None:
        raise AlreadyStoredError
    await indexing.index(session, [Said(message_id, at, inbound.body)])
    if inbound.media:
        await _expect_media(session, message_id, inbound)
    heard = hear(inbound.body, inbound.opt_out_type)
    if heard is not None:
        await _obey(session, heard, inbound, message_id=message_id, phone_number_id=phone_number_id)
    elif surroundings.auto_reply and e164_or_none(inbound.from_number) is not None and now - at < ANSWERED_LATE:
        await enqueue(session, AnswerByItself(message_id=message_id))
    emit(session, kind="message.received", subject_id=message_id, conversation_id=conversation_id)
    received = Received(
        message_id=message_id,
        conversation_id=conversation_id,
        outside_number=inbound.from_number,
        our_number=inbound.to_number,
    )
    for step in then.steps:
        await step(session, received)
    return message_id


async def _expect_media(session: TenantSession, message_id: UUID, inbound: Inbound) -> None:
    now = utc_now()
    session.add_all(
        Media(
            message_id=message_id,
            position=position,
            status="pending",
            source_url=url,
            content_type=content_type,
            created_at=now,
        )
        for position, (url, content_type) in enumerate(inbound.media)
    )
    await session.flush()
    await enqueue(session, FetchMedia(message_id=message_id))


async def _obey(
    session: TenantSession, heard: Heard, inbound: Inbound, *, message_id: UUID, phone_number_id: UUID
) -> None:
    """Do what a keyword asks for. Twilio itself answers the contact; here nothing is sent."""
    evidence = {"message_id": str(message_id), "text": inbound.body.strip()[:40], "to": inbound.to_number}
    changed = False
    if inbound.late_since is not None:
        word = PastWord(
            message_id=message_id,
            wish=heard.wish,
            outside_number=inbound.from_number,
            our_number=inbound.to_number,
            phone_number_id=phone_number_id,
            text=inbound.body,
            at=inbound.late_since,
        )
        changed = await obey_past(session, word)
    elif heard.wish == "STOP":
        changed = await consent.opt_out_in_company_scope(
            session,
            outside_number=inbound.from_number,
            phone_number_id=phone_number_id,
            source=heard.source,
            evidence=evidence,
        )
    elif heard.wish == "START":
        changed = bool(
            await consent.opt_in(
                session,
                outside_number=inbound.from_number,
                phone_number_id=phone_number_id,
                source=heard.source,
                evidence=evidence,
            )
        )
    detail = {"wish": heard.wish, "source": heard.source, "changed": changed}
    await recording.note(session, [Event(message_id, "keyword", detail)])
