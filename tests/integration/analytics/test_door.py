"""Who sees the figures, of which days, and how they are taken out."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.factories.howto import run_page
from tests.factories.texts import Texting, new_sid

PATH = "/api/sms/analytics"


@pytest.mark.parametrize("path", [PATH, f"{PATH}/export"])
async def test_managers_and_admins_see_the_figures(texting: Texting, path: str) -> None:
    found = {
        scope: (await texting.call("GET", path, texting.a, scope=scope)).status_code
        for scope in ("read", "send", "manage", "admin")
    }
    assert found == {"read": 403, "send": 403, "manage": 200, "admin": 200}
    for person, status in ((texting.a.company.agent, 403), (texting.a.company.manager, 200)):
        assert (await (await texting.world.log_in(person)).get(path)).status_code == status


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"from": "2026-05-02", "to": "2026-05-01"}, "bad_range"),
        ({"from": "2025-01-01", "to": "2026-02-05"}, "bad_range"),
        ({"from": "1999-12-31", "to": "2000-01-02"}, "bad_range"),
        ({"from": "0001-01-01", "to": "0001-01-02"}, "bad_range"),
        ({"from": "9999-12-31", "to": "9999-12-31"}, "bad_range"),
        ({"from": "2026-02-30"}, "invalid"),
        ({"by": "body"}, "invalid"),
    ],
)
async def test_days_that_make_no_sense_are_refused(texting: Texting, params: dict[str, str], code: str) -> None:
    for path in (PATH, f"{PATH}/export"):
        answer = await texting.call("GET", path, texting.a, params=params)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    longest = await texting.get(PATH, texting.a, **{"from": "2025-01-01", "to": "2026-02-04"})
    assert len(longest["rows"]) == 400


async def test_texts_through_the_doors_are_counted(texting: Texting) -> None:
    asked = await texting.inbound(texting.a, body="Are you open?")
    assert asked.status_code == 200
    agent = await texting.world.log_in(texting.a.company.agent)
    sent = await agent.post("/api/sms/send", json={"to": "+16025550990", "body": "We are"})
    assert sent.status_code == 202, sent.text
    sid = new_sid()
    await texting.settle(texting.a, sent.json()["id"], sid)
    await texting.status(texting.a, sent.json()["id"], sid, "undelivered", fields={"ErrorCode": "30006"})
    await texting.inbound(texting.a, body="STOP", sender="+16025550991")
    refused = await texting.send(texting.a, to="+16025550991")
    assert refused.status_code == 422

    answer = await texting.get(PATH, texting.a, by="user")

    totals = answer["totals"]
    assert (totals["outbound"], totals["sent"], totals["received"], totals["opt_outs"]) == (2, 1, 2, 1)
    assert totals["failed_by_reason"] == [{"code": 30006, "reason": reason_of(totals), "count": 1}]
    assert "landline" in reason_of(totals)
    assert totals["refused_by_reason"] == [{"code": "opted_out", "count": 1}]
    assert (totals["asked"], totals["answered"], totals["response_rate"]) == (2, 1, 0.5)
    assert totals["median_response_seconds"] > 0
    assert (totals["cost"], totals["unpriced"]) == ([], 3)
    by_person = {row["name"]: (row["outbound"], row["answered"]) for row in answer["rows"]}
    assert by_person == {texting.a.company.agent.name: (1, 1), None: (1, 0)}
    assert len(answer["rows"]) == 2


def reason_of(totals: Any) -> str:
    return totals["failed_by_reason"][0]["reason"]


async def test_csv_has_the_rows_and_leaves_a_trace(texting: Texting) -> None:
    await texting.inbound(texting.a)
    shown = await texting.get(PATH, texting.a, by="phone_number")

    answer = await texting.call("GET", f"{PATH}/export", texting.a, scope="manage", params={"by": "phone_number"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["key"], row["name"], row["received"]) for row in rows] == [
        (row["key"], row["name"], str(row["received"])) for row in shown["rows"]
    ]
    assert rows[0]["name"] == texting.a.number
    [entry] = (await texting.get("/api/audit-log", texting.a, action="analytics.exported"))["items"]
    assert entry["after"] == {"from": shown["from"], "to": shown["to"], "by": "phone_number"}
    assert entry["actor_id"] == str(texting.a.company.key_ids["manage"])


async def test_every_line_of_the_page_works(texting: Texting, tmp_path: Path) -> None:
    values = {"URL": "", "KEY": texting.a.company.keys["manage"]}

    done = await run_page("analytics.md", texting.client, values, tmp_path)

    assert len(done) == 4
    assert (tmp_path / "analytics.csv").read_text().startswith("key,name,outbound")
