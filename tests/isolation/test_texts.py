"""Contacts, opt-outs, conversations and texts across the fence: company b tries everything with what is company a's.

Each refusal is compared with that of an id nobody has, and each has its control: company a itself may do it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import func, select

from ringfence.db.base import Base
from ringfence.features.messages.actions.media_store import MediaStore
from ringfence.features.messages.model import Media, Message
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.texts import CUSTOMER, TABLES, Texting, make_texting, new_sid, texting_services
from tests.factories.world import World

SECRET = "canary-of-a-6f1e"


@dataclass(frozen=True)
class Things:
    """What company a has: ids by kind."""

    contact: str
    opt_out: str
    conversation: str
    message: str
    failed: str
    media: str
    media_message: str
    number: str


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return texting_services(tmp_path)


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)


async def make_things(texting: Texting, folder: Path) -> Things:
    """Everything these rooms store, all of it company a's."""
    a = texting.a
    contact = await texting.call(
        "POST", "/api/contacts", a, json={"first_name": SECRET, "phone_number": CUSTOMER, "organisation": SECRET}
    )
    await texting.inbound(a, body=f"{SECRET} in")
    text = await texting.sent(a, body=f"{SECRET} out", key="key-of-a")
    failed = await texting.sent(a, body=f"{SECRET} failed")
    await texting.settle(a, failed["id"], error_code=21614)
    media = {"NumMedia": "1", "MediaUrl0": "https://api.twilio.com/m/1", "MediaContentType0": "image/png"}
    await texting.inbound(a, body="", sid="MM" + "5" * 32, fields=media)
    row = texting.stored(a, "sms_media")["sms_media"][0]
    await MediaStore(folder).write(a.company_id, row["id"], SECRET.encode())
    texting.change(
        "UPDATE sms_media SET status = 'stored', content_type = 'image/png', size_bytes = 16 WHERE id = %s", row["id"]
    )
    picture = {"file": ("van.png", b"\x89PNG\r\n\x1a\n" + SECRET.encode())}
    uploaded = await texting.call("POST", "/api/media", a, files=picture)
    assert uploaded.status_code == 201, uploaded.text
    opt_out = await texting.call(
        "POST", "/api/sms/opt-outs", a, json={"outside_number": "+16025550888", "evidence": SECRET}
    )
    numbers = texting.stored(a, "phone_numbers")["phone_numbers"]
    return Things(
        contact=contact.json()["id"],
        opt_out=opt_out.json()["id"],
        conversation=text["conversation_id"],
        message=text["id"],
        failed=failed["id"],
        media=str(row["id"]),
        media_message=str(row["message_id"]),
        number=next(str(number["id"]) for number in numbers if number["phone_number"] == a.number),
    )


# (method, path, body): {id} is the slot that is tried; the rest is right.
BY_ID: list[tuple[str, str, str, Any]] = [
    ("contact", "GET", "/api/contacts/{id}", None),
    ("contact", "PATCH", "/api/contacts/{id}", {"first_name": "b was here"}),
    ("conversation", "GET", "/api/sms/conversations/{id}", None),
    ("conversation", "GET", "/api/sms/conversations/{id}/messages", None),
    ("conversation", "POST", "/api/sms/conversations/{id}/read", None),
    ("message", "GET", "/api/sms/messages/{id}", None),
    ("message", "GET", "/api/sms/messages/{id}/timeline", None),
    ("media_message", "GET", "/api/sms/messages/{id}/media/{media}", None),
    ("media", "GET", "/api/sms/messages/{media_message}/media/{id}", None),
    ("failed", "POST", "/api/sms/messages/{id}/retry", {}),
    ("contact", "POST", "/api/sms/send", {"to": CUSTOMER, "body": "by contact", "contact_id": "{id}"}),
    (
        "number",
        "POST",
        "/api/sms/opt-outs",
        {"outside_number": "+16025550777", "scope": "pair", "phone_number_id": "{id}"},
    ),
    ("opt_out", "DELETE", "/api/sms/opt-outs/{id}", {"evidence": "b says so"}),
    ("message", "DELETE", "/api/sms/messages/{id}", None),
]


def filled(template: Any, things: Things, tried: str) -> Any:
    if isinstance(template, dict):
        return {name: filled(value, things, tried) for name, value in template.items()}
    if isinstance(template, str):
        return template.format(id=tried, media=things.media, media_message=things.media_message)
    return template


async def test_foreign_ids_are_like_ids_that_nobody_has_and_change_nothing(texting: Texting, tmp_path: Path) -> None:
    things = await make_things(texting, tmp_path)
    before = texting.stored(texting.a), texting.stored(texting.b)

    for kind, method, path, body in BY_ID:
        foreign, unknown = getattr(things, kind), str(new_id())
        answers = [
            await texting.call(method, filled(path, things, tried), texting.b, json=filled(body, things, tried))
            for tried in (foreign, unknown)
        ]
        assert [answer.status_code for answer in answers] == [404, 404], (method, path)
        assert answers[0].content == answers[1].content, (method, path)
        assert shown(answers[0]) == shown(answers[1]), (method, path)

    assert (texting.stored(texting.a), texting.stored(texting.b)) == before
    for kind, method, path, body in BY_ID:
        tried = getattr(things, kind)
        own = await texting.call(method, filled(path, things, tried), texting.a, json=filled(body, things, tried))
        assert own.is_success, (method, path, own.text)


def shown(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in {"x-request-id", "date"}}


async def test_lists_filters_and_cursors_show_nothing_of_the_other_company(texting: Texting, tmp_path: Path) -> None:
    things = await make_things(texting, tmp_path)
    own = await texting.sent(texting.b, body="b's own", to="+14155550999")
    lists = ("/api/sms/messages", "/api/sms/conversations", "/api/contacts", "/api/sms/opt-outs")
    seen = [await texting.call("GET", path, texting.b) for path in lists]
    assert [item["id"] for item in seen[0].json()["items"]] == [own["id"]]
    for answer in seen:
        assert SECRET not in answer.text

    unknown = str(new_id())
    for path, name, value in (
        ("/api/sms/messages", "phone_number_id", things.number),
        ("/api/sms/messages", "contact_id", things.contact),
        ("/api/sms/messages", "conversation_id", things.conversation),
        ("/api/sms/conversations", "phone_number_id", things.number),
    ):
        foreign = await texting.call("GET", path, texting.b, params={name: value})
        nobody = await texting.call("GET", path, texting.b, params={name: unknown})
        assert (foreign.status_code, foreign.content) == (200, nobody.content), (path, name)
        assert foreign.json()["items"] == []
        control = await texting.call("GET", path, texting.a, params={name: value})
        assert control.json()["items"], (path, name)
    for path, name, value in (
        ("/api/sms/messages", "number", CUSTOMER),
        ("/api/sms/conversations", "q", SECRET),
        ("/api/contacts", "q", SECRET),
        ("/api/sms/opt-outs", "number", "+16025550888"),
    ):
        assert (await texting.get(path, texting.b, **{name: value}))["items"] == []
        assert (await texting.get(path, texting.a, **{name: value}))["items"], (path, name)

    await texting.inbound(texting.a, sender="+16025550123", body="one more")
    await texting.call("POST", "/api/contacts", texting.a, json={"first_name": "One more"})
    await texting.call("POST", "/api/sms/opt-outs", texting.a, json={"outside_number": "+16025550123"})
    for path, answer in zip(lists, seen, strict=True):
        assert (await texting.call("GET", path, texting.b)).content == answer.content
        cursor = (await texting.get(path, texting.a, limit=1))["next_cursor"]
        stolen = await texting.call("GET", path, texting.b, params={"limit": 1, "cursor": cursor})
        assert (stolen.status_code, stolen.json()["code"]) == (422, "bad_cursor")
        assert (await texting.call("GET", path, texting.a, params={"cursor": cursor})).status_code == 200


async def test_sending_in_another_companys_name_is_refused(texting: Texting, tmp_path: Path) -> None:
    things = await make_things(texting, tmp_path)
    before = texting.stored(texting.a), texting.stored(texting.b)

    foreign = await texting.send(texting.b, from_number=texting.a.number)
    unknown = await texting.send(texting.b, from_number="+16025550000")
    planted = await texting.send(texting.b, company_id=str(texting.a.company_id))

    assert (foreign.status_code, foreign.json()["code"]) == (422, "unknown_sender")
    assert foreign.content == unknown.content
    assert planted.status_code == 422
    assert (texting.stored(texting.a), texting.stored(texting.b)) == before
    # Neither a's opt-outs, duplicates nor keys reach b, and a's contact is not b's.
    out = await texting.sent(texting.b, to="+16025550888", body=f"{SECRET} out", key="key-of-a")
    same = await texting.sent(texting.b, body=f"{SECRET} out", from_number=texting.b.number)
    assert out["contact_id"] is same["contact_id"] is None
    assert texting.stored(texting.a) == before[0]
    assert (await texting.send(texting.a, from_number=texting.a.number, body="control")).status_code == 202
    assert things.contact


async def test_stop_to_one_company_leaves_the_other(texting: Texting) -> None:
    await texting.inbound(texting.a, body="STOP")

    assert (await texting.send(texting.a)).json()["code"] == "opted_out"
    assert (await texting.send(texting.b)).status_code == 202
    await texting.inbound(texting.b, body="START")
    assert (await texting.send(texting.a)).json()["code"] == "opted_out"


async def test_engine_sees_one_company_only(texting: Texting) -> None:
    """The dispatcher's face of the room, given another company's ids, answers as for none."""
    text, sid = await texting.sent(texting.a, body=SECRET), new_sid()
    await texting.settle(texting.a, text["id"], sid)
    waiting = await texting.sent(texting.a, body=f"{SECRET} 2")
    before = texting.stored(texting.a)

    assert await texting.judge(texting.b, waiting["id"]) is None
    await texting.settle(texting.b, waiting["id"], new_sid())
    await texting.settle(texting.b, waiting["id"], error_code=21610)
    async with texting.world.tenancy.tenant(texting.b.company_id) as session:
        assert await texting.texts.load(session, [UUID(waiting["id"])]) == {}
        assert await texting.texts.adopted_sids(session, [sid]) == set()
    assert texting.stored(texting.a) == before
    async with texting.world.tenancy.tenant(texting.a.company_id) as session:
        assert await texting.texts.adopted_sids(session, [sid]) == {sid}
    assert (await texting.judge(texting.a, waiting["id"])).body == f"{SECRET} 2"


async def test_every_table_of_these_rooms_is_fenced_by_the_database_itself(
    texting: Texting, tmp_path: Path, database: Database
) -> None:
    """With the app role and b's context, raw SQL without any WHERE sees nothing of a and moves nothing of it."""
    await make_things(texting, tmp_path)
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
            moved = connection.execute(
                sql.SQL("UPDATE {} SET company_id = %s WHERE company_id = %s").format(name), [b, a]
            )
            assert moved.rowcount == 0, table
            connection.rollback()


async def test_reference_to_another_companys_row_is_refused_by_the_database(texting: Texting, tmp_path: Path) -> None:
    things = await make_things(texting, tmp_path)
    columns = {column.name for column in Base.metadata.tables["sms_messages"].columns}
    assert {"conversation_id", "phone_number_id", "contact_id", "retry_of"} <= columns
    own = await texting.sent(texting.b, to="+14155550999")
    for column, foreign in (
        ("conversation_id", things.conversation),
        ("phone_number_id", things.number),
        ("contact_id", things.contact),
        ("retry_of", things.message),
    ):
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            texting.change(f"UPDATE sms_messages SET {column} = %s WHERE id = %s", foreign, own["id"])
    texting.change("UPDATE sms_messages SET retry_of = %s WHERE id = %s", own["id"], own["id"])


async def test_media_of_another_company_are_not_found_even_with_the_file_there(
    texting: Texting, tmp_path: Path
) -> None:
    things = await make_things(texting, tmp_path)
    path = f"/api/sms/messages/{things.media_message}/media/{things.media}"

    theirs = await texting.call("GET", path, texting.b)
    nobody = await texting.client.get(path)
    mine = await texting.call("GET", path, texting.a, scope="read")

    assert (theirs.status_code, nobody.status_code) == (404, 401)
    assert SECRET not in theirs.text + nobody.text
    assert (mine.status_code, mine.content) == (200, SECRET.encode())
    assert mine.headers["x-content-type-options"] == "nosniff"
    # The next person at the same browser must not find it there.
    assert mine.headers["cache-control"] == "private, no-store"
    async with texting.world.tenancy.tenant(texting.b.company_id) as session:
        for model in (Media, Message):
            query = select(func.count()).select_from(model).where(model.company_id == session.company_id)
            assert await session.scalar(query) == 0
