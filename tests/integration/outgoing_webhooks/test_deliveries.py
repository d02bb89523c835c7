"""Deliveries over real HTTP: what is told, when it is tried again, and what becomes of an endpoint that fails."""

import asyncio
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from ringfence.features.events.actions import trim
from ringfence.features.outgoing_webhooks.jobs import trim_webhooks
from ringfence.features.outgoing_webhooks.values.jobs import TrimWebhooks
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.clock import utc_now
from tests.factories.cluster import Database
from tests.factories.hooks import ALL_KINDS, Hooks, couriering
from tests.factories.receivers import hang, receiving
from tests.factories.telephone import open_telephone
from tests.factories.texts import CUSTOMER, new_sid
from tests.factories.waiting import eventually

PATH = "/api/webhooks"


async def test_a_text_that_came_in_is_told_with_what_it_says(hooks: Hooks) -> None:
    async with receiving() as receiver, hooks.couriering():
        made = await hooks.endpoint(hooks.a, receiver, kinds=["message.received"])
        await hooks.texting.inbound(hooks.a, body="Is 4 o'clock fine? 🌵")
        [got] = await receiver.receives(1)
        [logged] = await hooks.logged(hooks.a, made["id"], "delivered")
    thread = (await hooks.texting.get("/api/sms/conversations", hooks.a))["items"][0]

    assert got.body["type"] == "message.received"
    assert got.body["company_id"] == str(hooks.a.company_id)
    assert got.body["data"]["body"] == "Is 4 o'clock fine? 🌵"
    assert got.body["data"]["from_number"] == CUSTOMER
    assert got.body["data"]["conversation_id"] == thread["id"]
    assert got.headers["content-type"] == "application/json"
    assert (logged["webhook_id"], logged["attempts"]) == (got.id, 1)
    assert (logged["response_status"], logged["response_excerpt"], logged["next_attempt_at"]) == (200, "seen", None)


async def test_what_becomes_of_a_text_is_told_step_by_step_and_each_step_once(hooks: Hooks) -> None:
    async with receiving() as receiver, hooks.couriering():
        await hooks.endpoint(hooks.a, receiver, kinds=["message.status_changed"])
        message, sid = await hooks.texting.sent(hooks.a), new_sid()
        await receiver.receives(1)
        await hooks.texting.judge(hooks.a, message["id"])
        await hooks.texting.settle(hooks.a, message["id"], sid)
        for word in ("sent", "undelivered", "undelivered", "sent"):
            fields = {"ErrorCode": "30003"} if word == "undelivered" else {}
            await hooks.texting.status(hooks.a, message["id"], sid, word, fields=fields)

        async def told() -> bool:
            return any(item.body["data"]["status"] == "undelivered" for item in receiver.got)

        await eventually(told)

    said = [(item.body["data"]["status"], item.body["data"]["error_code"]) for item in receiver.got]
    assert ("queued", None) in said
    assert ("undelivered", 30003) in said
    assert len(set(said)) == len(said) == len(set(receiver.ids))
    assert not any("body" in item.body["data"] for item in receiver.got)


async def test_opt_outs_are_told_and_only_what_was_chosen(hooks: Hooks) -> None:
    async with receiving() as receiver, receiving() as other, hooks.couriering():
        await hooks.endpoint(hooks.a, receiver, kinds=["opt_out.changed"])
        await hooks.endpoint(hooks.a, other, kinds=["message.received"])
        await hooks.texting.inbound(hooks.a, body="STOP")
        await receiver.receives(1)
        await hooks.texting.inbound(hooks.a, body="START")
        await receiver.receives(2)
        await other.receives(2)

    told = [(item.body["type"], item.body["data"]["opted_out"]) for item in receiver.got]
    assert sorted(told) == [("opt_out.changed", False), ("opt_out.changed", True)]
    assert {item.body["data"]["outside_number"] for item in receiver.got} == {CUSTOMER}
    assert {item.body["type"] for item in other.got} == {"message.received"}


async def test_a_call_is_told_when_it_is_over(database: Database, tmp_path: Path) -> None:
    networks = {"webhook_allowed_networks": "127.0.0.0/8"}
    async with receiving() as receiver, open_telephone(database, tmp_path, **networks) as telephone:
        a = telephone.a
        body = {"url": receiver.url, "kinds": ["call.ended"]}
        receiver.secret = (await telephone.call("POST", PATH, a, json=body)).json()["secret"]
        async with couriering(telephone.runtime.tenancy, telephone.runtime.keyring):
            call = await telephone.place(a)
            [got] = await receiver.receives(1)
        shown = await telephone.get(f"/api/calls/{call['id']}", a)

    assert got.body["type"] == "call.ended"
    assert (got.body["data"]["id"], got.body["data"]["status"]) == (call["id"], shown["status"])
    assert got.body["data"]["duration_seconds"] == shown["duration_seconds"]
    assert got.body["data"]["user_id"] == str(a.company.agent.id)


async def test_a_receiver_that_fails_is_tried_again_under_the_same_id(hooks: Hooks) -> None:
    async with receiving(status=500) as receiver, hooks.couriering():
        made = await hooks.endpoint(hooks.a, receiver)
        await hooks.texting.inbound(hooks.a)
        failed = await hooks.attempted(hooks.a, made["id"], 1)
        receiver.status = 204
        await hooks.hurry(hooks.a)
        [delivered] = await hooks.logged(hooks.a, made["id"], "delivered")
    endpoint = await hooks.texting.get(f"{PATH}/{made['id']}", hooks.a)

    assert (failed["state"], failed["response_status"]) == ("pending", 500)
    assert failed["next_attempt_at"] is not None
    assert (delivered["attempts"], delivered["response_status"]) == (2, 204)
    assert receiver.ids == [delivered["webhook_id"]] * 2
    assert (endpoint["failures"], endpoint["failing_since"]) == (0, None)


async def test_redirects_silence_and_a_closed_door_are_failures_with_a_name(hooks: Hooks) -> None:
    async with receiving() as elsewhere, receiving() as receiver:

        async def redirect(_request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(elsewhere.url)

        receiver.behave = redirect
        async with hooks.couriering():
            made = await hooks.endpoint(hooks.a, receiver)
            await hooks.texting.inbound(hooks.a)
            redirected = await hooks.attempted(hooks.a, made["id"], 1)
            receiver.behave = hang
            await hooks.hurry(hooks.a)
            silent = await hooks.attempted(hooks.a, made["id"], 2)
            closed = await hooks.endpoint(hooks.b)
            await hooks.texting.inbound(hooks.b)
            refused = await hooks.attempted(hooks.b, closed["id"], 1)

    assert (redirected["response_status"], redirected["state"]) == (302, "pending")
    assert (silent["response_status"], silent["failure"]) == (None, "timeout")
    assert (refused["response_status"], refused["failure"]) == (None, "connection")
    assert elsewhere.got == []


async def test_an_address_that_became_private_is_not_gone_to(hooks: Hooks) -> None:
    """What was stored when the operator allowed it, or before a name changed: refused where it connects."""
    async with receiving() as receiver, hooks.couriering():
        made = await hooks.endpoint(hooks.a, receiver)
        hooks.texting.change("UPDATE webhook_endpoints SET url = %s", receiver.url.replace("127.0.0.1", "[::1]"))
        await hooks.texting.inbound(hooks.a)
        failed = await hooks.attempted(hooks.a, made["id"], 1)
        hooks.texting.change("UPDATE webhook_endpoints SET url = %s", receiver.url)
        await hooks.hurry(hooks.a)
        await hooks.logged(hooks.a, made["id"], "delivered")

    assert failed["failure"] == "address_not_allowed"


async def test_gone_turns_the_endpoint_off_and_what_waited_can_be_replayed(hooks: Hooks) -> None:
    async with receiving(status=410) as receiver, hooks.couriering():
        made = await hooks.endpoint(hooks.a, receiver, kinds=["message.received"])
        path = f"{PATH}/{made['id']}"
        await hooks.texting.inbound(hooks.a, body="one")
        await hooks.logged(hooks.a, made["id"], "failed")
        off = await hooks.texting.get(path, hooks.a)
        await hooks.texting.inbound(hooks.a, body="two")
        hooks.texting.change("UPDATE webhook_due SET next_due = now()")
        await hooks.logged(hooks.a, made["id"], "skipped")
        since = {"since": (utc_now() - timedelta(hours=1)).isoformat()}
        refused = await hooks.texting.call("POST", f"{path}/replay", hooks.a, json=since)
        receiver.status = 200
        await hooks.texting.call("PATCH", path, hooks.a, json={"status": "active"})
        replayed = await hooks.texting.call("POST", f"{path}/replay", hooks.a, json=since)
        await hooks.logged(hooks.a, made["id"], "delivered", 2)

    assert (off["status"], off["disabled_reason"]) == ("disabled", "gone")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")
    assert replayed.json() == {"replayed": 2, "has_more": False}
    assert [item.body["data"]["body"] for item in receiver.got].count("one") == 2
    entries = hooks.texting.stored(hooks.a, "audit_log")["audit_log"]
    assert [row["actor_kind"] for row in entries if row["action"] == "webhook_endpoint.disabled"] == ["system"]


async def test_long_failure_turns_an_endpoint_off(hooks: Hooks) -> None:
    async with receiving(status=503) as receiver, hooks.couriering():
        made = await hooks.endpoint(hooks.a, receiver)
        hooks.texting.change(
            "UPDATE webhook_endpoints SET failures = 30, failing_since = now() - interval '71 hours'"
            " WHERE company_id = %s",
            hooks.a.company_id,
        )
        await hooks.texting.inbound(hooks.a)
        await hooks.attempted(hooks.a, made["id"], 1)
        still_on = await hooks.texting.get(f"{PATH}/{made['id']}", hooks.a)
        hooks.texting.change("UPDATE webhook_endpoints SET failing_since = now() - interval '73 hours'")
        await hooks.hurry(hooks.a)
        await hooks.logged(hooks.a, made["id"], "skipped")
    off = await hooks.texting.get(f"{PATH}/{made['id']}", hooks.a)

    assert (still_on["status"], still_on["failures"]) == ("active", 31)
    assert still_on["paused_until"] is not None
    assert (off["status"], off["disabled_reason"]) == ("disabled", "failing")


async def test_attempts_come_to_an_end(hooks: Hooks) -> None:
    async with receiving(status=500) as receiver, hooks.couriering():
        made = await hooks.endpoint(hooks.a, receiver)
        await hooks.texting.inbound(hooks.a)
        await hooks.attempted(hooks.a, made["id"], 1)
        hooks.texting.change("UPDATE webhook_deliveries SET attempts = 10")
        await hooks.hurry(hooks.a)
        [failed] = await hooks.logged(hooks.a, made["id"], "failed")

    assert (failed["attempts"], failed["next_attempt_at"]) == (11, None)


async def test_one_delivery_is_replayed_under_its_old_id(hooks: Hooks) -> None:
    async with receiving() as receiver, hooks.couriering():
        made = await hooks.endpoint(hooks.a, receiver, kinds=["message.received"])
        await hooks.texting.inbound(hooks.a)
        [first] = await hooks.logged(hooks.a, made["id"], "delivered")
        path = f"{PATH}/{made['id']}/deliveries/{first['id']}"
        again = await hooks.texting.call("POST", f"{path}/replay", hooks.a)
        await receiver.receives(2)
        shown = await hooks.texting.get(path, hooks.a)

    assert (again.status_code, again.json()["state"]) == (202, "pending")
    assert receiver.ids == [first["webhook_id"]] * 2
    assert shown["replayed_at"] is not None


async def test_a_ping_is_tried_once_and_at_once(hooks: Hooks) -> None:
    async with receiving(status=500) as receiver, hooks.couriering():
        made = await hooks.endpoint(hooks.a, receiver)
        hooks.texting.change("UPDATE webhook_endpoints SET failures = 9, paused_until = now() + interval '1 hour'")
        pinged = await hooks.texting.call("POST", f"{PATH}/{made['id']}/ping", hooks.a)
        [failed] = await hooks.logged(hooks.a, made["id"], "failed")

    assert pinged.status_code == 202
    assert (failed["id"], failed["kind"], failed["attempts"]) == (pinged.json()["id"], "ping", 1)
    assert receiver.got[0].body["type"] == "ping"


async def test_what_was_deleted_meanwhile_is_not_told(hooks: Hooks) -> None:
    made = await hooks.endpoint(hooks.a, kinds=["message.received"])
    await hooks.texting.inbound(hooks.a)
    await hooks.planned(hooks.a)
    [row] = hooks.rows(hooks.a)
    deleted = await hooks.texting.call("DELETE", f"/api/sms/messages/{row['subject_id']}", hooks.a)
    assert deleted.is_success
    batch = await hooks.claimed(hooks.a)
    [skipped] = await hooks.log(hooks.a, made["id"])

    assert batch.claimed == []
    assert (skipped["state"], skipped["failure"]) == ("skipped", "subject_deleted")


async def test_no_endpoint_is_asked_by_more_than_it_bears(hooks: Hooks) -> None:
    async with receiving() as receiver:
        together = asyncio.Event()

        async def wait(_request: web.Request) -> web.StreamResponse:
            if receiver.under_way >= 5:
                together.set()
            await together.wait()
            return web.Response()

        receiver.behave = wait
        await hooks.endpoint(hooks.a, receiver, kinds=["message.received"])
        for _ in range(12):
            await hooks.texting.inbound(hooks.a)
        async with hooks.couriering(), hooks.couriering():
            await receiver.receives(12)
            receiver.behave, receiver.status = None, 500
            before = receiver.most_under_way
            hooks.texting.change("UPDATE webhook_endpoints SET failures = 3")
            receiver.most_under_way = 0
            for _ in range(3):
                await hooks.texting.inbound(hooks.a)
            await receiver.receives(13)

    assert before == 5
    assert receiver.most_under_way == 1
    assert len(set(receiver.ids[:12])) == 12


async def test_a_receiver_that_hangs_delays_nobody_else(hooks: Hooks) -> None:
    async with receiving(behave=hang) as hanging, receiving() as quick, receiving() as own, hooks.couriering():
        await hooks.endpoint(hooks.a, hanging, kinds=["message.received"])
        await hooks.endpoint(hooks.a, own, kinds=["message.received"])
        await hooks.endpoint(hooks.b, quick, kinds=["message.received"])
        for _ in range(30):
            await hooks.texting.inbound(hooks.a)
        await hanging.receives(1)
        for _ in range(10):
            await hooks.texting.inbound(hooks.b)
        await quick.receives(10)
        await own.receives(30)

    assert len(set(quick.ids)) == 10
    assert len(set(own.ids)) == 30
    assert len(hanging.got) < 30


async def test_a_worker_that_dies_leaves_nothing_undone(hooks: Hooks) -> None:
    async with receiving() as receiver:
        made = await hooks.endpoint(hooks.a, receiver, kinds=["message.received"])
        for _ in range(3):
            await hooks.texting.inbound(hooks.a)
        await hooks.planned(hooks.a)
        dead = await hooks.claimed(hooks.a, lease=timedelta(seconds=0))
        async with hooks.couriering():
            delivered = await hooks.logged(hooks.a, made["id"], "delivered", 3)

    assert len(dead.claimed) == 3
    assert {item["attempts"] for item in delivered} == {2}
    assert sorted(receiver.ids) == sorted(f"evt_{item.event_id}" for item in dead.claimed)


async def test_events_from_before_an_endpoint_are_not_its_own(hooks: Hooks) -> None:
    await hooks.texting.inbound(hooks.a, body="before")
    made = await hooks.endpoint(hooks.a, kinds=ALL_KINDS)
    await hooks.texting.inbound(hooks.a, body="after")
    await hooks.planned(hooks.a)
    await hooks.planned(hooks.a)

    assert [row["kind"] for row in hooks.rows(hooks.a)] == ["message.received"]
    assert (await hooks.log(hooks.a, made["id"]))[0]["state"] == "pending"


async def test_what_was_not_read_yet_stays_in_the_log(hooks: Hooks) -> None:
    """A worker that was away for longer than live events are kept."""
    await hooks.endpoint(hooks.a, kinds=["message.received"])
    for line in (hooks.a, hooks.b):
        await hooks.texting.inbound(line)
    kept = {}
    for name in ("unread", "read"):
        for line in (hooks.a, hooks.b):
            async with hooks.texting.world.tenancy.tenant(line.company_id) as session:
                await trim(session, keep=timedelta(0))
            kept[name, line.company_id] = len(hooks.texting.stored(line, "events")["events"])
        await hooks.planned(hooks.a)

    assert kept["unread", hooks.a.company_id] > 0 == kept["unread", hooks.b.company_id]
    assert kept["read", hooks.a.company_id] == 0
    assert [row["kind"] for row in hooks.rows(hooks.a)] == ["message.received"]


async def test_old_deliveries_answers_and_secrets_are_forgotten(hooks: Hooks) -> None:
    made = await hooks.endpoint(hooks.a, kinds=["message.received"])
    await hooks.texting.call("POST", f"{PATH}/{made['id']}/rotate-secret", hooks.a)
    for _ in range(3):
        await hooks.texting.inbound(hooks.a)
    await hooks.planned(hooks.a)
    ages = dict(zip([row["id"] for row in hooks.rows(hooks.a)], (31, 8, 1), strict=True))
    for delivery, days in ages.items():
        hooks.texting.change(
            "UPDATE webhook_deliveries SET created_at = now() - make_interval(days => %s), response_excerpt = 'seen'"
            " WHERE id = %s",
            days,
            delivery,
        )
    hooks.texting.change("UPDATE webhook_endpoints SET old_secret_until = now() - interval '1 hour'")
    await trim_webhooks(JobContext(hooks.texting.world.tenancy, hooks.a.company_id), TrimWebhooks())

    kept = {ages[row["id"]]: row["response_excerpt"] for row in hooks.rows(hooks.a)}
    [endpoint] = hooks.texting.stored(hooks.a, "webhook_endpoints")["webhook_endpoints"]
    assert kept == {8: None, 1: "seen"}
    assert endpoint["sealed_old_secret"] is None
