"""Notices across the fence: tables, ids of other people and companies, jobs, mails."""

from pathlib import Path
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg import sql

from ringfence.features.events.values import TellStaff
from ringfence.features.notices.jobs import note_reply, trim_notices
from ringfence.features.notices.values import NoteReply, TrimNotices
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.hooks import outgoing_client
from tests.factories.notices import Noticing
from tests.factories.texts import make_texting, texting_services
from tests.factories.world import World

TABLES = ("notices", "notice_preferences")


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return (*texting_services(tmp_path / "media"), outgoing_client())


@pytest.fixture
async def noticing(world: World, client: httpx.AsyncClient, database: Database) -> Noticing:
    return Noticing(await make_texting(world, client, database))


async def test_tables_are_fenced_by_the_database_itself(noticing: Noticing, database: Database) -> None:
    await noticing.choose(noticing.a.company.agent, email="at_once")
    await noticing.reply(noticing.a)
    a, b = noticing.a.company_id, noticing.b.company_id
    with psycopg.connect(database.app_url) as connection:
        for table in TABLES:
            name = sql.Identifier(table)
            for company, visible in ((b, False), (a, True)):
                connection.execute(sql.SQL("SET LOCAL ringfence.company_id = {}").format(sql.Literal(str(company))))
                seen = connection.execute(sql.SQL("SELECT company_id FROM {}").format(name)).rowcount
                gone = connection.execute(sql.SQL("DELETE FROM {} WHERE company_id = %s").format(name), [a]).rowcount
                assert (bool(seen), bool(gone)) == (visible, visible), table
            connection.rollback()
    with psycopg.connect(database.platform_url, autocommit=True) as platform:
        platform.execute(sql.SQL("SET ringfence.company_id = {}").format(sql.Literal(str(a))))
        for table in TABLES:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                platform.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))


async def test_notices_of_others_are_unknown(noticing: Noticing) -> None:
    """Of another company's person, and of another person of the own company."""
    await noticing.reply(noticing.a)
    await noticing.reply(noticing.b)
    [mine] = await noticing.notices(noticing.a.company.agent)
    for stranger in (noticing.b.company.agent, noticing.a.company.admin):
        browser = await noticing.texting.world.log_in(stranger)
        foreign = await browser.post(f"/api/notices/{mine['id']}/read")
        invented = await browser.post(f"/api/notices/{new_id()}/read")
        assert (foreign.status_code, foreign.content) == (404, invented.content)
        assert mine["id"] not in {item["id"] for item in await noticing.notices(stranger)}
        assert (await browser.post("/api/notices/read")).status_code == 204
    assert [item["id"] for item in await noticing.notices(noticing.a.company.agent)] == [mine["id"]]
    own = await noticing.texting.world.log_in(noticing.a.company.agent)
    assert (await own.post(f"/api/notices/{mine['id']}/read")).status_code == 204


async def test_jobs_in_b_s_name_tell_and_mail_nothing_of_a(noticing: Noticing) -> None:
    agent = noticing.a.company.agent
    await noticing.choose(agent, email="at_once")
    message = await noticing.reply(noticing.a)
    [notice] = await noticing.notices(agent)
    noticing.texting.change("UPDATE notices SET updated_at = now() - interval '40 days'")
    before = noticing.texting.stored(noticing.a, *TABLES)

    await note_reply(noticing.context(noticing.b), NoteReply(message_id=message))
    news = TellStaff(news="webhook.disabled", subject_id=UUID(notice["subject_id"]), user_id=agent.id)
    await noticing.tell(noticing.b, news)
    await trim_notices(noticing.context(noticing.b), TrimNotices())
    assert await noticing.mail(noticing.b, agent) == []
    assert noticing.texting.stored(noticing.a, *TABLES) == before
    assert noticing.texting.stored(noticing.b, "notices") == {"notices": []}

    assert [to for to, _, _ in await noticing.mail(noticing.a, agent)] == [agent.email]
    await noticing.tell(noticing.a, news)
    assert len(await noticing.notices(agent)) == 2
