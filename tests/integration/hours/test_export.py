"""The list of opt-outs as a file."""

import csv
import io
import json

from tests.factories.texts import CUSTOMER, Texting

PATH = "/api/sms/opt-outs/export"


async def test_export_has_every_opt_out_with_its_evidence_and_stands_in_the_audit_log(texting: Texting) -> None:
    await texting.inbound(texting.a, body="STOP")
    await texting.inbound(texting.a, body="START")
    by_staff = {"outside_number": "+16025550991", "evidence": '=called us, "angry"'}
    number = (await texting.get("/api/sms/phone-numbers", texting.a))["items"][0]
    pair = {"outside_number": "+16025550992", "scope": "pair", "phone_number_id": number["id"]}
    for body in (by_staff, pair):
        answer = await texting.call("POST", "/api/sms/opt-outs", texting.a, json=body)
        assert answer.status_code == 201, answer.text
    await texting.call("POST", "/api/sms/opt-outs", texting.b, json={"outside_number": "+14155550990"})

    answer = await texting.call("GET", PATH, texting.a, scope="manage")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="opt-outs.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["outside_number"], row["scope"], row["our_number"], row["source"]) for row in rows] == [
        ("+16025550992", "pair", number["phone_number"], "api"),
        ("+16025550991", "company", "", "api"),
        (CUSTOMER, "company", "", "keyword"),
    ]
    assert json.loads(rows[1]["evidence"])["note"] == by_staff["evidence"]
    assert json.loads(rows[2]["ended_evidence"])["text"] == "START"
    assert rows[2]["ended_at"]
    assert not rows[1]["ended_at"]
    [entry] = (await texting.get("/api/audit-log", texting.a, action="opt_outs.exported"))["items"]
    assert entry["actor_name"] == "manage key"
    assert (await texting.get("/api/audit-log", texting.b, action="opt_outs.exported"))["items"] == []


async def test_export_is_for_managers_of_the_company(texting: Texting) -> None:
    await texting.inbound(texting.b, body="STOP")

    for scope in ("read", "send"):
        assert (await texting.call("GET", PATH, texting.a, scope=scope)).status_code == 403
    assert (await texting.client.get(PATH)).status_code == 401
    mine = await texting.call("GET", PATH, texting.a)
    theirs = await texting.call("GET", PATH, texting.b)
    assert (len(mine.text.splitlines()), len(theirs.text.splitlines())) == (1, 2)
