"""Syncs across the fence: tables, routes, jobs, and one Twilio account that two companies share."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from ringfence.emulator import Emulator
from ringfence.features.sync.values import RunSync
from ringfence.kit.clock import utc_now
from tests.factories.cluster import Database
from tests.factories.syncing import LONG_AGO, SYNC, Syncing, open_syncing, sync_emulator, text_in, text_out
from tests.factories.texts import CUSTOMER, connect, texting_services
from tests.factories.world import World

TABLES = ("sync_runs", "sync_marks", "sync_mended")


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with sync_emulator() as emulator:
        yield emulator


@pytest.fixture
def more_services(emulator: Emulator, tmp_path: Path) -> tuple[object, ...]:
    return texting_services(tmp_path, api_url=emulator.base_url)


@pytest.fixture
async def syncing(
    world: World, client: httpx.AsyncClient, database: Database, emulator: Emulator
) -> AsyncIterator[Syncing]:
    async with open_syncing(world, client, database, emulator) as syncing:
        yield syncing


async def test_tables_are_fenced_by_the_database_itself(syncing: Syncing, database: Database) -> None:
    """With the app role and b's context, raw SQL sees nothing of a and changes nothing of it."""
    syncing.connected(syncing.a, timedelta(hours=1))
    await syncing.history(syncing.a, [text_in(CUSTOMER, syncing.a.number, utc_now() - timedelta(minutes=5))])
    await syncing.sweep(syncing.a)
    a, b = syncing.a.company_id, syncing.b.company_id
    with psycopg.connect(database.app_url) as connection:
        for table in TABLES:
            name = sql.Identifier(table)
            for company, visible in ((b, 0), (a, 1)):
                connection.execute(sql.SQL("SET LOCAL ringfence.company_id = {}").format(sql.Literal(str(company))))
                seen = connection.execute(sql.SQL("SELECT company_id FROM {}").format(name)).rowcount
                gone = connection.execute(sql.SQL("DELETE FROM {} WHERE company_id = %s").format(name), [a]).rowcount
                assert (min(seen, 1), min(gone, 1)) == (visible, visible), table
            connection.rollback()
    with psycopg.connect(database.platform_url, autocommit=True) as platform:
        platform.execute(sql.SQL("SET ringfence.company_id = {}").format(sql.Literal(str(a))))
        for table in TABLES:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                platform.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))


async def test_only_admins_sync_and_each_sees_its_own_runs(syncing: Syncing) -> None:
    for what in ("phone-numbers", "messages", "calls", "full"):
        assert (await syncing.ask(syncing.a, what, scope="manage")).status_code == 403
        assert (await syncing.ask(syncing.a, what)).status_code == 202
        assert (await syncing.texting.client.post(f"{SYNC}/{what}")).status_code == 401
    agent = await syncing.texting.world.log_in(syncing.a.company.agent)
    assert (await agent.get(f"{SYNC}/status")).json()["current"]["status"] == "queued"
    assert (await agent.post(f"{SYNC}/full")).status_code == 403

    others = await syncing.status(syncing.b)
    assert (others["current"], others["runs"], others["sweeps"]["runs"]) == (None, [], [])
    assert len((await syncing.status(syncing.a))["runs"]) == 1


async def test_another_companys_job_cannot_move_a_run(syncing: Syncing) -> None:
    await syncing.history(syncing.a, [text_in(CUSTOMER, syncing.a.number, LONG_AGO)])
    await syncing.history(syncing.b, [text_in(CUSTOMER, syncing.b.number, LONG_AGO)])
    run_id = (await syncing.ask(syncing.a)).json()["id"]

    await syncing.handler()(syncing.context(syncing.b), RunSync(run_id=run_id))

    assert (syncing.runs(syncing.a)[0]["state"], syncing.ids(syncing.a), syncing.ids(syncing.b)) == (
        "queued",
        set(),
        set(),
    )
    await syncing.work(syncing.a)
    assert (len(syncing.ids(syncing.a)), syncing.ids(syncing.b)) == (1, set())


async def test_companies_that_share_an_account_get_the_texts_of_their_own_numbers(syncing: Syncing) -> None:
    a = syncing.a
    first, second, third = *a.numbers, "+16025550103"
    # b has the same account, and a's second number, which a gave up an hour ago.
    syncing.texting.change(
        "UPDATE phone_numbers SET released_at = now() - interval '1 hour' WHERE phone_number = %s", second
    )
    syncing.texting.change(
        "UPDATE directory_numbers SET released_at = now() - interval '1 hour' WHERE phone_number = %s", second
    )
    async with syncing.texting.world.tenancy.tenant(syncing.b.company_id) as session:
        from ringfence.features.audit_log.values import COMMAND_LINE
        from ringfence.features.phone_numbers import actions as phone_numbers

        await phone_numbers.disconnect(session, actor=COMMAND_LINE)
    b = await connect(
        syncing.texting.world, syncing.texting.world.b, a.account_sid, a.auth_token, (second, "+16025550104")
    )
    now = utc_now()
    await syncing.history(
        a,
        [
            text_in(CUSTOMER, second, now - timedelta(hours=2), "To a, while it had the number"),
            text_in(CUSTOMER, first, now - timedelta(minutes=50), "To a"),
            text_out(second, CUSTOMER, now - timedelta(minutes=40), "From b"),
            text_in(CUSTOMER, third, now - timedelta(minutes=30), "To a number that nobody holds"),
        ],
        [
            {
                "from": CUSTOMER,
                "to": second,
                "direction": "inbound",
                "status": "completed",
                "seconds": 5,
                "at": at.isoformat(),
            }
            for at in (now - timedelta(hours=2), now - timedelta(minutes=20))
        ],
    )

    of_a, of_b = await syncing.sync(a, "full"), await syncing.sync(b, "full")

    assert [text["body"] for text in await syncing.messages(a)] == ["To a"]
    assert [text["body"] for text in await syncing.messages(b)] == ["From b"]
    skipped = [{stage["name"]: stage["skipped"] for stage in run["stages"]} for run in (of_a, of_b)]
    assert skipped[0]["messages"] == {"number_not_held": 3}
    assert skipped[1]["messages"] == {"number_not_held": 2, "held_by_another_company": 1}
    assert (skipped[0]["calls"], skipped[1]["calls"]) == ({"number_not_held": 2}, {"held_by_another_company": 1})
    assert len((await syncing.texting.get("/api/calls", b))["items"]) == 1
    sweeps = await syncing.sweep(b)
    assert (sweeps["today"]["in_words"], len(syncing.ids(b))) == ("nothing to mend", 1)
