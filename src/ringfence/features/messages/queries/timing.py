"""What the company's own rules (hours, holidays, cap, budget) look at, for one new text and for many claimed ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from ringfence.features.companies.schemas.texting import DailyBudget, TextingRules
from ringfence.features.messages.model import BudgetUse
from ringfence.features.messages.queries.gate import Timing
from ringfence.features.messages.values import ANSWER_HOURS, ANSWERS, NOT_SENT
from ringfence.kit.clock import utc_now
from ringfence.kit.hours import local_day
from ringfence.kit.zones import distinct_zones, zones_of_number
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

# Of each text: whether the other side has just texted in its conversation, and the last of the earlier texts to the
# number that still fill the cap. An earlier text is one that was handed in before, so that two never cap each other.
_SURROUNDINGS = register(
    "messages.timing",
    """
    SELECT u.id,
        (SELECT true FROM sms_messages i
         WHERE i.company_id = :company_id AND i.conversation_id = u.conversation_id AND i.created_at > :recent
           AND i.direction = 'inbound' LIMIT 1) IS NOT NULL AS is_answer,
        (SELECT e.created_at FROM sms_messages e
         WHERE e.company_id = :company_id AND e.to_number = u.to_number AND e.created_at > :capped_since
           AND (e.created_at, e.id) < (u.at, u.id) AND e.direction = 'outbound' AND e.status <> ALL(:not_sent)
         ORDER BY e.created_at DESC OFFSET :earlier LIMIT 1) AS fills_cap,
        (SELECT c.time_zone FROM contacts c
         WHERE c.company_id = :company_id AND c.phone_number = u.to_number AND c.deleted_at IS NULL) AS zone
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:to_numbers AS text[]), CAST(:conversation_ids AS uuid[]),
        CAST(:ats AS timestamptz[])
    ) AS u(id, to_number, conversation_id, at)
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A text, as far as rules about time look at it. `at` is when it was handed in."""

    id: UUID
    to_number: str
    conversation_id: UUID | None
    source: str
    segments: int
    at: datetime
    released: bool = False


async def timings(
    session: TenantSession, texts: Sequence[Timed], *, rules: TextingRules, home: ZoneInfo
) -> Mapping[UUID, Timing]:
    """What the rules look at, of each text; empty while the company has no rules."""
    week = rules.week()
    if not week.is_limited and rules.frequency_cap is None and rules.daily_budget is None:
        return {}
    now = utc_now()
    rows = {}
    if week.is_limited or rules.frequency_cap is not None:
        rows = {row.id: row for row in await _surroundings(session, texts, rules, now)}
    spent = await spent_on(session, rules.daily_budget, local_day(now, home), apart_from=[text.id for text in texts])
    found: dict[UUID, Timing] = {}
    for text in texts:
        row = rows.get(text.id)
        fills_cap: datetime | None = row.fills_cap if row else None
        found[text.id] = Timing(
            now=now,
            week=week,
            zones=recipient_zones(text.to_number, known=row.zone if row else None, home=home),
            home=home,
            answers=bool(row and row.is_answer) and rules.replies_exempt and text.source in ANSWERS,
            released=text.released,
            cap=rules.frequency_cap,
            capped_until=fills_cap + timedelta(days=rules.frequency_cap.days)
            if fills_cap and rules.frequency_cap
            else None,
            budget=rules.daily_budget,
            cost=cost_of(text.segments, rules.daily_budget),
            spent=spent,
        )
    return found


def recipient_zones(to_number: str, *, known: str | None, home: ZoneInfo) -> tuple[ZoneInfo, ...]:
    """The zone that is known of the contact, else all where the number may be; the company's own if it says none."""
    return distinct_zones([known] if known else zones_of_number(to_number)) or (home,)


def cost_of(segments: int, budget: DailyBudget | None) -> int:
    """What a text takes of the budget."""
    return 1 if budget is not None and budget.unit == "texts" else segments


async def spent_on(session: TenantSession, budget: DailyBudget | None, day: date, *, apart_from: Sequence[UUID]) -> int:
    """What has gone to Twilio on a day, in the budget's unit; texts that are asked about do not count themselves."""
    if budget is None:
        return 0
    taken = func.count() if budget.unit == "texts" else func.coalesce(func.sum(BudgetUse.segments), 0)
    query = select(taken).where(
        BudgetUse.company_id == session.company_id,
        BudgetUse.day == day,
        BudgetUse.message_id.not_in(apart_from),
    )
    return int(await session.scalar(query) or 0)


async def _surroundings(
    session: TenantSession, texts: Sequence[Timed], rules: TextingRules, now: datetime
) -> Sequence[Any]:
    cap = rules.frequency_cap
    result = await session.execute(
        _SURROUNDINGS,
        {
            "company_id": session.company_id,
            "recent": now - timedelta(hours=ANSWER_HOURS),
            "capped_since": now - timedelta(days=cap.days) if cap else now,
            "earlier": cap.texts - 1 if cap else 0,
            "not_sent": sorted(NOT_SENT),
            "ids": [text.id for text in texts],
            "to_numbers": [text.to_number for text in texts],
            "conversation_ids": [text.conversation_id for text in texts],
            "ats": [text.at for text in texts],
        },
    )
    return result.all()
