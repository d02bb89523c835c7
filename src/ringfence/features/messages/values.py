"""Words of a text's life, and which status may follow which."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

from ringfence.jobqueue.jobs import Job
from ringfence.providers.twilio.codes import explain

DIRECTIONS = ("inbound", "outbound")
ENCODINGS = ("GSM-7", "UCS-2")
SOURCES = ("api", "console", "retry", "scheduled", "bulk", "auto_reply", "webhook", "sync")
MEDIA_STATUSES = ("pending", "stored", "failed", "remote")

# A status only moves to a higher rank; equal ranks are final against each other, so the first one stands.
# `unconfirmed` is below `sending`: a late callback or a look-up may still adopt the text.
RANKS = {
    "held": 5,
    "queued": 10,
    "unconfirmed": 15,
    "sending": 20,
    "sent": 30,
    "delivered": 40,
    "undelivered": 40,
    "failed": 40,
    "refused": 40,
    "canceled": 40,
    "received": 40,
    "read": 50,
}
STATUSES = tuple(RANKS)
FINAL = frozenset(status for status, rank in RANKS.items() if rank >= 40)

# Twilio's words → ours (Twilio docs: message status values). `accepted`, `queued` and `scheduled` there all
# mean that Twilio has it.
FROM_TWILIO = {
    "accepted": "sending",
    "scheduled": "sending",
    "queued": "sending",
    "sending": "sending",
    "sent": "sent",
    "delivered": "delivered",
    "partially_delivered": "sent",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "canceled",
    "read": "read",
    "receiving": "received",
    "received": "received",
}


def moves_forward(current: str, new: str) -> bool:
    """Whether a text of status `current` may become `new`."""
    return RANKS[new] > RANKS[current]


# Statuses of a text that is ours alone: nothing of it has gone to Twilio, as far as anybody knows.
WAITING = frozenset({"held", "queued"})
# What a person may have sent again. Not while the outcome is open: the first one may still arrive.
RETRYABLE = frozenset({"failed", "undelivered", "refused", "unconfirmed", "canceled"})
# Statuses of a text that did not go out, and so is no reason to call another one a duplicate.
NOT_SENT = frozenset({"failed", "refused", "canceled"})

MOST_BODY_UNITS: Final = 1600
"""Twilio's longest body, in UTF-16 units (error 21617)."""
MOST_MEDIA: Final = 10
"""Twilio's most attachments of one text (error 21623)."""
DUPLICATE_SECONDS: Final = 10
"""How long the same body to the same number counts as sent by mistake."""

MOST_MEDIA_BYTES: Final = 5_000_000
"""Twilio's most bytes of one text's attachments together (error 11751)."""
UPLOAD_LIFE: Final = timedelta(hours=24)
"""How long an upload waits to be used."""
MOST_WAITING_BYTES: Final = 500_000_000
"""The most that a company can upload within that time."""
LINK_LIFE: Final = timedelta(hours=24)
"""How long Twilio can fetch a file after the text was handed to it; its own queue is ten hours at most."""
_UPLOAD: Final = "upload:"

REPLY, TRANSACTIONAL, SCHEDULED, BULK = 0, 1, 2, 3
"""Priorities in the outbox: an answer goes before what the company begins, that before what was planned, and bulk last.
"""

ANSWERS: Final = frozenset({"api", "console", "retry", "auto_reply"})
"""Where a text comes from that may be an answer to the other side's text; what was planned ahead never is."""
ANSWER_HOURS: Final = 24
"""How long after the other side's last text one of ours counts as an answer to it."""
MOST_UNDO_SECONDS: Final = 60
"""The longest that a text can wait to be taken back."""


def attachments(media_ids: Iterable[UUID], media_urls: Iterable[str]) -> tuple[str, ...]:
    """What a text carries, as it is written down: uploads by their ids, then addresses."""
    return (*(f"{_UPLOAD}{media_id}" for media_id in media_ids), *media_urls)


def upload_of(attachment: str) -> UUID | None:
    """The upload that an attachment is, None for an address."""
    return UUID(attachment.removeprefix(_UPLOAD)) if attachment.startswith(_UPLOAD) else None


def uploads_of(written: Iterable[str]) -> list[UUID]:
    """The uploads among what a text carries, in order."""
    return [found for item in written if (found := upload_of(item)) is not None]


def addresses_of(written: Iterable[str]) -> list[str]:
    """The addresses among what a text carries, in order."""
    return [item for item in written if upload_of(item) is None]


def body_units(body: str) -> int:
    """The length that Twilio limits: an emoji counts as two or more."""
    return len(body.encode("utf-16-le")) // 2


def reason_of(error_code: int | None) -> str:
    """Why Twilio or a carrier did not deliver, in words, with what mends it."""
    explained = explain(error_code)
    return f"{explained.meaning} {explained.fix}".strip()


def inbound_key(twilio_sid: str) -> str:
    """What makes an inbound webhook the same one as another: Twilio's identifier of the text."""
    return f"inbound:{twilio_sid}"


def status_key(twilio_sid: str, status: str, error_code: int | None) -> str:
    """What makes a status callback the same one as another."""
    return f"status:{twilio_sid}:{status}:{error_code or ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchMedia(Job):
    """Fetch the attachments of one inbound text from Twilio."""

    kind: ClassVar[str] = "messages.fetch_media"
    message_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMedia(Job):
    """Delete the stored files of one deleted text."""

    kind: ClassVar[str] = "messages.remove_media"
    message_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveUpload(Job):
    """Delete the file of one upload that is no longer known."""

    kind: ClassVar[str] = "messages.remove_upload"
    upload_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepMessages(Job):
    """Ask Twilio about the company's texts that stay unfinished, and forget old idempotency keys."""

    kind: ClassVar[str] = "messages.sweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTexts(Job):
    """Index a batch of the company's texts for the search, the newest first, after a place (none: from the newest)."""

    kind: ClassVar[str] = "messages.index_texts"
    after_at: datetime | None = None
    after_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerByItself(Job):
    """Answer one inbound text with the company's automatic reply, if it came while the company is closed."""

    kind: ClassVar[str] = "messages.answer_by_itself"
    message_id: UUID
