"""The figures are those of a recount, whatever the texts, the zone and the division."""

from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest

from ringfence.kit.ids import new_id
from tests.factories.analytics import Cast, make_texts, recount, store_texts, utc
from tests.factories.bulk import created, customers
from tests.factories.texts import Line, Texting

DIVISIONS = ("day", "phone_number", "user", "template", "bulk_send")


async def cast_of(texting: Texting, line: Line) -> Cast:
    """A few threads, people and templates of a company."""
    company = line.company
    made = [
        await texting.call("POST", "/api/sms/templates", line, json={"name": name, "body": "Hello"})
        for name in ("Reminder", "Offer")
    ]
    numbers = {row["id"]: row["phone_number"] for row in texting.stored(line, "phone_numbers")["phone_numbers"]}
    threads: dict[UUID, UUID] = {}
    with psycopg.connect(texting.database.admin_url) as admin:
        for n in range(6):
            thread, number = new_id(), list(numbers)[n % 2]
            admin.execute(
                "INSERT INTO conversations (company_id, id, phone_number_id, outside_number, last_message_at,"
                " last_direction, last_preview, created_at) VALUES (%s, %s, %s, %s, now(), 'inbound', '', now())",
                [line.company_id, thread, number, f"+1480555{n:04}"],
            )
            threads[thread] = number
    users = [company.agent.id, company.manager.id, None]
    templates = [UUID(answer.json()["id"]) for answer in made]
    made = [await created(texting, line, customers(1), rehearse=False, name=name) for name in ("Fair", "Sale")]
    bulk = [UUID(item["id"]) for item in made]
    return Cast(line.company_id, numbers, threads, users, [*templates, None, None], [*bulk, None])


def add_opt_outs(texting: Texting, cast: Cast, moments: list[Any]) -> list[dict[str, Any]]:
    """Opt-outs at these instants, some of one number only and some by a person."""
    rows = [
        {
            "created_at": at,
            "phone_number_id": list(cast.numbers)[n % 2] if n % 3 == 0 else None,
            "created_by": cast.users[n % len(cast.users)],
        }
        for n, at in enumerate(moments)
    ]
    with psycopg.connect(texting.database.admin_url) as admin:
        for n, row in enumerate(rows):
            admin.execute(
                "INSERT INTO opt_outs (company_id, id, scope, outside_number, phone_number_id, source, evidence,"
                " created_by, created_at) VALUES (%s, %s, %s, %s, %s, 'staff', '{}', %s, %s)",
                [
                    cast.company_id,
                    new_id(),
                    "pair" if row["phone_number_id"] else "company",
                    f"+1602555{n:04}",
                    row["phone_number_id"],
                    row["created_by"],
                    row["created_at"],
                ],
            )
    return rows


def comparable(figures: dict[str, Any]) -> dict[str, Any]:
    """An answer without the words and names that a recount does not know."""
    seconds = figures["median_response_seconds"]
    return {
        **{name: value for name, value in figures.items() if name not in {"key", "name"}},
        "failed_by_reason": {item["code"]: item["count"] for item in figures["failed_by_reason"]},
        "refused_by_reason": {item["code"]: item["count"] for item in figures["refused_by_reason"]},
        "cost": {item["currency"]: item["micros"] for item in figures["cost"]},
        "median_response_seconds": None if seconds is None else round(seconds, 5),
    }


# Zone, first and last day: with a gap and an overlap of the clock, a half-hour zone, a gap at midnight.
RANGES = [
    ("America/Phoenix", date(2026, 3, 1), date(2026, 3, 31)),
    ("America/New_York", date(2026, 3, 7), date(2026, 3, 10)),
    ("Europe/Berlin", date(2025, 10, 24), date(2025, 10, 28)),
    ("Asia/Kolkata", date(2026, 1, 1), date(2026, 1, 3)),
    ("Africa/Cairo", date(2026, 4, 23), date(2026, 4, 25)),
    ("UTC", date(2025, 6, 1), date(2026, 7, 5)),
]


async def test_figures_equal_a_recount(texting: Texting) -> None:
    a, b = await cast_of(texting, texting.a), await cast_of(texting, texting.b)
    texts: list[dict[str, Any]] = []
    for seed, (_, first, last) in enumerate(RANGES):
        start, end = utc(first.year, first.month, first.day), utc(last.year, last.month, last.day)
        # Around the range too, so that questions begin before it and are answered after it.
        margin = (end - start) / 3
        texts += make_texts(a, 400, start=start - margin, end=end + margin, seed=seed)
        store_texts(texting.database.admin_url, make_texts(b, 50, start=start, end=end, seed=1000 + seed))
    store_texts(texting.database.admin_url, texts)
    opt_outs = add_opt_outs(texting, a, [text["created_at"] for text in texts[::40]])
    for zone, first, last in RANGES:
        texting.change("UPDATE companies SET time_zone = %s WHERE id = %s", zone, texting.a.company_id)
        for by in DIVISIONS:
            answer = await texting.get(
                "/api/sms/analytics", texting.a, **{"from": first.isoformat(), "to": last.isoformat(), "by": by}
            )

            totals, rows = recount(texts, opt_outs, by=by, first=first, last=last, zone=ZoneInfo(zone))

            assert (answer["time_zone"], answer["from"], answer["to"]) == (zone, first.isoformat(), last.isoformat())
            shown = totals.shown(rate=True)
            assert comparable(answer["totals"]) == shown, (zone, by)
            assert shown["outbound"] > 20
            assert shown["answered"] > 3
            found = {row["key"]: comparable(row) for row in answer["rows"]}
            expected = {key: count.shown(rate=by != "user") for key, count in rows.items()}
            if by == "day":
                assert len(found) == (last - first).days + 1
                found = {key: row for key, row in found.items() if key in expected or any(row.values())}
            assert found == expected, (zone, by)


@pytest.mark.parametrize("by", DIVISIONS)
async def test_rows_have_the_names_of_what_they_are_about(texting: Texting, by: str) -> None:
    cast = await cast_of(texting, texting.a)
    store_texts(texting.database.admin_url, make_texts(cast, 60, start=utc(2026, 5, 1), end=utc(2026, 5, 9), seed=7))

    answer = await texting.get("/api/sms/analytics", texting.a, **{"from": "2026-05-01", "to": "2026-05-08", "by": by})

    names = [row["name"] for row in answer["rows"] if row["key"] is not None]
    company = texting.a.company
    assert (
        names
        == {
            "day": [None] * 8,
            "phone_number": sorted(cast.numbers.values()),
            "user": sorted((company.agent.name, company.manager.name)),
            "template": ["Offer", "Reminder"],
            "bulk_send": ["Fair", "Sale"],
        }[by]
    )


async def test_a_late_status_and_a_late_price_show_at_once(texting: Texting) -> None:
    cast = await cast_of(texting, texting.a)
    [text] = [
        t for t in make_texts(cast, 40, start=utc(2026, 5, 1), end=utc(2026, 5, 2), seed=3) if t["status"] == "sent"
    ][:1]
    store_texts(texting.database.admin_url, [text | {"price_micros": None, "price_currency": None}])

    async def totals() -> Any:
        params = {"from": "2026-04-30", "to": "2026-05-02"}
        return (await texting.get("/api/sms/analytics", texting.a, **params))["totals"]

    before = await totals()
    assert (before["under_way"], before["delivered"], before["cost"]) == (1, 0, [])
    texting.change(
        "UPDATE sms_messages SET status = 'delivered', price_micros = -7500, price_currency = 'USD' WHERE id = %s",
        text["id"],
    )
    after = await totals()
    assert (after["under_way"], after["delivered"]) == (0, 1)
    assert after["cost"] == [{"currency": "USD", "micros": 7500, "amount": "0.0075"}]
