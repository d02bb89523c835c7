"""`ringfence audit twilio`: every company's lines, masked numbers, exit codes, and what only the operator can see."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import typer
from typer.testing import CliRunner, Result

from ringfence.cli.audit import audit_commands
from ringfence.cli.audit_twilio import TwilioAudit
from ringfence.runtime.build import Runtime
from tests.factories.cluster import Database
from tests.factories.stage import Stage, build_runtime, open_stage


def run(stage: Stage, *arguments: str) -> Result:
    settings = stage.runtime.settings

    @asynccontextmanager
    async def open_runtime() -> AsyncGenerator[Runtime]:
        runtime = build_runtime(stage.database, settings.public_url, settings.twilio_api_url)
        try:
            yield runtime
        finally:
            await runtime.close()

    @asynccontextmanager
    async def open_tenancy() -> AsyncGenerator[Any]:
        async with open_runtime() as runtime:
            yield runtime.tenancy

    app: typer.Typer = audit_commands(open_tenancy)
    app.command("twilio")(TwilioAudit(open_runtime).run)
    return CliRunner().invoke(app, ["twilio", *arguments])


async def test_every_company(database: Database) -> None:
    async with open_stage(database) as stage:
        await stage.change("DELETE FROM outbox")
        answer = await stage.twilio.get("/emulator/accounts")
        (account,) = [item for item in answer.json()["accounts"] if item["sid"] == stage.a.account_sid]
        for number in account["numbers"]:
            await stage.twilio.post(
                f"/2010-04-01/Accounts/{stage.a.account_sid}/IncomingPhoneNumbers/{number['sid']}.json",
                data={"SmsUrl": "https://elsewhere.example.com/in"},
                auth=(account["sid"], account["auth_token"]),
            )
        found = await asyncio.to_thread(run, stage)
        assert found.exit_code == 1, found.output
        assert "webhooks.elsewhere" in found.output
        assert "…0100" in found.output
        assert stage.a.numbers[0] not in found.output
        assert str(stage.a.company_id) in found.output
        assert str(stage.b.company_id) in found.output

        as_json = await asyncio.to_thread(run, stage, "--company", str(stage.b.company_id), "--format", "json")
        assert as_json.exit_code == 0, as_json.output
        (company,) = json.loads(as_json.output)["companies"]
        assert (company["company_id"], company["level"]) == (str(stage.b.company_id), "notice")
        assert {item["check"] for item in company["findings"] if item["level"] != "ok"} == {"webhooks.calls"}
        assert stage.b.numbers[0] not in as_json.output

        unknown = await asyncio.to_thread(run, stage, "--company", "00000000-0000-7000-8000-000000000000")
        assert unknown.exit_code == 2

        with psycopg.connect(database.admin_url, autocommit=True) as connection:
            connection.execute("UPDATE twilio_settings SET account_sid = %s", [stage.a.account_sid])
        shared = await asyncio.to_thread(run, stage)
        assert shared.exit_code == 1
        assert shared.output.count("account.used_by_several") == 2
