"""Scheduled texts, budgets and rules across the fence: the tables, the jobs and the references of two companies."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import psycopg
import pytest
import time_machine
from psycopg import sql

from ringfence.features.companies.values import ReviewHeld
from ringfence.features.messages.jobs import AnswerByItselfHandler, ReviewHeldHandler
from ringfence.features.messages.values import AnswerByItself
from ringfence.features.scheduling.actions.due import send_due
from ringfence.jobqueue.jobs import JobContext
from tests.factories.cluster import Database
from tests.factories.scheduling import look, make_due, scheduled
from tests.factories.scheduling import send_due as run_send_due
from tests.factories.texts import CUSTOMER, Texting, make_texting, texting_services
from tests.factories.world import World

TABLES = ("scheduled_sms", "schedule_due", "budget_use")
# Half past nine in the evening where CUSTOMER is.
LATE = datetime(2026, 6, 2, 4, 30, tzinfo=UTC)


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return texting_services(tmp_path)


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)


async def test_tables_are_fenced_by_the_database_itself(texting: Texting, database: Database) -> None:
    """With the app role and b's context, raw SQL sees nothing of a and changes nothing of it."""
    rules = {"daily_budget": {"most": 100}}
    await texting.call("PATCH", "/api/company", texting.a, json={"texting": rules})
    await scheduled(texting, texting.a)
    await texting.judge(texting.a, (await texting.sent(texting.a))["id"])
    a, b = texting.a.company_id, texting.b.company_id
    with psycopg.connect(database.app_url) as connection:
        for table in TABLES:
            name = sql.Identifier(table)
            for company, visible in ((b, 0), (a, 1)):
                connection.execute(sql.SQL("SET LOCAL ringfence.company_id = {}").format(sql.Literal(str(company))))
                seen = connection.execute(sql.SQL("SELECT company_id FROM {}").format(name)).rowcount
                gone = connection.execute(sql.SQL("DELETE FROM {} WHERE company_id = %s").format(name), [a]).rowcount
                assert (seen, gone) == (visible, visible), table
            connection.rollback()
    before = texting.stored(texting.a, *TABLES)
    assert all(before.values())


async def test_the_platform_role_sees_when_something_is_due_and_never_what(
    texting: Texting, database: Database
) -> None:
    await scheduled(texting, texting.a)
    with psycopg.connect(database.platform_url, autocommit=True) as platform:
        assert platform.execute("SELECT company_id FROM schedule_due").fetchall() == [(texting.a.company_id,)]
        # Even with a company's context it has no right to the tables with content.
        platform.execute(sql.SQL("SET ringfence.company_id = {}").format(sql.Literal(str(texting.a.company_id))))
        for table in ("scheduled_sms", "budget_use"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                platform.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))


async def test_references_cannot_cross_companies(texting: Texting) -> None:
    contact = await texting.call("POST", "/api/contacts", texting.a, json={"phone_number": CUSTOMER})
    template = await texting.call("POST", "/api/sms/templates", texting.a, json={"name": "Hi", "body": "Hi"})
    message = await texting.sent(texting.a)
    own, of_a = await scheduled(texting, texting.b), await scheduled(texting, texting.a)

    for column, foreign in (
        ("contact_id", contact.json()["id"]),
        ("template_id", template.json()["id"]),
        ("message_id", message["id"]),
    ):
        change = f"UPDATE scheduled_sms SET {column} = %s WHERE id = %s"
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            texting.change(change, foreign, own["id"])
        texting.change(change, foreign, of_a["id"])


async def test_jobs_of_one_company_do_nothing_to_another(texting: Texting) -> None:
    reply = {"body": "Closed", "open_hours": {}}
    for line in (texting.a, texting.b):
        rules = {"quiet_hours": {"from": "21:00", "to": "08:00"}, "auto_reply": reply}
        await texting.call("PATCH", "/api/company", line, json={"texting": rules})
    of_b = JobContext(texting.world.tenancy, texting.b.company_id)
    with time_machine.travel(LATE):
        kept = await scheduled(texting, texting.a, to="+16025550991")
        make_due(texting, texting.a)
        await texting.sent(texting.a)
        await texting.inbound(texting.a, sender="+16025550992")
        [inbound] = [
            row["id"]
            for row in texting.stored(texting.a, "sms_messages")["sms_messages"]
            if row["direction"] == "inbound"
        ]
        before = texting.stored(texting.a, "sms_messages", "outbox", "scheduled_sms", "schedule_due", "lane")

        await run_send_due(texting, texting.b.company_id)
        await ReviewHeldHandler()(of_b, ReviewHeld())
        await AnswerByItselfHandler()(of_b, AnswerByItself(message_id=inbound))
        async with texting.world.tenancy.tenant(texting.b.company_id) as session:
            await send_due(session, UUID(kept["id"]))

        assert texting.stored(texting.a, "sms_messages", "outbox", "scheduled_sms", "schedule_due", "lane") == before
        assert texting.stored(texting.b, "sms_messages", "outbox") == {"sms_messages": [], "outbox": []}
        await run_send_due(texting, texting.a.company_id)
        await AnswerByItselfHandler()(
            JobContext(texting.world.tenancy, texting.a.company_id), AnswerByItself(message_id=inbound)
        )
        sources = {row["source"] for row in texting.stored(texting.a, "sms_messages")["sms_messages"]}

    assert {"scheduled", "auto_reply"} <= sources
    assert (await look(texting, texting.a, kept["id"]))["status"] == "sent"


async def test_budget_and_cap_count_the_own_companys_texts_only(texting: Texting) -> None:
    rules = {"daily_budget": {"most": 1, "unit": "texts"}, "frequency_cap": {"texts": 1, "days": 1}}
    for line in (texting.a, texting.b):
        await texting.call("PATCH", "/api/company", line, json={"texting": rules})
    with time_machine.travel(LATE):
        first = await texting.sent(texting.a)
        await texting.judge(texting.a, first["id"])
        of_b = await texting.sent(texting.b)
        over = await texting.send(texting.a, to="+16025550991")
        capped = await texting.send(texting.a, body="More")

    assert of_b["status"] == "queued"
    assert over.json()["refusal_code"] == "daily_budget"
    assert capped.json()["code"] == "frequency_cap"
