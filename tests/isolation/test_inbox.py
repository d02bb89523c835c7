"""The inbox's tables, addresses and jobs across the fence: company b tries everything with what is company a's."""

from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg import sql

from ringfence.features.conversations.jobs import EndSnoozeHandler
from ringfence.features.conversations.values import EndSnooze, PurgeConversation
from ringfence.features.inbox.jobs import PurgeHandler
from ringfence.features.messages.jobs import IndexTextsHandler
from ringfence.features.messages.values import IndexTexts
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.texts import Texting, make_texting, texting_services
from tests.factories.world import World

SECRET = "canary77"
TABLES = ("conversations", "conversation_reads", "conversation_notes", "message_words")
BY_ID: list[tuple[str, str, Any]] = [
    ("PATCH", "/api/sms/conversations/{thread}", {"state": "done"}),
    ("POST", "/api/sms/conversations/{thread}/read", None),
    ("POST", "/api/sms/conversations/{thread}/unread", None),
    ("GET", "/api/sms/conversations/{thread}/timeline", None),
    ("GET", "/api/sms/conversations/{thread}/notes", None),
    ("POST", "/api/sms/conversations/{thread}/notes", {"body": "b was here"}),
    ("PATCH", "/api/sms/conversations/{thread}/notes/{note}", {"body": "b was here"}),
    ("DELETE", "/api/sms/conversations/{thread}/notes/{note}", None),
    ("DELETE", "/api/sms/conversations/{thread}", None),
    ("POST", "/api/sms/conversations/{thread}/restore", None),
]


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return texting_services(tmp_path)


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)


async def make_things(texting: Texting) -> dict[str, str]:
    a = texting.a
    await texting.inbound(a, body=f"{SECRET} in")
    thread = str(texting.stored(a, "conversations")["conversations"][0]["id"])
    path = f"/api/sms/conversations/{thread}"
    note = await texting.call("POST", f"{path}/notes", a, json={"body": f"{SECRET} note"})
    ari = await texting.world.log_in(texting.world.a.agent)
    assert (await ari.post(f"{path}/read")).status_code == 200
    return {"thread": thread, "note": note.json()["id"]}


async def test_foreign_ids_are_like_ids_that_nobody_has_and_change_nothing(texting: Texting) -> None:
    things = await make_things(texting)
    before = texting.stored(texting.a, *TABLES), texting.stored(texting.b, *TABLES)
    for method, path, body in BY_ID:
        unknown = {name: str(new_id()) for name in things}
        answers = [await texting.call(method, path.format(**ids), texting.b, json=body) for ids in (things, unknown)]
        assert [answer.status_code for answer in answers] == [404, 404], (method, path)
        assert answers[0].content == answers[1].content, (method, path)
    many = {"ids": [things["thread"]], "state": "done"}
    answer = await texting.call("PATCH", "/api/sms/conversations", texting.b, json=many)
    assert answer.json() == {"items": [], "not_found": [things["thread"]]}
    assert (texting.stored(texting.a, *TABLES), texting.stored(texting.b, *TABLES)) == before
    for method, path, body in BY_ID:
        own = await texting.call(method, path.format(**things), texting.a, json=body)
        assert own.is_success, (method, path, own.text)


async def test_lists_counts_and_search_show_nothing_of_the_other_company(texting: Texting) -> None:
    await make_things(texting)
    for path, params in (
        ("/api/sms/conversations", {"assigned": str(texting.world.a.agent.id)}),
        ("/api/sms/conversations/counts", {}),
        ("/api/sms/search", {"q": SECRET}),
        ("/api/sms/search", {"q": SECRET[:4]}),
        ("/api/sms/search", {"q": "0990"}),
    ):
        empty = (await texting.call("GET", path, texting.b, params=params)).json()
        assert not any(value for value in empty.values()), (path, params)
    assert (await texting.get("/api/sms/conversations/counts", texting.a))["open"] == 1
    assert SECRET in str(await texting.get("/api/sms/search", texting.a, q=SECRET[:4]))
    await texting.inbound(texting.a, body="two words")
    await texting.inbound(texting.a, sender="+16025550777", body="two words")
    cursor = (await texting.get("/api/sms/search", texting.a, q="words", limit=1))["next_cursor"]
    stolen = await texting.call("GET", "/api/sms/search", texting.b, params={"q": "words", "cursor": cursor})
    assert (stolen.status_code, stolen.json()["code"]) == (422, "bad_cursor")


async def test_jobs_in_bs_name_with_as_ids_do_nothing(texting: Texting) -> None:
    thread = UUID((await make_things(texting))["thread"])
    texting.change(
        "UPDATE conversations SET state = 'snoozed', snoozed_until = now() - interval '1 hour',"
        " deleted_at = now() - interval '40 days' WHERE id = %s",
        thread,
    )
    before = texting.stored(texting.a), texting.stored(texting.a, *TABLES)
    jobs = (
        (EndSnoozeHandler(), EndSnooze(conversation_id=thread)),
        (PurgeHandler(), PurgeConversation(conversation_id=thread)),
        (IndexTextsHandler(), IndexTexts()),
    )
    for handler, job in jobs:
        await handler(JobContext(texting.world.tenancy, texting.b.company_id), job)  # pyright: ignore
    assert (texting.stored(texting.a), texting.stored(texting.a, *TABLES)) == before
    for handler, job in jobs:
        await handler(JobContext(texting.world.tenancy, texting.a.company_id), job)  # pyright: ignore
    assert SECRET not in str((texting.stored(texting.a, "sms_messages"), texting.stored(texting.a, *TABLES)))


async def test_every_table_is_fenced_by_the_database_itself(texting: Texting, database: Database) -> None:
    await make_things(texting)
    a, b = texting.a.company_id, texting.b.company_id
    with psycopg.connect(database.app_url) as connection:
        for table in TABLES:
            name = sql.Identifier(table)
            count = sql.SQL("SELECT count(*) FROM {} WHERE company_id = %s").format(name)
            for company, visible in ((b, False), (a, True)):
                connection.execute(sql.SQL("SET LOCAL ringfence.company_id = {}").format(sql.Literal(str(company))))
                found = connection.execute(count, [a]).fetchone()
                assert found is not None
                assert (found[0] > 0) is visible, table
            connection.execute(sql.SQL("SET LOCAL ringfence.company_id = {}").format(sql.Literal(str(b))))
            gone = connection.execute(sql.SQL("DELETE FROM {} WHERE company_id = %s").format(name), [a])
            assert gone.rowcount == 0, table


async def test_references_do_not_cross_the_fence(texting: Texting) -> None:
    things = await make_things(texting)
    for statement, value in (
        ("UPDATE conversations SET assigned_to = %s WHERE id = %s", texting.world.b.agent.id),
        ("UPDATE conversation_notes SET conversation_id = %s WHERE conversation_id = %s", new_id()),
        ("UPDATE conversation_reads SET user_id = %s WHERE conversation_id = %s", texting.world.b.agent.id),
    ):
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            texting.change(statement, value, things["thread"])
    texting.change(
        "UPDATE conversations SET assigned_to = %s WHERE id = %s", texting.world.a.agent.id, things["thread"]
    )
