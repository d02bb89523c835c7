"""Texts and opt-outs of any age and kind, and counting them again without the product's queries."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg

from ringfence.kit.ids import new_id

BY_HAND = {"api", "console", "retry"}
STATUSES = ("held", "queued", "sending", "sent", "delivered", "read", "undelivered", "failed", "refused", "canceled")
COLUMNS = (
    "company_id",
    "id",
    "conversation_id",
    "phone_number_id",
    "direction",
    "status",
    "from_number",
    "to_number",
    "body",
    "encoding",
    "num_segments",
    "source",
    "twilio_sid",
    "error_code",
    "refusal_code",
    "template_id",
    "bulk_send_id",
    "created_by",
    "created_at",
    "updated_at",
    "deleted_at",
    "price_micros",
    "price_currency",
)


@dataclass(frozen=True)
class Cast:
    """What a company's random texts are made of; each list may hold None."""

    company_id: UUID
    numbers: dict[UUID, str]
    threads: dict[UUID, UUID]
    """Conversation → its number."""
    users: Sequence[UUID | None]
    templates: Sequence[UUID | None]
    bulk_sends: Sequence[UUID | None]


def make_texts(cast: Cast, count: int, *, start: datetime, end: datetime, seed: int) -> list[dict[str, Any]]:
    """Random texts between two instants, many of them near each other and some at the same one."""
    dice = random.Random(seed)
    span = (end - start).total_seconds()
    at = [
        start + timedelta(seconds=dice.choice((round(dice.uniform(0, span)), dice.uniform(0, span))))
        for _ in range(count)
    ]
    return [_text(cast, dice, moment) for moment in at]


def _text(cast: Cast, dice: random.Random, at: datetime) -> dict[str, Any]:
    inbound = dice.random() < 0.4
    thread = dice.choice(list(cast.threads))
    status = "received" if inbound else dice.choice(STATUSES)
    taken = inbound or (status not in {"held", "queued", "refused", "canceled"} and dice.random() < 0.9)
    priced = taken and dice.random() < 0.7
    return {
        "company_id": cast.company_id,
        "id": new_id(),
        "conversation_id": thread if inbound or status != "refused" or dice.random() < 0.5 else None,
        "phone_number_id": cast.threads[thread] if inbound or status != "refused" else None,
        "direction": "inbound" if inbound else "outbound",
        "status": "unconfirmed" if not inbound and status == "sending" and dice.random() < 0.3 else status,
        "from_number": "+16025550101",
        "to_number": "+16025550990",
        "body": "",
        "encoding": "GSM-7",
        "num_segments": dice.choice((1, 1, 1, 2, 5)),
        "source": "webhook"
        if inbound
        else dice.choice(("api", "console", "retry", "scheduled", "bulk", "auto_reply", "sync")),
        "twilio_sid": f"SM{dice.getrandbits(128):032x}" if taken else None,
        "error_code": dice.choice((None, 30003, 30006, 30007)) if status in {"failed", "undelivered", "sent"} else None,
        "refusal_code": dice.choice(("opted_out", "duplicate")) if status in {"refused", "held"} else None,
        "template_id": None if inbound else dice.choice(cast.templates),
        "bulk_send_id": None if inbound else dice.choice(cast.bulk_sends),
        "created_by": None if inbound else dice.choice(cast.users),
        "created_at": at,
        "updated_at": at,
        "deleted_at": at if dice.random() < 0.05 else None,
        "price_micros": -dice.choice((7500, 7900, 40000)) if priced else None,
        "price_currency": dice.choice(("USD", "USD", "EUR")) if priced else None,
    }


def store_texts(url: str, texts: Iterable[dict[str, Any]]) -> None:
    """Put texts into the database as its administrator."""
    command = f"COPY sms_messages ({', '.join(COLUMNS)}) FROM STDIN"
    with psycopg.connect(url) as admin, admin.cursor() as cursor, cursor.copy(command) as copy:
        for text in texts:
            copy.write_row([text[name] for name in COLUMNS])


@dataclass
class Count:
    """What a recount finds; the names are those of the API."""

    sums: Counter[str] = field(default_factory=Counter)
    failed: Counter[int | None] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    cost: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    def shown(self, *, rate: bool = True) -> dict[str, Any]:
        """As the API would answer, but for plain words and names."""
        asked = self.sums["asked"]
        plain = ("outbound", "sent", "delivered", "canceled", "unconfirmed", "under_way", "segments", "received")
        return {
            **{name: self.sums[name] for name in (*plain, "opt_outs", "asked", "unpriced")},
            "failed": sum(self.failed.values()),
            "refused": sum(self.refused.values()),
            "failed_by_reason": dict(self.failed),
            "refused_by_reason": dict(self.refused),
            "cost": dict(self.cost),
            "answered": len(self.waits),
            "response_rate": len(self.waits) / asked if asked and rate else None,
            "median_response_seconds": round(median(self.waits), 5) if self.waits else None,
        }


def recount(
    texts: Sequence[dict[str, Any]],
    opt_outs: Sequence[dict[str, Any]],
    *,
    by: str,
    first: date,
    last: date,
    zone: ZoneInfo,
) -> tuple[Count, dict[str | None, Count]]:
    """Count everything again, text by text: in all, and by the key that the API shows."""
    totals, rows = Count(), defaultdict[str | None, Count](Count)

    def both(key: object) -> tuple[Count, Count]:
        return totals, rows[None if key is None else str(key)]

    def day(at: datetime) -> date:
        return at.astimezone(zone).date()

    for text in texts:
        if first <= day(text["created_at"]) <= last:
            key = {"day": day(text["created_at"]), "phone_number": text["phone_number_id"], "user": text["created_by"]}
            for count in both({**key, "template": text["template_id"], "bulk_send": text["bulk_send_id"]}[by]):
                _count_text(count, text)
    for opt_out in opt_outs:
        if first <= day(opt_out["created_at"]) <= last:
            key = {"day": day(opt_out["created_at"]), "phone_number": opt_out["phone_number_id"]}
            for count in both({**key, "user": opt_out["created_by"], "template": None, "bulk_send": None}[by]):
                count.sums["opt_outs"] += 1
    for question, answer in _questions(texts):
        if first <= day(question["created_at"]) <= last:
            key = {"day": day(question["created_at"]), "phone_number": question["phone_number_id"], "template": None}
            for count in both({**key, "bulk_send": None, "user": answer["created_by"] if answer else None}[by]):
                count.sums["asked"] += 1
                if answer is not None:
                    count.waits.append((answer["created_at"] - question["created_at"]).total_seconds())
    return totals, dict(rows)


def _count_text(count: Count, text: dict[str, Any]) -> None:
    taken = text["twilio_sid"] is not None
    if text["price_micros"] is not None:
        count.cost[text["price_currency"]] -= text["price_micros"]
    elif taken:
        count.sums["unpriced"] += 1
    if text["direction"] == "inbound":
        count.sums["received"] += 1
        return
    count.sums["outbound"] += 1
    if taken:
        count.sums["sent"] += 1
        count.sums["segments"] += text["num_segments"]
    status = text["status"]
    if status in {"failed", "undelivered"}:
        count.failed[text["error_code"]] += 1
    elif status == "refused":
        count.refused[text["refusal_code"]] += 1
    else:
        under_way = status in {"held", "queued", "sending", "sent"}
        name = "under_way" if under_way else "delivered" if status == "read" else status
        count.sums[name] += 1


def _questions(texts: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Each question of a customer, with the first text by hand after it, thread by thread."""
    threads: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for text in texts:
        if text["conversation_id"] is not None:
            threads[text["conversation_id"]].append(text)
    found: list[tuple[dict[str, Any], dict[str, Any] | None]] = []
    for thread in threads.values():
        open_question: dict[str, Any] | None = None
        for text in sorted(thread, key=lambda item: (item["created_at"], item["id"])):
            if text["direction"] == "inbound":
                open_question = open_question or text
            elif text["source"] in BY_HAND and text["status"] not in {"failed", "refused", "canceled"}:
                if open_question is not None:
                    found.append((open_question, text))
                open_question = None
        if open_question is not None:
            found.append((open_question, None))
    return found


def utc(*when: int) -> datetime:
    """An instant in UTC."""
    return datetime(*when, tzinfo=UTC)  # pyright: ignore
