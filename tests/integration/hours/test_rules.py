"""The company's own rules as settings: off until set, strict, audited, and each company's own."""

from typing import Any

import psycopg
import pytest

from tests.factories.texts import Texting

NIGHT = {"from": "21:00", "to": "08:00"}
KIND = "companies.review_held"
OFF = {
    "quiet_hours": None,
    "holidays": [],
    "frequency_cap": None,
    "daily_budget": None,
    "replies_exempt": True,
    "schedule_late_minutes": 120,
    "auto_reply": None,
    "countries": None,
}


async def change(texting: Texting, line: Any, **rules: Any) -> Any:
    answer = await texting.call("PATCH", "/api/company", line, json={"texting": rules})
    assert answer.status_code == 200, answer.text
    return answer.json()["texting"]


async def test_everything_is_off_until_a_company_sets_it_and_each_rule_changes_alone(texting: Texting) -> None:
    assert (await texting.get("/api/company", texting.a))["texting"] == OFF
    weekdays = {"sunday": "all_day", "saturday": {"from": "18:00", "to": "10:00"}, "monday": "none"}

    set_once = await change(texting, texting.a, quiet_hours=NIGHT | {"weekdays": weekdays}, holidays=["2026-12-25"])
    set_twice = await change(texting, texting.a, frequency_cap={"texts": 3, "days": 7}, daily_budget={"most": 500})
    after = await change(texting, texting.a, holidays=None, replies_exempt=False)

    assert set_once == OFF | {"quiet_hours": NIGHT | {"weekdays": weekdays}, "holidays": ["2026-12-25"]}
    assert set_twice == set_once | {
        "frequency_cap": {"texts": 3, "days": 7},
        "daily_budget": {"unit": "segments", "most": 500},
    }
    assert after == set_twice | {"holidays": [], "replies_exempt": False}
    assert (await texting.get("/api/company", texting.a))["texting"] == after
    assert (await texting.get("/api/company", texting.b))["texting"] == OFF


@pytest.mark.parametrize(
    "wrong",
    [
        {"quiet_hours": {"from": "21:00"}},
        {"quiet_hours": {"from": "9pm", "to": "08:00"}},
        {"quiet_hours": {"from": "24:00", "to": "08:00"}},
        {"quiet_hours": {"from": "08:00", "to": "08:00"}},
        {"quiet_hours": NIGHT | {"weekdays": {"someday": "all_day"}}},
        {"quiet_hours": NIGHT | {"weekdays": {"sunday": "sometimes"}}},
        {"quiet_hours": NIGHT | {"zone": "UTC"}},
        {"holidays": ["2026-02-30"]},
        {"holidays": ["2026-01-01"] * 401},
        {"frequency_cap": {"texts": 0, "days": 7}},
        {"frequency_cap": {"texts": 3}},
        {"daily_budget": {"most": 0}},
        {"daily_budget": {"most": 5, "unit": "dollars"}},
        {"schedule_late_minutes": 0},
        {"schedule_late_minutes": 10_081},
        {"auto_reply": {"body": " ", "open_hours": {}}},
        {"auto_reply": {"body": "Closed", "open_hours": {"monday": {"from": "17:00", "to": "09:00"}}}},
        {"auto_reply": {"open_hours": {}}},
        {"unknown_rule": True},
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused_whole(texting: Texting, wrong: dict[str, Any]) -> None:
    answer = await texting.call("PATCH", "/api/company", texting.a, json={"name": "New name", "texting": wrong})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    company = await texting.get("/api/company", texting.a)
    assert (company["name"], company["texting"]) == ("Cactus Plumbing", OFF)
    await change(texting, texting.a, quiet_hours=NIGHT)


async def test_only_admins_change_rules_and_the_audit_log_has_what_was_before(texting: Texting) -> None:
    for scope in ("read", "send", "manage"):
        refused = await texting.call(
            "PATCH", "/api/company", texting.a, scope=scope, json={"texting": {"quiet_hours": NIGHT}}
        )
        assert refused.status_code == 403
    await change(texting, texting.a, quiet_hours=NIGHT)
    await change(texting, texting.a, quiet_hours=None, holidays=["2026-12-25"])
    await change(texting, texting.a, holidays=["2026-12-25", "2026-12-25"])

    entries = (await texting.get("/api/audit-log", texting.a, action="company.changed"))["items"]

    night = NIGHT | {"weekdays": {}}
    assert [(entry["before"], entry["after"]) for entry in entries] == [
        (
            {"texting.quiet_hours": night, "texting.holidays": []},
            {"texting.quiet_hours": None, "texting.holidays": ["2026-12-25"]},
        ),
        ({"texting.quiet_hours": None}, {"texting.quiet_hours": night}),
    ]
    assert (await texting.get("/api/audit-log", texting.b, action="company.changed"))["items"] == []


async def test_a_change_has_held_texts_looked_at_again_but_other_settings_do_not(texting: Texting) -> None:
    def jobs() -> list[Any]:
        with psycopg.connect(texting.database.admin_url) as connection:
            rows = connection.execute(
                "SELECT args ->> 'company_id' FROM procrastinate_jobs WHERE task_name = %s", [KIND]
            )
            return [company for (company,) in rows]

    await texting.call("PATCH", "/api/company", texting.a, json={"name": "Cactus & Sons"})
    assert jobs() == []

    await change(texting, texting.a, quiet_hours=NIGHT)
    await change(texting, texting.a, quiet_hours=None)
    await texting.call("PATCH", "/api/company", texting.b, json={"time_zone": "Europe/London"})

    assert sorted(jobs()) == sorted([str(texting.a.company_id), str(texting.b.company_id)])
