"""What taking in Twilio's own log has to know: which of its texts are here, and which could be ours without a SID."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from ringfence.features.consent.values import hear
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

_HANDED_IN_BEFORE: Final = timedelta(days=40)
"""How long a text may have waited (held, scheduled) before it was sent."""
_LONGEST_WORD: Final = 20
_MOST_WORDS: Final = 200

# Both answers are of one instant. The dispatcher commits its intent before Twilio hears of a text, so a text that is
# in Twilio's list and ours is found here either by its SID or as one that still waits for it, never as neither.
_STANDING = register(
    "messages.known_or_waiting",
    """
    SELECT m.id, m.twilio_sid, m.direction, m.status, m.price_micros, m.from_number, m.to_number, m.body, m.num_media,
           NULL AS started_at, false AS open
    FROM sms_messages m
    WHERE m.company_id = :company_id AND m.twilio_sid = ANY(CAST(:sids AS text[])) AND m.twilio_sid IS NOT NULL
    UNION ALL
    SELECT m.id, NULL, m.direction, m.status, m.price_micros, m.from_number, m.to_number, m.body, m.num_media,
           a.started_at, o.message_id IS NOT NULL
    FROM sms_messages m
    JOIN send_attempt a ON a.company_id = :company_id AND a.message_id = m.id
    LEFT JOIN outbox o ON o.company_id = :company_id AND o.message_id = m.id
    WHERE m.company_id = :company_id AND m.to_number = ANY(CAST(:outside AS text[])) AND m.created_at > :handed_in_since
      AND m.direction = 'outbound' AND m.twilio_sid IS NULL AND m.status NOT IN ('failed', 'refused', 'canceled')
    """,
)
_CONTACTS = register(
    "messages.contacts_of",
    """
    SELECT n.number, COALESCE(
        (SELECT id FROM contacts
         WHERE company_id = :company_id AND phone_number = n.number AND deleted_at IS NULL),
        (SELECT into_it.id FROM contacts merged
         JOIN contacts into_it ON into_it.company_id = :company_id AND into_it.id = merged.merged_into
                              AND into_it.deleted_at IS NULL
         WHERE merged.company_id = :company_id AND merged.phone_number = n.number AND merged.merged_into IS NOT NULL)
    ) AS contact_id
    FROM unnest(CAST(:numbers AS text[])) AS n(number)
    """,
)
_LATER_WORDS = register(
    "messages.later_words",
    """
    SELECT m.id, m.phone_number_id, m.to_number, m.body, m.created_at
    FROM sms_messages m
    WHERE m.company_id = :company_id AND m.direction = 'inbound' AND m.created_at > :at
      AND char_length(m.body) <= :longest
      AND m.conversation_id IN (SELECT c.id FROM conversations c
                                WHERE c.company_id = :company_id AND c.outside_number = :outside_number)
    ORDER BY m.created_at
    LIMIT :most
    """,
)
_WITHOUT_MEDIA = register(
    "messages.without_media",
    """
    SELECT m.id, m.twilio_sid, m.created_at
    FROM sms_messages m
    WHERE m.company_id = :company_id AND (m.created_at, m.id) > (:after_at, :after_id) AND m.num_media > 0
      AND m.account_sid = :account_sid AND m.twilio_sid IS NOT NULL AND m.deleted_at IS NULL
      AND NOT EXISTS (SELECT FROM sms_media a WHERE a.company_id = :company_id AND a.message_id = m.id)
    ORDER BY m.created_at, m.id
    LIMIT :most
    """,
)


@dataclass(frozen=True, slots=True)
class Known:
    """A text that has its SID."""

    id: UUID
    inbound: bool
    status: str
    price_micros: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A text of ours that Twilio was asked to send and whose SID is not known; `open` while the engine looks for it."""

    id: UUID
    from_number: str
    to_number: str
    body: str = field(repr=False)
    num_media: int
    started_at: datetime
    open: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What is here of some of Twilio's texts: those known by SID, and those of ours that could be one of them."""

    known: Mapping[str, Known]
    waiting: Sequence[Waiting]


async def standing(
    session: TenantSession, *, sids: Sequence[str], sent_to: Sequence[str], oldest: datetime
) -> Standing:
    """Look up texts by SID, and own texts without one to these numbers; `oldest` is the oldest text's time."""
    rows = await session.execute(
        _STANDING,
        {
            "company_id": session.company_id,
            "sids": list(sids),
            "outside": list(sent_to),
            "handed_in_since": oldest - _HANDED_IN_BEFORE,
        },
    )
    known: dict[str, Known] = {}
    waiting: list[Waiting] = []
    for row in rows:
        if row.twilio_sid is not None:
            known[row.twilio_sid] = Known(row.id, row.direction == "inbound", row.status, row.price_micros)
        else:
            waiting.append(
                Waiting(row.id, row.from_number or "", row.to_number, row.body, row.num_media, row.started_at, row.open)
            )
    return Standing(known, waiting)


async def contacts_of(session: TenantSession, numbers: Sequence[str]) -> dict[str, UUID | None]:
    """Number → the contact who is reached there, or None."""
    rows = await session.execute(_CONTACTS, {"company_id": session.company_id, "numbers": list(numbers)})
    return {row.number: row.contact_id for row in rows}


@dataclass(frozen=True, slots=True)
class Word:
    """A START that came in after some instant."""

    message_id: UUID
    to_number: str
    text: str
    at: datetime


async def first_start_after(
    session: TenantSession, *, outside_number: str, phone_number_id: UUID | None, at: datetime
) -> Word | None:
    """The first text after an instant by which a contact asked for texts again.

    `phone_number_id` is which of our numbers it must have gone to (None: any). Looks at up to 200 short texts.
    """
    rows = await session.execute(
        _LATER_WORDS,
        {
            "company_id": session.company_id,
            "outside_number": outside_number,
            "at": at,
            "longest": _LONGEST_WORD,
            "most": _MOST_WORDS,
        },
    )
    for row in rows:
        heard = hear(row.body, None)
        if heard and heard.wish == "START" and phone_number_id in {None, row.phone_number_id}:
            return Word(row.id, row.to_number, row.body, row.created_at)
    return None


@dataclass(frozen=True, slots=True)
class WithoutMedia:
    """A text that has attachments at Twilio of which nothing is here."""

    id: UUID
    twilio_sid: str
    created_at: datetime


async def without_media(
    session: TenantSession, *, account_sid: str, after: tuple[datetime, UUID], limit: int
) -> list[WithoutMedia]:
    """Texts of an account whose attachments are not known, oldest first, after a position (time and id)."""
    rows = await session.execute(
        _WITHOUT_MEDIA,
        {
            "company_id": session.company_id,
            "account_sid": account_sid,
            "after_at": after[0],
            "after_id": after[1],
            "most": limit,
        },
    )
    return [WithoutMedia(*row) for row in rows]
