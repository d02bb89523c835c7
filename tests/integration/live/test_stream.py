"""`GET /api/events`: what it tells, to whom, from where, and when it ends."""

import asyncio

import httpx
import psycopg
import pytest

from ringfence.features.events.actions import number, trim
from ringfence.features.live import values
from ringfence.features.live.actions import hub as hub_module
from ringfence.features.live.routes import stream as stream_module
from ringfence.kit.ids import new_id
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.sse import EventStream, frame
from tests.factories.people import CompanyWithPeople
from tests.factories.streams import Listener
from tests.factories.texts import CUSTOMER, Texting
from tests.factories.waiting import eventually
from tests.integration.live.conftest import Live


async def test_a_text_is_told_as_ids_that_lead_to_it(live: Live, texting: Texting) -> None:
    listener = await live.listen(texting.a.company)

    await texting.inbound(texting.a, body="canary-of-the-body")
    sent = await texting.sent(texting.a)
    await listener.until(lambda: len(listener.events) == 2)

    received, created = listener.events
    text = await texting.message(texting.a, received["subject_id"])
    assert (text["body"], text["conversation_id"]) == ("canary-of-the-body", received["conversation_id"])
    assert (received["kind"], created["kind"]) == ("message.received", "message.created")
    assert (created["subject_id"], created["conversation_id"]) == (sent["id"], received["conversation_id"])
    assert set(received) == {"id", "kind", "subject_id", "conversation_id", "at"}
    assert not any(secret in listener.raw for secret in ("canary", CUSTOMER, CUSTOMER.removeprefix("+1")))


async def test_what_people_and_twilio_do_is_told(live: Live, texting: Texting) -> None:
    """Each change through its own door, in its order."""
    listener = await live.listen(texting.a.company)
    await texting.inbound(texting.a)
    thread = (await texting.get("/api/sms/conversations", texting.a))["items"][0]["id"]
    await texting.call("POST", f"/api/sms/conversations/{thread}/read", texting.a)
    plan = {"to": CUSTOMER, "body": "Later", "scheduled_at": "2027-06-01T12:00:00Z"}
    scheduled = (await texting.call("POST", "/api/sms/schedule", texting.a, json=plan)).json()["id"]
    await texting.call("DELETE", f"/api/sms/scheduled/{scheduled}", texting.a)
    held = await texting.sent(texting.a, undo_seconds=30)
    await texting.call("DELETE", f"/api/sms/messages/{held['id']}", texting.a)
    await texting.inbound(texting.a, body="STOP")

    await listener.until(lambda: "optout.changed" in listener.kinds)

    assert listener.kinds == [
        "message.received",
        "conversation.changed",
        "scheduled.changed",
        "scheduled.changed",
        "message.created",
        "message.status",
        "optout.changed",
        "message.received",
    ]
    assert listener.events[1]["subject_id"] == thread
    assert {event["conversation_id"] for event in listener.events} == {thread, None}


async def test_a_client_that_comes_back_hears_what_it_missed_and_nothing_twice(live: Live) -> None:
    a = live.world.a
    listener = await live.listen(a, comes_back=False)
    first = await live.happen(a, 3)
    await listener.until(lambda: len(listener.events) == 3)
    await listener.stop()

    missed = await live.happen(a, 450)
    again = await live.listen(a, last_id=listener.last_id)
    await again.until(lambda: len(again.events) >= 450)
    from_the_first = await live.listen(a, last_id=listener.events[0]["id"])
    await from_the_first.until(lambda: len(from_the_first.events) >= 452)

    assert listener.subjects == first
    assert again.subjects == missed
    assert from_the_first.subjects == first[1:] + missed
    assert again.about == from_the_first.about == []


async def test_an_id_that_is_not_this_companys_begins_anew_and_tells_nothing(live: Live) -> None:
    a, b = live.world.a, live.world.b
    of_b = await live.listen(b)
    of_a = await live.listen(a)
    await live.happen(b, 3)
    await live.happen(a, 3)
    await of_b.until(lambda: len(of_b.events) == 3)
    await of_a.until(lambda: len(of_a.events) == 3)
    own = of_a.events[0]["id"]
    seq, code = own.split(".")
    wrong = {
        "foreign": of_b.events[0]["id"],
        "garbage": "not an id, and .. rather long" * 6,
        "no code": seq,
        "tampered": f"0.{code}",
        "other number": f"{int(seq) + 1}.{code}",
        "code of b": f"{seq}.{of_b.events[0]['id'].split('.')[1]}",
        "huge": f"{10**30}.{code}",
        "negative": f"-1.{code}",
    }

    resumed = await live.listen(a, last_id=own)
    await resumed.until(lambda: len(resumed.events) == 2)
    refused = {name: await live.listen(a, last_id=given) for name, given in wrong.items()}
    (fresh,) = await live.happen(a)

    for name, listener in refused.items():
        await listener.until(lambda listener=listener: listener.events)
        assert (listener.about, listener.subjects) == (["stream.reset"], [fresh]), name


async def test_who_has_missed_too_much_is_told_so(live: Live) -> None:
    a = live.world.a
    listener = await live.listen(a, comes_back=False)
    await live.happen(a, 2)
    await listener.until(lambda: len(listener.events) == 2)
    await listener.stop()
    kept = await live.happen(a)
    async with live.world.tenancy.tenant(a.company_id) as session:
        await number(session)
    async with live.world.tenancy.tenant(a.company_id) as session:
        await trim(session, most=1)

    late = await live.listen(a, last_id=listener.events[0]["id"])
    in_time = await live.listen(a, last_id=listener.events[1]["id"])

    await in_time.until(lambda: in_time.events)
    assert (in_time.about, in_time.subjects) == ([], kept)
    assert late.about == ["stream.reset"]
    (fresh,) = await live.happen(a)
    await late.until(lambda: late.events)
    assert late.subjects == [fresh]


async def test_rights_that_change_end_the_stream_and_nobody_elses(
    live: Live, texting: Texting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by its own door; the credentials that are over do not open another one."""
    monkeypatch.setattr(stream_module, "CHECK_SECONDS", 0.3)
    world, a, b = live.world, live.world.a, live.world.b
    admin = await world.log_in(a.admin)
    second = await world.log_in(a.admin)
    third = await world.log_in(a.admin)
    gone = {
        "suspended": await live.listen(a, person=a.agent, comes_back=False),
        "demoted": await live.listen(a, person=a.manager, comes_back=False),
        "logged out": Listener(f"{live.url}/api/events", {}, dict(second.cookies), comes_back=False),
        "revoked": await live.listen(a, scope="send", comes_back=False),
        "expired": Listener(f"{live.url}/api/events", {}, dict(third.cookies), comes_back=False),
    }
    for name in ("logged out", "expired"):
        await gone[name].start()
    stays, of_b = await live.listen(a, scope="read"), await live.listen(b)

    for answer in (
        await admin.patch(f"/api/users/{a.agent.id}", json={"status": "suspended"}),
        await admin.patch(f"/api/users/{a.manager.id}", json={"role": "agent"}),
        await second.post("/api/auth/logout"),
        await admin.delete(f"/api/api-keys/{a.key_ids['send']}"),
    ):
        assert answer.is_success, answer.text
    expire_latest_session(texting, a)
    for name, listener in gone.items():
        await listener.until(lambda listener=listener: listener.has_ended)
        assert listener.about == ["stream.started", "stream.ended"], name
        assert not listener.events, name
    for name in ("suspended", "logged out", "revoked", "expired"):
        again = Listener(gone[name].url, gone[name].headers, gone[name].cookies)
        await again.start()
        assert again.statuses == [401], name
        await again.stop()

    told = await live.happen(a)
    await stays.until(lambda: stays.subjects == told)
    assert stays.about == ["stream.started"]
    texting.change("UPDATE companies SET status = 'suspended' WHERE id = %s", a.company_id)
    await stays.until(lambda: stays.about[-1] == "stream.ended" and stays.statuses[-1] == 401)
    told = await live.happen(b)
    await of_b.until(lambda: of_b.subjects == told)


def expire_latest_session(texting: Texting, company: CompanyWithPeople) -> None:
    changed = texting.change(
        "UPDATE user_sessions SET expires_at = now() WHERE (company_id, id) IN"
        " (SELECT company_id, id FROM user_sessions WHERE company_id = %s AND user_id = %s"
        " ORDER BY created_at DESC LIMIT 1)",
        company.company_id,
        company.admin.id,
    )
    assert changed in {None, 1}


async def test_an_agent_hears_of_own_and_unassigned_threads_only(live: Live, texting: Texting) -> None:
    a = live.world.a
    rule = await texting.call("PATCH", "/api/company", texting.a, json={"agents_see": "own_and_unassigned"})
    assert rule.status_code == 200
    for sender in (CUSTOMER, "+16025550111", "+16025550112"):
        await texting.inbound(texting.a, sender=sender)
    assign(texting, CUSTOMER, a.manager.id)
    assign(texting, "+16025550112", a.agent.id)
    agent, manager = await live.listen(a, person=a.agent), await live.listen(a, person=a.manager)

    for body, sender in (("hidden", CUSTOMER), ("nobody's", "+16025550111"), ("own", "+16025550112")):
        await texting.inbound(texting.a, sender=sender, body=body)
    hidden, *seen = [row["id"] for row in (await texting.get("/api/sms/messages", texting.a))["items"][:3]][::-1]
    await agent.until(lambda: len(agent.events) == 2)
    await manager.until(lambda: len(manager.events) == 3)
    assert (agent.subjects, manager.subjects) == (seen, [hidden, *seen])

    # What was hidden when it happened, and what has become hidden since, is so for whoever comes back, too.
    assign(texting, "+16025550111", a.manager.id)
    again = await live.listen(a, person=a.agent, last_id=manager.events[0]["id"])
    await again.until(lambda: again.events)
    (for_all,) = await live.happen(a)
    await again.until(lambda: len(again.events) == 2)
    assert again.subjects == [seen[1], for_all]


def assign(texting: Texting, outside_number: str, user_id: object) -> None:
    texting.change(
        "UPDATE conversations SET assigned_to = %s WHERE outside_number = %s AND company_id = %s",
        user_id,
        outside_number,
        texting.a.company_id,
    )


async def test_what_an_agent_may_not_hear_moves_its_place_too(
    live: Live, texting: Texting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "HEARTBEAT_SECONDS", 0.3)
    a = live.world.a
    await texting.call("PATCH", "/api/company", texting.a, json={"agents_see": "own_and_unassigned"})
    await texting.inbound(texting.a)
    assign(texting, CUSTOMER, a.manager.id)
    agent, manager = await live.listen(a, person=a.agent), await live.listen(a, person=a.manager)
    await texting.inbound(texting.a, body="hidden")
    await manager.until(lambda: manager.events)

    await agent.until(lambda: agent.last_id == manager.events[0]["id"])

    assert agent.events == []
    assert agent.heartbeats > 0


async def test_streams_are_bounded_for_each_caller(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MOST_OF_CALLER", 2)
    monkeypatch.setattr(hub_module, "MOST_OF_COMPANY", 3)
    monkeypatch.setattr(hub_module, "MOST_OF_PROCESS", 4)
    a, b = live.world.a, live.world.b
    kept = [await live.listen(a) for _ in range(2)]

    async def refused(company: CompanyWithPeople, scope: str) -> str:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{live.url}/api/events", headers=company.headers(scope))  # pyright: ignore
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")
            return answer.json()["detail"]

    assert "of yours" in await refused(a, "read")
    kept.append(await live.listen(a, scope="send"))
    assert "of your company" in await refused(a, "admin")
    kept.append(await live.listen(b))
    assert "of this server" in await refused(b, "send")
    await kept[0].stop()
    await eventually(lambda: returns(live.hub.count == 3))
    await live.listen(a)


async def returns(value: bool) -> bool:
    return value


async def test_idle_streams_hold_no_connection(live: Live, texting: Texting, tenancy: Tenancy) -> None:
    """More streams than the pool has connections, and the server answers."""
    listeners = [
        await live.listen(company, scope=scope)
        for company in (live.world.a, live.world.b)
        for scope in ("read", "send", "manage", "admin")
    ]

    async def idle() -> bool:
        pools = (tenancy.app_engine.pool, tenancy.platform_engine.pool)
        return all(pool.checkedout() == 0 for pool in pools)  # pyright: ignore[reportAttributeAccessIssue]

    await eventually(idle)
    with psycopg.connect(texting.database.admin_url) as admin:
        rows = admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        )
        assert rows.fetchone() == (0,)
    told = await live.happen(live.world.a)
    for listener in listeners[:4]:
        await listener.until(lambda listener=listener: listener.subjects == told)
    assert all(not listener.events for listener in listeners[4:])


async def test_news_wakes_without_looking(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told by notification alone: this hub looks by itself once an hour."""
    monkeypatch.setattr(hub_module, "_LOOK_SECONDS", 3600.0)
    listener = await live.listen(live.world.a)
    await eventually(lambda: returns(live.hub.hears))

    for _ in range(3):
        told = await live.happen(live.world.a)
        await listener.until(lambda told=told: listener.subjects[-1:] == told)


async def test_news_that_nobody_told_is_found(live: Live, texting: Texting, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies between its commit and its notification."""
    monkeypatch.setattr(hub_module, "_LOOK_SECONDS", 0.3)
    listener = await live.listen(live.world.a)
    mute = Tenancy(live.world.tenancy.app_engine, live.world.tenancy.platform_engine)
    live.world.tenancy = mute

    told = await live.happen(live.world.a)

    await listener.until(lambda: listener.subjects == told)


async def test_the_end_of_the_server_ends_streams_in_order(live: Live) -> None:
    listener = await live.listen(live.world.a, comes_back=False)
    live.hub.close()
    await listener.until(lambda: listener.has_ended)
    assert listener.about == ["stream.started"]
    assert live.hub.count == 0


async def test_a_reader_that_does_not_read_is_cut_off() -> None:
    ended: list[str] = []

    async def blocks():
        try:
            for number in range(1000):
                yield frame(data=str(number))
        finally:
            ended.append("blocks")

    sent: list[str] = []

    async def send(message) -> None:
        sent.append(message["type"])
        if len(sent) > 3:
            await asyncio.Event().wait()

    async def receive():
        await asyncio.Event().wait()

    stream = EventStream(blocks(), send_seconds=0.05, gone=lambda: None, done=lambda: ended.append("done"))
    await asyncio.wait_for(stream({"type": "http"}, receive, send), 5)

    assert sent == ["http.response.start"] + ["http.response.body"] * 3
    assert ended == ["blocks", "done"]


def test_blocks_are_written_as_browsers_read_them() -> None:
    assert frame(data='{"a":1}', event_id="7.x", retry_seconds=2) == 'retry: 2000\nid: 7.x\ndata: {"a":1}\n\n'
    assert frame() == ": \n\n"
    assert frame(event_id="7.x") == ": \nid: 7.x\n\n"


def test_an_id_is_bound_to_its_company(keyring: Keyring) -> None:
    a, b = new_id(), new_id()
    given = values.event_id(keyring, a, 12)
    assert values.read_event_id(keyring, a, given) == 12
    assert values.read_event_id(keyring, b, given) is None
