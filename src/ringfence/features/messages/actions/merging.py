"""How news about a text changes its record: pure rules, for callbacks, responses, look-ups and sweeps alike.

News may come early, twice, out of order or never (Twilio's callbacks carry neither time nor number), so the record is
merged by rank and never set: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from ringfence.features.messages.values import FINAL, FROM_TWILIO, moves_forward, reason_of
from ringfence.kit.money import Money
from ringfence.providers.twilio.records import MessageInfo

Via = Literal["response", "list", "callback", "sweep", "sync"]
CountKey = tuple[str, str]
"""A status and the code of its reason, empty for none: what texts of a bulk send are counted by."""


def count_key_of(status: str, *, refusal_code: str | None, error_code: int | None) -> CountKey:
    """How a text is counted: the gate's code for what waits or was refused, Twilio's for what failed."""
    if status in {"held", "refused"}:
        return status, refusal_code or ""
    if status in {"failed", "undelivered"}:
        return status, "" if error_code is None else str(error_code)
    return status, ""


@dataclass(slots=True)
class Record:
    """The part of a text's row that news can change."""

    id: UUID
    status: str
    twilio_sid: str | None
    account_sid: str | None
    error_code: int | None
    refusal_code: str | None
    reason: str | None
    not_before: datetime | None
    accepted_at: datetime | None
    phone_number_id: UUID | None
    to_number: str
    num_segments: int = 1
    price_micros: int | None = None
    price_currency: str | None = None
    conversation_id: UUID | None = None
    bulk_send_id: UUID | None = None
    changed: bool = False
    before: "CountKey" = field(init=False)

    def __post_init__(self) -> None:
        """Remember how the text stood before any news."""
        self.before = self.count_key

    @property
    def count_key(self) -> "CountKey":
        """How the text stands now, as it is counted."""
        return count_key_of(self.status, refusal_code=self.refusal_code, error_code=self.error_code)


@dataclass(frozen=True, slots=True)
class Event:
    """One line for a timeline."""

    message_id: UUID
    kind: str
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What Twilio says of one of its messages; `status` is Twilio's word, None when it said none.

    `price` is as Twilio writes it (negative for a charge), None until it is settled; `num_segments` is what it counted.
    """

    sid: str
    account_sid: str
    status: str | None
    error_code: int | None = None
    via: Via
    attempt: int | None = None
    num_segments: int | None = None
    price: Money | None = None


def news_of(info: MessageInfo, *, via: Via) -> News:
    """A message as Twilio has it, as news."""
    return News(
        sid=info.sid,
        account_sid=info.account_sid,
        status=info.status,
        error_code=info.error_code,
        via=via,
        num_segments=info.num_segments,
        price=info.price,
    )


@dataclass(slots=True)
class Merged:
    """What merging did: lines for the timeline, and whether the text is settled by it (it had no SID before)."""

    events: list[Event] = field(default_factory=list[Event])
    settled: bool = False


def merge(record: Record, news: News, *, now: datetime) -> Merged:
    """Merge news into a record: adopt the SID, move the status forward, and note what does not fit.

    A second SID for one text, and a second final status that differs from the first, are noted as `anomaly`; the
    first stands.
    """
    merged = Merged()
    if record.twilio_sid is None:
        _adopt(record, news, merged, now)
    elif record.twilio_sid != news.sid:
        merged.events.append(_event(record, "anomaly", news, {"what": "second_sid"}))
        return merged
    _bill(record, news)
    # A word that Twilio adds one day says nothing yet, but a SID alone means that Twilio has the text.
    status = FROM_TWILIO.get(news.status or "", "sending" if merged.settled else record.status)
    if moves_forward(record.status, status):
        _move(record, status, news)
        if status != "sending" or not merged.settled:
            merged.events.append(_event(record, "status", news, _failure(record)))
    elif status != record.status and status in FINAL and record.status in FINAL:
        merged.events.append(_event(record, "anomaly", news, {"what": "second_final_status", "kept": record.status}))
    return merged


def refuse(record: Record, *, error_code: int | None, attempt: int) -> Merged:
    """Twilio refused to create the text: it has failed, unless Twilio has it after all (a SID is known)."""
    merged = Merged(settled=True)
    detail: dict[str, object] = {"attempt": attempt, "error_code": error_code, "via": "response"}
    if record.twilio_sid is not None or not moves_forward(record.status, "failed"):
        merged.events.append(Event(record.id, "anomaly", {**detail, "what": "refused_late", "kept": record.status}))
        return merged
    record.status, record.error_code, record.reason = "failed", error_code, reason_of(error_code)
    record.not_before, record.changed = None, True
    merged.events.append(Event(record.id, "status", {**detail, "status": "failed", "reason": record.reason}))
    return merged


def _adopt(record: Record, news: News, merged: Merged, now: datetime) -> None:
    record.twilio_sid, record.account_sid = news.sid, news.account_sid
    record.accepted_at, record.changed = now, True
    merged.settled = True
    if record.status in FINAL:
        merged.events.append(_event(record, "anomaly", news, {"what": "accepted_late", "kept": record.status}))
    else:
        merged.events.append(_event(record, "accepted", news, {}))


def _bill(record: Record, news: News) -> None:
    """The settled price, and with it the segments that were billed; of two prices the higher one stands."""
    if news.price is None or (record.price_micros is not None and -news.price.micros <= record.price_micros):
        return
    record.price_micros, record.price_currency = -news.price.micros, news.price.currency
    record.num_segments = news.num_segments or record.num_segments
    record.changed = True


def _move(record: Record, status: str, news: News) -> None:
    record.status, record.not_before, record.changed = status, None, True
    if status in {"failed", "undelivered"}:
        record.error_code, record.reason = news.error_code, reason_of(news.error_code)
    else:
        # An earlier word such as "unconfirmed" no longer explains anything.
        record.error_code = record.refusal_code = record.reason = None


def _failure(record: Record) -> dict[str, object]:
    detail: dict[str, object] = {"status": record.status}
    if record.error_code is not None:
        detail["error_code"] = record.error_code
    if record.reason is not None:
        detail["reason"] = record.reason
    return detail


def _event(record: Record, kind: str, news: News, detail: Mapping[str, object]) -> Event:
    facts: dict[str, object] = {"via": news.via, "twilio_sid": news.sid, "twilio_status": news.status}
    if news.attempt is not None:
        facts["attempt"] = news.attempt
    return Event(record.id, kind, {**facts, **detail})
