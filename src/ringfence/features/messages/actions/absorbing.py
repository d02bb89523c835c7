"""Taking in a page of Twilio's own log: texts that are not here yet, and what is new of those that are.

Silent: nothing is sent, nobody is notified, nothing becomes unread. Each text stands at the time it has at Twilio.
Taking in the same page twice changes nothing the second time.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from ringfence.features.consent.values import hear
from ringfence.features.conversations import actions as conversations
from ringfence.features.conversations.actions import Span
from ringfence.features.conversations.values import preview_of
from ringfence.features.messages.actions import indexing
from ringfence.features.messages.actions.callbacks import Learned, learn
from ringfence.features.messages.actions.indexing import Said
from ringfence.features.messages.actions.merging import News, news_of
from ringfence.features.messages.actions.past_words import PastWord, obey_past
from ringfence.features.messages.actions.sorting import Ours, claim, whose
from ringfence.features.messages.queries import past
from ringfence.features.messages.queries.past import Known
from ringfence.features.messages.values import FROM_TWILIO, moves_forward, reason_of
from ringfence.features.phone_numbers.values import Holding
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import MOST_PLACE, new_id, past_id
from ringfence.kit.segments import count_segments
from ringfence.providers.twilio.records import MessageInfo
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

_INSERT = register(
    "messages.absorb",
    """
    WITH stored AS (
        INSERT INTO sms_messages (
            company_id, id, conversation_id, phone_number_id, contact_id, direction, status, from_number, to_number,
            body, encoding, num_segments, num_media, priority, source, account_sid, twilio_sid, error_code, reason,
            price_micros, price_currency, created_at, updated_at, accepted_at
        )
        SELECT :company_id, u.id, u.conversation_id, u.phone_number_id, u.contact_id, u.direction, u.status,
               u.from_number, u.to_number, u.body, u.encoding, u.num_segments, u.num_media, 0, 'sync', :account_sid,
               u.twilio_sid, u.error_code, u.reason, u.price_micros, u.price_currency, u.created_at, :now,
               CASE WHEN u.direction = 'outbound' THEN u.created_at END
        FROM unnest(
            CAST(:ids AS uuid[]), CAST(:conversations AS uuid[]), CAST(:numbers AS uuid[]), CAST(:contacts AS uuid[]),
            CAST(:directions AS text[]), CAST(:statuses AS text[]), CAST(:senders AS text[]),
            CAST(:recipients AS text[]), CAST(:bodies AS text[]), CAST(:encodings AS text[]), CAST(:segments AS int[]),
            CAST(:media AS int[]), CAST(:sids AS text[]), CAST(:codes AS int[]), CAST(:reasons AS text[]),
            CAST(:prices AS bigint[]), CAST(:currencies AS text[]), CAST(:times AS timestamptz[])
        ) AS u(id, conversation_id, phone_number_id, contact_id, direction, status, from_number, to_number, body,
               encoding, num_segments, num_media, twilio_sid, error_code, reason, price_micros, price_currency,
               created_at)
        ON CONFLICT (company_id, twilio_sid) WHERE twilio_sid IS NOT NULL DO NOTHING
        RETURNING id
    ), noted AS (
        INSERT INTO message_events (company_id, id, message_id, at, kind, detail)
        SELECT :company_id, e.event_id, e.message_id, :now, 'recorded', CAST(:detail AS jsonb)
        FROM stored JOIN unnest(CAST(:ids AS uuid[]), CAST(:event_ids AS uuid[])) AS e(message_id, event_id)
          ON e.message_id = stored.id
    )
    SELECT id FROM stored
    """,
)
_PRICE_INBOUND = register(
    "messages.price_inbound",
    """
    UPDATE sms_messages m SET price_micros = u.price, price_currency = u.currency, updated_at = :now
    FROM unnest(CAST(:ids AS uuid[]), CAST(:prices AS bigint[]), CAST(:currencies AS text[])) AS u(id, price, currency)
    WHERE m.company_id = :company_id AND m.id = u.id AND m.direction = 'inbound'
      AND (m.price_micros IS NULL OR m.price_micros < u.price)
    RETURNING m.id
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """A page of an account's log, and what decides whose its texts are. `place` counts the texts of earlier pages.

    Pages come newest first, so of two texts of one second the one with the lower place is the later one.
    """

    account_sid: str
    texts: Sequence[MessageInfo] = field(repr=False)
    holdings: Mapping[str, Holding] = field(repr=False)
    via: Literal["sync", "sweep"]
    place: int = 0


@dataclass(slots=True)
class Absorbed:
    """What taking in a page did: texts added, texts whose status moved, texts that got a price, and those left out."""

    added: int = 0
    statuses: int = 0
    prices: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])


async def lost(session: TenantSession, page: LogPage) -> list[Ours]:
    """Inbound texts of a page that are not here, oldest first."""
    ours = [text for info in page.texts if isinstance(text := whose(info, page.holdings), Ours) and text.inbound]
    here = await past.standing(session, sids=[text.info.sid for text in ours], sent_to=(), oldest=utc_now())
    # Of one second's texts the one that Twilio lists first is the later one.
    missing = [text for text in ours[::-1] if text.info.sid not in here.known]
    return sorted(missing, key=lambda text: text.info.created_at)


async def absorb(session: TenantSession, page: LogPage) -> Absorbed:
    """Take in a page in the caller's transaction."""
    done = Absorbed()
    texts: list[tuple[int, Ours]] = []
    for position, info in enumerate(page.texts):
        text = whose(info, page.holdings)
        if isinstance(text, Ours):
            texts.append((page.place + position, text))
        else:
            done.skipped[text] += 1
    if not texts:
        return done
    here = await past.standing(
        session,
        sids=[text.info.sid for _, text in texts],
        sent_to=sorted({text.outside_number for _, text in texts if not text.inbound}),
        oldest=min(text.info.created_at for _, text in texts),
    )
    unknown = [(place, text) for place, text in texts if text.info.sid not in here.known]
    claimed = claim([text for _, text in unknown if not text.inbound], here.waiting)
    learned = await _learn(session, page, [text for _, text in texts], here.known, claimed)
    done.statuses, done.prices = learned.statuses, learned.prices
    done.skipped.update(word for word in claimed.values() if not isinstance(word, UUID))
    await _add(session, page, [item for item in unknown if item[1].info.sid not in claimed], done)
    return done


async def _learn(
    session: TenantSession,
    page: LogPage,
    texts: Sequence[Ours],
    known_here: Mapping[str, Known],
    claimed: Mapping[str, UUID | str],
) -> Learned:
    """What is new of texts that are here, and of those of ours that are found again."""
    told: dict[UUID, News] = {}
    inbound: list[tuple[UUID, MessageInfo]] = []
    for text in texts:
        known, owner = known_here.get(text.info.sid), claimed.get(text.info.sid)
        if known is not None and known.inbound:
            if _has_new_price(known, text.info):
                inbound.append((known.id, text.info))
        elif known is not None and _is_news(known, text.info):
            told[known.id] = news_of(text.info, via=page.via)
        elif isinstance(owner, UUID):
            told[owner] = news_of(text.info, via=page.via)
    learned = await learn(session, told)
    if not inbound:
        return learned
    prices = [info.price for _, info in inbound]
    rows = await session.execute(
        _PRICE_INBOUND,
        {
            "company_id": session.company_id,
            "now": utc_now(),
            "ids": [message_id for message_id, _ in inbound],
            "prices": [-price.micros for price in prices if price],
            "currencies": [price.currency for price in prices if price],
        },
    )
    return Learned(learned.statuses, learned.prices + len(rows.all()))


async def _add(session: TenantSession, page: LogPage, items: Sequence[tuple[int, Ours]], done: Absorbed) -> None:
    """Store texts that are not here, with their conversations and what they say about consent."""
    if not items:
        return
    contacts = await past.contacts_of(session, sorted({text.outside_number for _, text in items}))
    threads = await conversations.absorb(session, _spans([text for _, text in items], contacts))
    # A page can name a text twice when Twilio's list moved meanwhile.
    by_sid = {text.info.sid: (past_id(text.info.created_at, place=MOST_PLACE - place), text) for place, text in items}
    rows = list(by_sid.values())
    infos = [text.info for _, text in rows]
    counted = [count_segments(text.body) for _, text in rows]
    stored = await session.scalars(
        _INSERT,
        {
            "company_id": session.company_id,
            "account_sid": page.account_sid,
            "now": utc_now(),
            "detail": json.dumps({"source": "sync", "via": page.via}),
            "ids": [message_id for message_id, _ in rows],
            "event_ids": [new_id() for _ in rows],
            "conversations": [threads[text.phone_number_id, text.outside_number] for _, text in rows],
            "numbers": [text.phone_number_id for _, text in rows],
            "contacts": [contacts.get(text.outside_number) for _, text in rows],
            "directions": ["inbound" if text.inbound else "outbound" for _, text in rows],
            "statuses": [_status(text) for _, text in rows],
            "senders": [text.outside_number if text.inbound else text.our_number for _, text in rows],
            "recipients": [text.our_number if text.inbound else text.outside_number for _, text in rows],
            "bodies": [text.body for _, text in rows],
            "encodings": [count.encoding for count in counted],
            "segments": [info.num_segments or count.segments for info, count in zip(infos, counted, strict=True)],
            "media": [info.num_media or 0 for info in infos],
            "sids": [info.sid for info in infos],
            "codes": [info.error_code for info in infos],
            "reasons": [
                reason_of(info.error_code) if _status(text) in {"failed", "undelivered"} else None
                for info, (_, text) in zip(infos, rows, strict=True)
            ],
            "prices": [-info.price.micros if info.price else None for info in infos],
            "currencies": [info.price.currency if info.price else None for info in infos],
            "times": [info.created_at for info in infos],
        },
    )
    added = set(stored)
    done.added += len(added)
    new = [Said(message_id, text.info.created_at, text.body) for message_id, text in rows if message_id in added]
    await indexing.index(session, new)
    await _obey(session, [(message_id, text) for message_id, text in rows if message_id in added and text.inbound])


async def _obey(session: TenantSession, texts: Sequence[tuple[UUID, Ours]]) -> None:
    for message_id, text in sorted(texts, key=lambda item: (item[1].info.created_at, item[0])):
        heard = hear(text.body, None)
        if heard is not None:
            word = PastWord(
                message_id=message_id,
                wish=heard.wish,
                outside_number=text.outside_number,
                our_number=text.our_number,
                phone_number_id=text.phone_number_id,
                text=text.body,
                at=text.info.created_at,
            )
            await obey_past(session, word)


def _spans(texts: Sequence[Ours], contacts: Mapping[str, UUID | None]) -> list[Span]:
    """One for each conversation; texts are newest first."""
    threads: dict[tuple[UUID, str], list[Ours]] = {}
    for text in texts:
        threads.setdefault((text.phone_number_id, text.outside_number), []).append(text)
    spans: list[Span] = []
    for (phone_number_id, outside_number), members in threads.items():
        last = max(members, key=lambda text: text.info.created_at)
        spans.append(
            Span(
                phone_number_id=phone_number_id,
                outside_number=outside_number,
                contact_id=contacts.get(outside_number),
                first_at=min(text.info.created_at for text in members),
                last_at=last.info.created_at,
                last_direction="inbound" if last.inbound else "outbound",
                last_preview=preview_of(last.body, last.info.num_media or 0),
            )
        )
    return spans


def _status(text: Ours) -> str:
    if text.inbound:
        return "received"
    # A word that Twilio adds one day says nothing yet; the sweep asks again.
    status = FROM_TWILIO.get(text.info.status, "sending")
    return "sending" if status == "received" else status


def _is_news(known: Known, info: MessageInfo) -> bool:
    status = FROM_TWILIO.get(info.status, known.status)
    return moves_forward(known.status, status) or _has_new_price(known, info)


def _has_new_price(known: Known, info: MessageInfo) -> bool:
    return info.price is not None and (known.price_micros is None or known.price_micros < -info.price.micros)
