"""Counting texts, opt-outs and answers where they are stored; what is counted is what is there at this moment.

Only managers and admins see these figures, and they see every conversation: no visibility rule narrows them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import TextClause, select

from ringfence.features.analytics.values import By, Days, Figures, Key, Report, Row
from ringfence.features.bulk.model.sends import BulkSend
from ringfence.features.messages.values import NOT_SENT
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.templates.model import Template
from ringfence.features.users.model import User
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

# A text that somebody hands in by itself; the rest was planned, or is sent or fetched by a rule.
_BY_HAND: Final = "('api', 'console', 'retry')"
_NOT_SENT: Final = ", ".join(f"'{status}'" for status in sorted(NOT_SENT))
_DAY: Final = "width_bucket({at}, CAST(:starts AS timestamptz[]))"

_TEXTS_SQL: Final = """
    SELECT {key} AS key, direction, status,
           CASE WHEN status IN ('failed', 'undelivered') THEN error_code END AS error_code,
           CASE WHEN status = 'refused' THEN refusal_code END AS refusal_code,
           price_currency, twilio_sid IS NOT NULL AS taken,
           count(*) AS texts, sum(num_segments) AS segments,
           count(price_micros) AS priced, COALESCE(sum(price_micros), 0) AS micros
    FROM sms_messages
    WHERE company_id = :company_id AND created_at >= :start AND created_at < :end
    GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
_OPT_OUTS_SQL: Final = """
    SELECT {key} AS key, count(*) AS opt_outs
    FROM opt_outs
    WHERE company_id = :company_id AND created_at >= :start AND created_at < :end
    GROUP BY 1
"""
# What was said by customers and by hand, in the order of each thread; `turns` are those that follow the other side, so
# an inbound turn is a question and the turn after it its answer. What a thread's first question in these days follows,
# and what its last one is followed by, may lie outside of them: the two look-ups go to the thread's own index.
_ANSWERS_SQL: Final = """
    WITH said AS (
        SELECT conversation_id, phone_number_id, created_at, id, direction, created_by,
               lag(direction) OVER thread AS before
        FROM sms_messages
        WHERE company_id = :company_id AND created_at >= :start AND created_at < :end AND conversation_id IS NOT NULL
          AND (direction = 'inbound' OR source IN {by_hand} AND status NOT IN ({not_sent}))
        WINDOW thread AS (PARTITION BY conversation_id ORDER BY created_at, id)
    ), turns AS (
        SELECT conversation_id, phone_number_id, created_at, direction, before,
               lead(created_at) OVER thread AS next_at, lead(created_by) OVER thread AS next_by
        FROM said WHERE direction IS DISTINCT FROM before
        WINDOW thread AS (PARTITION BY conversation_id ORDER BY created_at, id)
    ), asked AS (
        SELECT t.phone_number_id, t.created_at, COALESCE(t.next_at, later.created_at) AS answered_at,
               CASE WHEN t.next_at IS NULL THEN later.created_by ELSE t.next_by END AS answered_by
        FROM turns t
        LEFT JOIN LATERAL (
            SELECT m.created_at, m.created_by FROM sms_messages m
            WHERE m.company_id = :company_id AND m.conversation_id = t.conversation_id AND m.created_at >= :end
              AND m.direction = 'outbound' AND m.source IN {by_hand} AND m.status NOT IN ({not_sent})
            ORDER BY m.created_at, m.id LIMIT 1
        ) later ON t.next_at IS NULL
        WHERE t.direction = 'inbound' AND (t.before IS NOT NULL OR 'inbound' IS DISTINCT FROM (
            SELECT m.direction FROM sms_messages m
            WHERE m.company_id = :company_id AND m.conversation_id = t.conversation_id AND m.created_at < :start
              AND (m.direction = 'inbound' OR m.source IN {by_hand} AND m.status NOT IN ({not_sent}))
            ORDER BY m.created_at DESC, m.id DESC LIMIT 1
        ))
    ), keyed AS (
        SELECT {key} AS key, answered_at,
               CAST(EXTRACT(epoch FROM answered_at - created_at) AS double precision) AS seconds
        FROM asked
    )
    SELECT key, GROUPING(key) AS is_total, count(*) AS asked, count(answered_at) AS answered,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median
    FROM keyed GROUP BY GROUPING SETS ((key), ())
"""
_NOTHING: Final = "CAST(NULL AS uuid)"


def _statements(name: str, sql: str, keys: Mapping[By, str]) -> dict[By, TextClause]:
    return {
        by: register(f"analytics.{name}.{by}", sql.format(key=key, by_hand=_BY_HAND, not_sent=_NOT_SENT))
        for by, key in keys.items()
    }


_TEXTS = _statements(
    "texts",
    _TEXTS_SQL,
    {
        "day": _DAY.format(at="created_at"),
        "phone_number": "phone_number_id",
        "user": "created_by",
        "template": "template_id",
        "bulk_send": "bulk_send_id",
    },
)
_OPT_OUTS = _statements(
    "opt_outs",
    _OPT_OUTS_SQL,
    {
        "day": _DAY.format(at="created_at"),
        "phone_number": "phone_number_id",
        "user": "created_by",
        "template": _NOTHING,
        "bulk_send": _NOTHING,
    },
)
_ANSWERS = _statements(
    "answers",
    _ANSWERS_SQL,
    {
        "day": _DAY.format(at="created_at"),
        "phone_number": "phone_number_id",
        "user": "answered_by",
        "template": _NOTHING,
        "bulk_send": _NOTHING,
    },
)


async def report(session: TenantSession, *, days: Days, by: By) -> Report:
    """The figures of the days, in all and divided by day, number, person, template or bulk send."""
    starts = days.starts()
    values: dict[str, Any] = {"company_id": session.company_id, "start": starts[0], "end": days.end()}
    if by == "day":
        values["starts"] = starts
    found: defaultdict[Any, Figures] = defaultdict(Figures)
    totals = Figures()
    for row in await session.execute(_TEXTS[by], values):
        for figures in (found[row.key], totals):
            _add_texts(figures, row)
    for row in await session.execute(_OPT_OUTS[by], values):
        for figures in (found[row.key], totals):
            figures.opt_outs += row.opt_outs
    for row in await session.execute(_ANSWERS[by], values):
        if row.is_total or row.asked:
            figures = totals if row.is_total else found[row.key]
            figures.asked, figures.answered, figures.median_seconds = row.asked, row.answered, row.median
    return Report(days, by, totals, await _rows(session, days, by, found))


def _add_texts(figures: Figures, row: Any) -> None:
    """Add a group of texts that are alike."""
    if row.price_currency is not None:
        figures.cost[row.price_currency] = figures.cost.get(row.price_currency, 0) - int(row.micros)
    figures.unpriced += row.texts - row.priced if row.taken else 0
    if row.direction == "inbound":
        figures.received += row.texts
        return
    figures.outbound += row.texts
    if row.taken:
        figures.sent += row.texts
        figures.segments += row.segments
    if row.status in {"delivered", "read"}:
        figures.delivered += row.texts
    elif row.status in {"failed", "undelivered"}:
        figures.failed[row.error_code] = figures.failed.get(row.error_code, 0) + row.texts
    elif row.status == "refused":
        figures.refused[row.refusal_code] = figures.refused.get(row.refusal_code, 0) + row.texts
    elif row.status == "canceled":
        figures.canceled += row.texts
    elif row.status == "unconfirmed":
        figures.unconfirmed += row.texts
    else:
        figures.under_way += row.texts


async def _rows(session: TenantSession, days: Days, by: By, found: Mapping[Any, Figures]) -> list[Row]:
    """Every day in its order, also the empty ones; else what has figures, by name, and last what has no such thing."""
    if by == "day":
        each = days.each()
        return [Row(day, None, found.get(number, Figures())) for number, day in enumerate(each, start=1)]
    names = await _names(session, by, [key for key in found if key is not None])
    rows = [Row(cast("Key", key), names.get(key), figures) for key, figures in found.items()]
    return sorted(rows, key=lambda row: (row.key is None, row.name or "", str(row.key)))


async def _names(session: TenantSession, by: By, ids: Iterable[UUID]) -> dict[UUID, str]:
    """What people call the numbers, persons, templates or bulk sends of these ids."""
    columns: dict[By, Any] = {
        "phone_number": PhoneNumber,
        "user": User,
        "template": Template,
        "bulk_send": BulkSend,
    }
    table = columns[by]
    name = table.phone_number if by == "phone_number" else table.name
    query = select(table.id, name).where(table.company_id == session.company_id, table.id.in_(list(ids)))
    return {row[0]: row[1] for row in await session.execute(query)}
