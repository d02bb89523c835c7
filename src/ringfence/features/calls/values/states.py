"""States of calls and of their legs: pure rules, so that any order of news ends in the same state.

A call has a first leg (the user of a call we make, the caller of one that comes in) and others that were dialled into
it. Each leg is merged by rank and by Twilio's SequenceNumber; what the call is, follows from its legs alone.
Twilio's words: https://www.twilio.com/docs/voice/api/call-resource#call-status-values.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from ringfence.kit.money import Money

Direction = Literal["inbound", "outbound"]
Role = Literal["user", "contact"]

DIRECTIONS = ("inbound", "outbound")
SOURCES = ("api", "console", "redial", "webhook", "sync")
ROLES = ("user", "contact")
RECORDING_KINDS = ("call", "voicemail")
RECORDING_STATUSES = ("pending", "stored", "failed")

LEG_RANKS = {
    "planned": 0,
    "initiated": 10,
    "ringing": 20,
    "in_progress": 30,
    "completed": 40,
    "busy": 40,
    "no_answer": 40,
    "failed": 40,
    "canceled": 40,
}
LEG_STATUSES = tuple(LEG_RANKS)

# `unconfirmed` is low: a late callback or a look-up may still adopt the call.
CALL_RANKS = {
    "queued": 0,
    "unconfirmed": 5,
    "initiated": 10,
    "ringing": 20,
    "in_progress": 30,
    "completed": 40,
    "busy": 40,
    "no_answer": 40,
    "failed": 40,
    "canceled": 40,
}
CALL_STATUSES = tuple(CALL_RANKS)
FINAL = frozenset(status for status, rank in CALL_RANKS.items() if rank == 40)

FROM_TWILIO = {
    "queued": "initiated",
    "initiated": "initiated",
    "ringing": "ringing",
    "in-progress": "in_progress",
    "answered": "in_progress",
    "completed": "completed",
    "busy": "busy",
    "no-answer": "no_answer",
    "failed": "failed",
    "canceled": "canceled",
}


@dataclass(slots=True)
class Leg:
    """What is known of one leg. `position` 0 is the first one; `sequence` is that of the callback it stands on."""

    id: UUID
    role: str
    position: int
    status: str
    twilio_sid: str | None
    sequence: int | None
    user_id: UUID | None
    answered_at: datetime | None
    ended_at: datetime | None
    duration_seconds: int | None
    price_micros: int | None = None
    price_currency: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether no state can follow."""
        return LEG_RANKS[self.status] == 40

    @property
    def talk_began(self) -> datetime | None:
        """When it was answered; reckoned from its length when the callback about the answer never came."""
        if self.answered_at is not None or self.ended_at is None or not self.duration_seconds:
            return self.answered_at
        return self.ended_at - timedelta(seconds=self.duration_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What Twilio says of one leg. `sequence` counts the callbacks of a leg; None for what was said elsewhere.

    `at` is when it happened, as far as it is told. `price` is as Twilio writes it (negative for a charge), None until
    it is settled.
    """

    sid: str
    status: str
    at: datetime
    sequence: int | None = None
    duration_seconds: int | None = None
    price: Money | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """What a call is, by its legs. `talk` is the leg in which people talked."""

    status: str
    reason: str | None
    talk: Leg | None


def merge(leg: Leg, news: News) -> bool:
    """Merge news into a leg, whatever came before; whether anything changed.

    A higher rank wins. Of two different ends the one with the higher SequenceNumber stands, and a callback's word
    stands over what was said elsewhere. News under another SID than the leg's own changes nothing.
    """
    if leg.twilio_sid is not None and leg.twilio_sid != news.sid:
        return False
    before = replace(leg)
    leg.twilio_sid = news.sid
    status = FROM_TWILIO.get(news.status, leg.status)
    if status == "in_progress":
        leg.answered_at = min(leg.answered_at or news.at, news.at)
    old, new = LEG_RANKS[leg.status], LEG_RANKS[status]
    if new > old or (new == old == 40 and _weight(news.sequence) > _weight(leg.sequence)):
        leg.status, leg.sequence = status, news.sequence
        if new == 40:
            leg.ended_at = news.at
    if status == leg.status and leg.is_over and news.duration_seconds is not None:
        leg.duration_seconds = news.duration_seconds
    if news.price is not None and (leg.price_micros is None or -news.price.micros > leg.price_micros):
        leg.price_micros, leg.price_currency = -news.price.micros, news.price.currency
    return before != leg


def whole(direction: str, legs: Sequence[Leg], *, voicemail: bool) -> Whole:
    """What a call is. `legs` holds the first one at least."""
    first, *others = sorted(legs, key=lambda leg: leg.position)
    talk = next((leg for leg in others if leg.status in {"in_progress", "completed"}), None)
    if talk is not None:
        over = first.is_over or talk.is_over
        return Whole("completed" if over else "in_progress", None, talk)
    if direction == "outbound":
        return _outbound(first, next(iter(others), None))
    if not first.is_over:
        return Whole("ringing", None, None)
    if first.status == "failed":
        return Whole("failed", None, None)
    return Whole("no_answer", "voicemail" if voicemail else "missed", None)


def as_told(direction: str, legs: Sequence[Leg], *, voicemail: bool) -> Whole:
    """What a call is that another program made or answered: as Twilio tells of its legs, with no rule of ours."""
    first, *others = sorted(legs, key=lambda leg: leg.position)
    talk = next((leg for leg in others if leg.status in {"in_progress", "completed"}), None)
    if talk is not None:
        return Whole("completed" if first.is_over or talk.is_over else "in_progress", None, talk)
    if direction == "inbound" and voicemail:
        return Whole("no_answer", "voicemail", None)
    if others and first.is_over:
        return Whole("no_answer", "missed", None) if direction == "inbound" else Whole(others[-1].status, None, None)
    status = "queued" if first.status == "planned" else first.status
    return Whole(status, None, first if first.status == "completed" else None)


def _outbound(user: Leg, contact: Leg | None) -> Whole:
    if contact is not None and contact.is_over:
        return Whole(contact.status, f"contact_{contact.status}", None)
    if user.status in {"completed", "canceled"}:
        return Whole("canceled", "user_hung_up", None)
    if user.is_over:
        return Whole(user.status, f"user_{user.status}", None)
    if user.status == "planned":
        return Whole("queued", None, None)
    return Whole("ringing" if user.status == "in_progress" else user.status, None, None)


def _weight(sequence: int | None) -> int:
    return -1 if sequence is None else sequence
