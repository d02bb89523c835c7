"""Inside one company: what an agent may not see under `own_and_unassigned`, and may not write into.

The hidden conversation is another agent's. Each refusal is compared with that of an id nobody has, and has its
control: the manager, and the agent whose conversation it is.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from ringfence.api.public import routes_of
from ringfence.features.messages.actions.media_store import MediaStore
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.scheduling import in_hours
from tests.factories.texts import CUSTOMER, Texting, make_texting, texting_services
from tests.factories.viewing import agents_see as set_rule
from tests.factories.viewing import second_agent
from tests.factories.world import World

SECRET = "canary-8c41"
NOBODYS = "+16025550111"
OWN = "+16025550112"
# Addresses that answer no list of a company's rows, or a stream without end.
NOT_LISTS = {"/api/events"}
# Their ids are of another kind than those of the same name elsewhere.
OTHER_THINGS = {"/api/media/{media_id}": "what somebody uploads, before a text carries it"}


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return texting_services(tmp_path)


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)


@dataclass
class Scene:
    """`agent` looks; `owner` has the hidden conversation; `hidden` holds ids by the name of their path parameter."""

    texting: Texting
    agent: httpx.AsyncClient
    owner: httpx.AsyncClient
    manager: httpx.AsyncClient
    agent_id: str
    owner_id: str
    hidden: dict[str, str]
    seen: dict[str, str] = field(default_factory=dict)

    async def rule(self, agents_see: str) -> None:
        await set_rule(self.texting, agents_see)


async def make_scene(texting: Texting, folder: Path) -> Scene:
    """Three conversations: the owner's, nobody's, the agent's own; the first with everything one can have."""
    world, a = texting.world, texting.a
    owner = await second_agent(world)
    for number, words in ((CUSTOMER, SECRET), (NOBODYS, "unassigned words"), (OWN, "own words")):
        await texting.inbound(a, sender=number, body=words)
    media = {"NumMedia": "1", "MediaUrl0": "https://api.twilio.com/m/1", "MediaContentType0": "image/png"}
    await texting.inbound(a, body=f"{SECRET} with picture", sid="MM" + "5" * 32, fields=media)
    failed = await texting.sent(a, body=f"{SECRET} failed", allow_duplicate=True)
    await texting.settle(a, failed["id"], error_code=21614)
    waiting = await texting.sent(a, body=f"{SECRET} waiting")
    row = texting.stored(a, "sms_media")["sms_media"][0]
    await MediaStore(folder).write(a.company_id, row["id"], SECRET.encode())
    texting.change("UPDATE sms_media SET status = 'stored', content_type = 'image/png', size_bytes = 11")
    later = await texting.call(
        "POST",
        "/api/sms/schedule",
        a,
        json={"to": CUSTOMER, "body": f"{SECRET} later", "scheduled_at": in_hours(24)},
    )
    assert later.status_code == 201, later.text
    call, recording = await a_call(texting, folder)
    note = await texting.call(
        "POST", f"/api/sms/conversations/{failed['conversation_id']}/notes", a, json={"body": f"{SECRET} note"}
    )
    for number, user in ((CUSTOMER, owner.id), (OWN, world.a.agent.id)):
        texting.change("UPDATE conversations SET assigned_to = %s WHERE outside_number = %s", user, number)
    scene = Scene(
        texting,
        await world.log_in(world.a.agent),
        await world.log_in(owner),
        await world.log_in(world.a.manager),
        str(world.a.agent.id),
        str(owner.id),
        hidden={
            "conversation_id": failed["conversation_id"],
            "message_id": str(row["message_id"]),
            "media_id": str(row["id"]),
            "scheduled_id": later.json()["id"],
            "call_id": call,
            "note_id": note.json()["id"],
            "recording_id": recording,
            "failed_id": failed["id"],
            "waiting_id": waiting["id"],
        },
    )
    await scene.rule("own_and_unassigned")
    return scene


async def a_call(texting: Texting, folder: Path) -> tuple[str, str]:
    """A call between the numbers of the hidden conversation that nobody of the company made, with its recording."""
    call, recording, a = new_id(), new_id(), texting.a
    number = next(row["id"] for row in texting.stored(a)["phone_numbers"] if row["phone_number"] == a.number)
    with psycopg.connect(texting.database.admin_url, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO calls (company_id, id, direction, status, source, phone_number_id, our_number,"
            " outside_number, notes, created_at, updated_at)"
            " VALUES (%s, %s, 'inbound', 'completed', 'webhook', %s, %s, %s, %s, now(), now())",
            [a.company_id, call, number, a.number, CUSTOMER, SECRET],
        )
        admin.execute(
            "INSERT INTO call_recordings (company_id, id, call_id, kind, status, twilio_sid, account_sid,"
            " content_type, created_at) VALUES (%s, %s, %s, 'call', 'stored', %s, %s, 'audio/mpeg', now())",
            [a.company_id, recording, call, "RE" + "1" * 32, a.account_sid],
        )
    await MediaStore(folder).write(a.company_id, recording, SECRET.encode())
    return str(call), str(recording)


def reading(scene: Scene) -> list[str]:
    return sorted(
        {path for method, path, _ in routes_of(scene.texting.world.app) if method == "GET"}
        - NOT_LISTS
        - OTHER_THINGS.keys()
    )


def filled(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda found: ids[found.group(1)], path)


async def test_every_address_that_reads_hides_the_conversation_of_another(texting: Texting, tmp_path: Path) -> None:
    """All GET routes there are, today's and tomorrow's: with a hidden id as with an unknown one, lists without it."""
    scene = await make_scene(texting, tmp_path)
    about = [path for path in reading(scene) if set(re.findall(r"{(\w+)}", path)) & scene.hidden.keys()]
    shown: set[str] = set()
    for path in about:
        names = re.findall(r"{(\w+)}", path)
        if not set(names) <= scene.hidden.keys():
            continue
        unknown = {name: str(new_id()) for name in names}
        ours = await scene.agent.get(filled(path, scene.hidden))
        nobodys = await scene.agent.get(filled(path, unknown))
        assert (ours.status_code, ours.content) == (404, nobodys.content), path
        for client in (scene.manager, scene.owner):
            control = await client.get(filled(path, scene.hidden))
            assert control.status_code == 200, (path, control.text)
            if SECRET in control.text:
                shown.add(path)
    assert {
        "/api/sms/conversations/{conversation_id}",
        "/api/sms/conversations/{conversation_id}/messages",
        "/api/sms/conversations/{conversation_id}/calls",
        "/api/sms/conversations/{conversation_id}/notes",
        "/api/sms/conversations/{conversation_id}/timeline",
        "/api/sms/messages/{message_id}",
        "/api/sms/messages/{message_id}/media/{media_id}",
        "/api/sms/scheduled/{scheduled_id}",
        "/api/calls/{call_id}",
        "/api/calls/{call_id}/recording",
    } <= shown


async def test_every_list_leaves_out_the_conversation_of_another(texting: Texting, tmp_path: Path) -> None:
    scene = await make_scene(texting, tmp_path)
    lists = [path for path in reading(scene) if "{" not in path and path.startswith("/api/")]
    for path in lists:
        for params in ({}, {"q": SECRET}, {"number": CUSTOMER}, {"conversation_id": scene.hidden["conversation_id"]}):
            answer = await scene.agent.get(path, params=params)
            assert SECRET not in answer.text, (path, params)
    for path in ("/api/sms/conversations", "/api/sms/messages", "/api/sms/scheduled", "/api/calls"):
        for client in (scene.manager, scene.owner):
            assert SECRET in (await client.get(path)).text, path
    # What is nobody's and what is the agent's own stays in sight.
    texts = (await scene.agent.get("/api/sms/messages")).text
    assert "unassigned words" in texts
    assert "own words" in texts
    recording = await scene.agent.get(
        f"/api/calls/{scene.hidden['call_id']}/recording", params={"recording_id": scene.hidden["recording_id"]}
    )
    assert recording.status_code == 404


WRITES: list[tuple[str, str, Any]] = [
    ("POST", "/api/sms/conversations/{conversation_id}/read", None),
    ("POST", "/api/sms/conversations/{conversation_id}/unread", None),
    ("PATCH", "/api/sms/conversations/{conversation_id}", {"state": "done"}),
    ("PATCH", "/api/sms/conversations/{conversation_id}", {"assigned_to": None}),
    ("POST", "/api/sms/conversations/{conversation_id}/notes", {"body": "seen"}),
    ("PATCH", "/api/sms/conversations/{conversation_id}/notes/{note_id}", {"body": "seen"}),
    ("DELETE", "/api/sms/conversations/{conversation_id}/notes/{note_id}", None),
    ("DELETE", "/api/sms/messages/{waiting_id}", None),
    ("POST", "/api/sms/messages/{failed_id}/retry", {}),
    ("PATCH", "/api/sms/scheduled/{scheduled_id}", {"body": "changed"}),
    ("POST", "/api/sms/scheduled/{scheduled_id}/send-now", None),
    ("DELETE", "/api/sms/scheduled/{scheduled_id}", None),
    ("PATCH", "/api/calls/{call_id}", {"notes": "seen"}),
    ("POST", "/api/calls/{call_id}/redial", {}),
    ("POST", "/api/calls/{call_id}/hang-up", None),
]


async def test_no_act_reaches_into_the_conversation_of_another(texting: Texting, tmp_path: Path) -> None:
    scene = await make_scene(texting, tmp_path)
    texting.change("UPDATE users SET phone = '+16025550333' WHERE id = %s", scene.agent_id)
    tables = (
        "conversations",
        "conversation_notes",
        "conversation_reads",
        "sms_messages",
        "scheduled_sms",
        "calls",
        "outbox",
    )
    before = texting.stored(texting.a, *tables)
    for method, path, body in WRITES:
        unknown = {name: str(new_id()) for name in re.findall(r"{(\w+)}", path)}
        ours = await scene.agent.request(method, filled(path, scene.hidden), json=body)
        nobodys = await scene.agent.request(method, filled(path, unknown), json=body)
        assert (ours.status_code, ours.content) == (404, nobodys.content), path
    text = {"to": CUSTOMER, "body": "over your head"}
    later = {**text, "scheduled_at": in_hours(24)}
    for path, body in (("/api/sms/send", text), ("/api/sms/schedule", later), ("/api/calls", {"to": CUSTOMER})):
        answer = await scene.agent.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_your_conversation"), path
    assert texting.stored(texting.a, *tables) == before
    assert (await scene.owner.post("/api/sms/send", json=text)).status_code == 202
    assert (await scene.manager.post("/api/sms/schedule", json=later)).status_code == 201
    assert (await scene.agent.post("/api/sms/send", json={**text, "to": NOBODYS})).status_code == 202
    assert (await scene.agent.post("/api/sms/send", json={**text, "to": OWN})).status_code == 202


async def test_without_the_rule_agents_see_all_and_it_takes_hold_at_once(texting: Texting, tmp_path: Path) -> None:
    scene = await make_scene(texting, tmp_path)
    path = f"/api/sms/conversations/{scene.hidden['conversation_id']}"
    assert (await scene.agent.get(path)).status_code == 404
    await scene.rule("all")
    assert (await scene.agent.get(path)).json()["assigned_to"] == scene.owner_id
    assert SECRET in (await scene.agent.get("/api/sms/messages")).text
    await scene.rule("own_and_unassigned")
    assert (await scene.agent.get(path)).status_code == 404
    refused = await scene.agent.patch("/api/company", json={"agents_see": "all"})
    assert refused.status_code == 403
    entries = (await texting.get("/api/audit-log", texting.a))["items"]
    assert next(entry["after"] for entry in entries if "agents_see" in (entry["after"] or {})) == {
        "agents_see": "own_and_unassigned"
    }


async def test_keys_see_all_from_manage_up_and_only_what_is_nobodys_below(texting: Texting, tmp_path: Path) -> None:
    scene = await make_scene(texting, tmp_path)
    path = f"/api/sms/conversations/{scene.hidden['conversation_id']}"
    found = {
        scope: (await texting.call("GET", path, texting.a, scope=scope)).status_code
        for scope in ("read", "send", "manage", "admin")
    }
    assert found == {"read": 404, "send": 404, "manage": 200, "admin": 200}
    listed = await texting.call("GET", "/api/sms/conversations", texting.a, scope="send")
    assert [item["outside_number"] for item in listed.json()["items"]] == [NOBODYS]
    assert (await texting.send(texting.a)).json()["code"] == "not_your_conversation"


async def test_an_agents_own_call_and_scheduled_text_stay_theirs(texting: Texting, tmp_path: Path) -> None:
    """Also in the conversation of another: they were there. The conversation stays hidden."""
    scene = await make_scene(texting, tmp_path)
    call, scheduled = scene.hidden["call_id"], scene.hidden["scheduled_id"]
    texting.change("UPDATE calls SET user_id = %s WHERE id = %s", scene.agent_id, call)
    texting.change(
        "UPDATE scheduled_sms SET actor_kind = 'user', actor_id = %s WHERE id = %s", scene.agent_id, scheduled
    )
    seen = await scene.agent.get(f"/api/calls/{call}")
    assert (seen.status_code, seen.json()["conversation_id"]) == (200, None)
    assert (await scene.manager.get(f"/api/calls/{call}")).json()["conversation_id"] is not None
    assert (await scene.agent.get(f"/api/sms/scheduled/{scheduled}")).status_code == 200
    now = await scene.agent.post(f"/api/sms/scheduled/{scheduled}/send-now")
    assert (now.status_code, now.json()["code"]) == (403, "not_your_conversation")
    assert (await scene.agent.delete(f"/api/sms/scheduled/{scheduled}")).json()["status"] == "canceled"
