"""States, owners, read marks and deletion of conversations, through the doors."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
import pytest
import time_machine

from ringfence.features.conversations.jobs import EndSnoozeHandler
from ringfence.features.conversations.values import EndSnooze, PurgeConversation
from ringfence.features.inbox.jobs import PurgeHandler
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.clock import utc_now
from tests.factories.scheduling import in_hours
from tests.factories.texts import CUSTOMER
from tests.integration.inbox.conftest import Desk


def standing(item: dict) -> tuple:
    return item["state"], item["assigned_to"], item["snoozed_until"] is not None


async def test_text_opens_what_was_done_or_snoozed_and_closing_clears_the_owner(desk: Desk) -> None:
    thread = await desk.text()
    mine = desk.id_of("ari")
    await desk.patch(thread, assigned_to=mine)
    done = await desk.patch(thread, state="done")
    assert (standing(done), done["before"]) == (
        ("done", None, False),
        {"state": "open", "snoozed_until": None, "assigned_to": mine},
    )
    undone = await desk.patch(thread, **done["before"] | {"snoozed_until": None})
    assert standing(undone) == ("open", mine, False)
    await desk.patch(thread, state="done")
    await desk.text()
    assert standing(await desk.look(thread)) == ("open", None, False)
    snoozed = await desk.patch(thread, state="snoozed", snoozed_until=in_hours(3), assigned_to=mine)
    assert standing(snoozed) == ("snoozed", mine, True)
    await desk.text()
    assert standing(await desk.look(thread)) == ("open", mine, False)


async def test_snooze_ends_on_time_and_an_earlier_one_does_not_end_a_later(desk: Desk) -> None:
    thread = await desk.text()
    context = JobContext(desk.texting.world.tenancy, desk.texting.a.company_id)
    rows = await desk.patch(thread, state="snoozed", snoozed_until=in_hours(1))
    await desk.patch(thread, state="snoozed", snoozed_until=in_hours(5))
    job = EndSnooze(conversation_id=rows["id"])
    with time_machine.travel(utc_now() + timedelta(hours=2)):
        await EndSnoozeHandler()(context, job)
    assert (await desk.look(thread))["state"] == "snoozed"
    with time_machine.travel(utc_now() + timedelta(hours=6)):
        await EndSnoozeHandler()(context, job)
        await EndSnoozeHandler()(context, job)
    assert standing(await desk.look(thread)) == ("open", None, False)
    with time_machine.travel(utc_now(), tick=False) as now:
        for body, code in (
            ({"state": "snoozed"}, "snooze"),
            ({"state": "done", "snoozed_until": in_hours(1)}, "snooze"),
            ({"state": "snoozed", "snoozed_until": in_hours(-1)}, "in_the_past"),
            ({"state": "snoozed", "snoozed_until": in_hours(24 * 400)}, "too_far_ahead"),
            ({"snoozed_until": in_hours(1)}, "invalid"),
            ({}, "invalid"),
        ):
            refused = await desk.ari.patch(f"/api/sms/conversations/{thread}", json=body)
            assert (refused.status_code, refused.json()["code"]) == (422, code), (body, now)


async def test_each_snooze_waits_in_the_queue_for_its_time(desk: Desk) -> None:
    thread = await desk.text()
    until = in_hours(2)
    await desk.patch(thread, state="snoozed", snoozed_until=until)
    with psycopg.connect(desk.texting.database.admin_url) as admin:
        rows = admin.execute(
            "SELECT scheduled_at, args FROM procrastinate_jobs WHERE task_name = 'conversations.end_snooze'"
        ).fetchall()
    assert [(at, args["fields"]) for at, args in rows] == [(datetime.fromisoformat(until), {"conversation_id": thread})]


async def test_only_active_people_of_the_company_are_given_conversations(desk: Desk) -> None:
    thread = await desk.text()
    world = desk.texting.world
    desk.texting.change("UPDATE users SET status = 'suspended' WHERE id = %s", desk.id_of("olga"))
    path = f"/api/sms/conversations/{thread}"
    answers = [
        await desk.ari.patch(path, json={"assigned_to": who})
        for who in (str(world.b.agent.id), "00000000-0000-7000-8000-000000000000", desk.id_of("olga"))
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(422, answers[0].content)}
    assert answers[0].json()["code"] == "assignee"
    assert (await desk.patch(thread, assigned_to=desk.id_of("mo")))["assigned_to"] == desk.id_of("mo")
    assert (await desk.patch(thread, assigned_to=None))["assigned_to"] is None


async def test_reply_takes_what_is_nobodys_and_only_a_persons_reply(desk: Desk) -> None:
    thread = await desk.text()
    await desk.texting.sent(desk.texting.a, body="from a key")
    assert (await desk.look(thread))["assigned_to"] is None
    assert (await desk.ari.post("/api/sms/send", json={"to": CUSTOMER, "body": "I am on it"})).status_code == 202
    assert (await desk.look(thread))["assigned_to"] == desk.id_of("ari")
    assert (await desk.mo.post("/api/sms/send", json={"to": CUSTOMER, "body": "Me too"})).status_code == 202
    assert (await desk.look(thread))["assigned_to"] == desk.id_of("ari")
    await desk.patch(thread, state="done")
    assert (await desk.olga.post("/api/sms/send", json={"to": CUSTOMER, "body": "One more"})).status_code == 202
    assert standing(await desk.look(thread)) == ("open", desk.id_of("olga"), False)


async def test_conversation_that_no_person_began_comes_into_sight_with_the_answer(desk: Desk) -> None:
    await desk.texting.sent(desk.texting.a, body="a campaign")
    thread = await desk.thread()
    assert standing(await desk.look(thread)) == ("done", None, False)
    await desk.text(body="tell me more")
    assert standing(await desk.look(thread)) == ("open", None, False)


@pytest.mark.parametrize("rule", ["all", "own_and_unassigned"])
async def test_two_replies_at_once_make_one_owner(desk: Desk, rule: str) -> None:
    thread = await desk.text()
    await desk.rule(rule)
    answers = await asyncio.gather(
        desk.ari.post("/api/sms/send", json={"to": CUSTOMER, "body": "Ari here"}),
        desk.olga.post("/api/sms/send", json={"to": CUSTOMER, "body": "Olga here"}),
    )
    owner = (await desk.look(thread))["assigned_to"]
    codes = {desk.id_of(name): answer.status_code for name, answer in zip(("ari", "olga"), answers, strict=True)}
    assert codes.pop(owner) == 202
    assert list(codes.values()) == [202 if rule == "all" else 403]
    texts = desk.texting.stored(desk.texting.a, "sms_messages")["sms_messages"]
    assert len(texts) == (3 if rule == "all" else 2)


async def test_each_person_has_read_for_themselves(desk: Desk) -> None:
    thread = await desk.text()
    clients = (desk.ari, desk.olga, desk.mo)

    async def unread() -> list[bool]:
        return [(await desk.look(thread, client))["unread"] for client in clients]

    path = f"/api/sms/conversations/{thread}"
    assert await unread() == [True, True, True]
    assert (await desk.ari.post(f"{path}/read")).json()["unread"] is False
    assert (await unread(), (await desk.look(thread))["unread_count"]) == ([False, True, True], 0)
    assert (await desk.listed(desk.ari, unread=True), await desk.listed(desk.olga, unread=True)) == ([], [CUSTOMER])
    assert await desk.listed(desk.ari, unread=False) == [CUSTOMER]
    await desk.olga.post(f"{path}/read")
    assert (await desk.ari.post(f"{path}/unread")).json()["unread"] is True
    assert await unread() == [True, False, True]
    await desk.ari.post(f"{path}/read")
    await desk.text(body="and now?")
    assert (await unread(), (await desk.look(thread))["unread_count"]) == ([True, True, True], 1)
    # Who joins later finds read what their colleagues have read, and unread what nobody has.
    desk.texting.change("UPDATE users SET created_at = now() + interval '1 hour'")
    assert await unread() == [True, True, True]
    await desk.mo.post(f"{path}/read")
    desk.texting.change("DELETE FROM conversation_reads")
    assert await unread() == [False, False, False]


async def test_deleted_conversation_is_out_of_sight_and_can_be_had_back(desk: Desk) -> None:
    thread = await desk.text(body="canary words")
    other = await desk.text("+16025550111")
    await desk.ari.post(f"/api/sms/conversations/{thread}/notes", json={"body": "canary note"})
    path = f"/api/sms/conversations/{thread}"
    assert (await desk.ari.delete(path)).status_code == 403
    deleted = await desk.mo.delete(path)
    assert deleted.status_code == 200, deleted.text
    assert deleted.json()["restorable_until"] > in_hours(24 * 29)
    for where in ("/api/sms/conversations", "/api/sms/messages", f"{path}/timeline", f"{path}/notes", path):
        assert "canary" not in (await desk.mo.get(where)).text, where
    assert (await desk.mo.get(path)).status_code == 404
    assert (await desk.ari.get("/api/sms/conversations", params={"deleted": True})).status_code == 403
    gone = (await desk.mo.get("/api/sms/conversations", params={"deleted": True})).json()["items"]
    assert [item["id"] for item in gone] == [thread]
    assert (await desk.ari.post(f"{path}/restore")).status_code == 403
    assert (await desk.mo.post(f"{path}/restore")).status_code == 200
    assert "canary note" in (await desk.mo.get(f"{path}/timeline")).text
    assert (await desk.mo.post(f"{path}/restore")).status_code == 404
    await desk.mo.delete(path)
    await desk.text(body="hello again")
    assert (await desk.look(thread))["state"] == "open"
    assert "canary words" in (await desk.mo.get(f"{path}/messages")).text
    assert (await desk.look(other))["outside_number"] == "+16025550111"
    actions = [entry["action"] for entry in (await desk.texting.get("/api/audit-log", desk.texting.a))["items"]]
    assert [a for a in actions if a.startswith("conversation")] == [
        "conversation.deleted",
        "conversation.restored",
        "conversation.deleted",
    ]


async def test_after_thirty_days_nothing_of_it_is_left_unless_it_came_back(desk: Desk) -> None:
    thread, kept = await desk.text(body="canary words"), await desk.text("+16025550111", "other words")
    await desk.ari.post(f"/api/sms/conversations/{thread}/notes", json={"body": "canary note"})
    context = JobContext(desk.texting.world.tenancy, desk.texting.a.company_id)
    for one in (thread, kept):
        assert (await desk.mo.delete(f"/api/sms/conversations/{one}")).status_code == 200
    await desk.text("+16025550111", "back again")
    tables = ("conversations", "sms_messages", "conversation_notes", "webhook_events")

    async def purge() -> str:
        for one in (thread, kept):
            await PurgeHandler()(context, PurgeConversation(conversation_id=UUID(one)))
        return str(desk.texting.stored(desk.texting.a, *tables))

    assert "canary words" in await purge()
    with time_machine.travel(utc_now() + timedelta(days=31)):
        left = await purge()
    assert "canary" not in left
    assert "other words" in left
    texts = desk.texting.stored(desk.texting.a, "sms_messages")["sms_messages"]
    assert len(texts) == 3
    await desk.text(body="new words")
    bodies = [item["body"] for item in (await desk.mo.get(f"/api/sms/conversations/{thread}/messages")).json()["items"]]
    assert bodies == ["new words"]


async def test_several_are_changed_at_once_and_what_is_not_seen_is_not_found(desk: Desk) -> None:
    mine, hidden = await desk.text(), await desk.text("+16025550111")
    await desk.rule("own_and_unassigned")
    await desk.patch(hidden, desk.mo, assigned_to=desk.id_of("olga"))
    await desk.texting.inbound(desk.texting.b)
    foreign = str(desk.texting.stored(desk.texting.b, "conversations")["conversations"][0]["id"])
    nobodys = "00000000-0000-7000-8000-000000000000"
    body = {"ids": [hidden, mine, foreign, nobodys, mine], "state": "done"}
    answer = (await desk.ari.patch("/api/sms/conversations", json=body)).json()
    assert [item["id"] for item in answer["items"]] == [mine]
    assert answer["not_found"] == [hidden, foreign, nobodys]
    assert [(await desk.look(one))["state"] for one in (mine, hidden)] == ["done", "open"]
    assert (
        await desk.ari.patch("/api/sms/conversations", json={"ids": [mine] * 101, "state": "open"})
    ).status_code == 422


async def test_changes_are_told_live(desk: Desk) -> None:
    thread = await desk.text()

    def told() -> int:
        rows = desk.texting.stored(desk.texting.a, "events")["events"]
        return sum(row["kind"] == "conversation.changed" and str(row["conversation_id"]) == thread for row in rows)

    path = f"/api/sms/conversations/{thread}"
    for method, where, body in (
        ("PATCH", path, {"state": "done"}),
        ("POST", f"{path}/read", None),
        ("POST", f"{path}/unread", None),
        ("POST", f"{path}/notes", {"body": "look"}),
        ("DELETE", path, None),
        ("POST", f"{path}/restore", None),
    ):
        before = told()
        answer = await desk.mo.request(method, where, json=body)
        assert answer.is_success, answer.text
        assert told() == before + 1, (method, where)
    before = told()
    await desk.patch(thread, desk.mo, state="done")
    assert told() == before
