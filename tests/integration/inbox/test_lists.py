"""The list of conversations: tabs, filters, pages, counts, and the plans that keep them fast."""

import re
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from ringfence.features.conversations.queries import Filters, count_threads, list_threads
from ringfence.features.conversations.queries import lists as room
from ringfence.features.conversations.values import Viewer
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.paging import Position
from tests.factories.scheduling import in_hours
from tests.factories.texts import Texting
from tests.integration.inbox.conftest import Desk

A, B, C, D = (f"+1602555030{n}" for n in range(4))


async def four(desk: Desk) -> None:
    """A: Ari's, open. B: nobody's, open. C: Olga's, snoozed. D: nobody's, done; the latest text first is D, C, B, A."""
    for number in (A, B, C, D):
        await desk.text(number)
    await desk.patch(await desk.thread(A), assigned_to=desk.id_of("ari"))
    await desk.patch(await desk.thread(C), assigned_to=desk.id_of("olga"), state="snoozed", snoozed_until=in_hours(1))
    await desk.patch(await desk.thread(D), state="done")


async def test_tabs_and_filters_show_what_they_say(desk: Desk) -> None:
    await four(desk)
    numbers = {row["phone_number"]: str(row["id"]) for row in desk.texting.stored(desk.texting.a)["phone_numbers"]}
    contact = {"first_name": "Zoë", "phone_number": C, "tags": ["VIP"]}
    assert (await desk.texting.call("POST", "/api/contacts", desk.texting.a, json=contact)).status_code == 201
    expected: list[tuple[dict[str, Any], list[str]]] = [
        ({}, [D, C, B, A]),
        ({"state": "open"}, [B, A]),
        ({"state": "snoozed"}, [C]),
        ({"state": "done"}, [D]),
        ({"assigned": "me"}, [A]),
        ({"assigned": "nobody"}, [D, B]),
        ({"assigned": desk.id_of("olga")}, [C]),
        ({"assigned": "nobody", "state": "open"}, [B]),
        ({"phone_number_id": numbers[desk.texting.a.number], "state": "open"}, [B, A]),
        ({"phone_number_id": numbers[desk.texting.a.numbers[1]]}, []),
        ({"unread": True}, [D, C, B, A]),
        ({"unread": False}, []),
        ({"tag": "vip"}, [C]),
        ({"tag": "nobody has it"}, []),
        ({"q": "zoë"}, [C]),
        ({"q": "555-0303"}, [D]),
        ({"q": "zoë", "state": "open"}, []),
        ({"q": "0303", "unread": True}, [D]),
        ({"q": "+1602", "unread": True}, [D, C, B, A]),
        ({"tag": "vip", "unread": False}, []),
        ({"q": "zoë", "assigned": desk.id_of("olga"), "tag": "vip"}, [C]),
    ]
    for params, found in expected:
        assert await desk.listed(desk.ari, **params) == found, params
        assert await desk.listed(desk.ari, **params, limit=1) == found, params
    refused = await desk.ari.get("/api/sms/conversations", params={"assigned": "everybody"})
    assert refused.status_code == 422
    key = await desk.texting.call("GET", "/api/sms/conversations", desk.texting.a, params={"assigned": "me"})
    assert key.json()["items"] == []


async def test_under_the_narrow_rule_pages_are_ones_own_and_nobodys_in_one_order(desk: Desk) -> None:
    await four(desk)
    await desk.rule("own_and_unassigned")
    for limit in (1, 2, 50):
        assert await desk.listed(desk.ari, limit=limit) == [D, B, A]
        assert await desk.listed(desk.olga, limit=limit) == [D, C, B]
        assert await desk.listed(desk.mo, limit=limit) == [D, C, B, A]
    assert await desk.listed(desk.ari, assigned=desk.id_of("olga")) == []
    assert await desk.listed(desk.ari, q="0302") == []
    counts = [(await client.get("/api/sms/conversations/counts")).json() for client in (desk.ari, desk.olga, desk.mo)]
    assert counts == [
        {"open": 2, "mine": 1, "unassigned": 1, "unread": 2, "snoozed": 0, "done": 1},
        {"open": 1, "mine": 0, "unassigned": 1, "unread": 1, "snoozed": 1, "done": 1},
        {"open": 2, "mine": 0, "unassigned": 1, "unread": 2, "snoozed": 1, "done": 1},
    ]


async def test_page_without_a_hit_goes_on_where_it_stopped_looking(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await four(desk)
    for number in (D, C, B):
        await desk.ari.post(f"/api/sms/conversations/{await desk.thread(number)}/read")
    monkeypatch.setattr(room, "_LOOKED_THROUGH", 2)
    first = (await desk.ari.get("/api/sms/conversations", params={"unread": True})).json()
    assert first["items"] == []
    assert first["next_cursor"] is not None
    assert await desk.listed(desk.ari, unread=True) == [A]


async def test_counts_stop_at_a_hundred(desk: Desk, texting: Texting) -> None:
    thread = await desk.text()
    copy_rows(texting, thread, 130)
    counts = (await desk.ari.get("/api/sms/conversations/counts")).json()
    assert counts == {"open": 100, "mine": 0, "unassigned": 100, "unread": 100, "snoozed": 0, "done": 0}


def copy_rows(texting: Texting, thread: str, count: int) -> None:
    """So many more conversations like one, each a second older."""
    with psycopg.connect(texting.database.admin_url, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO conversations (company_id, id, phone_number_id, outside_number, state, assigned_to,"
            " last_message_at, last_inbound_at, last_direction, last_preview, unread_count, created_at)"
            " SELECT company_id, gen_random_uuid(), phone_number_id, '+1555' || n, 'open', NULL,"
            " last_message_at - n * interval '1 second', last_inbound_at, last_direction, last_preview, 1, created_at"
            " FROM conversations, generate_series(1, %s) n WHERE id = %s",
            [count, thread],
        )
        # A tenth of them over the company's other number.
        admin.execute(
            "UPDATE conversations c SET phone_number_id = p.id FROM phone_numbers p WHERE p.company_id = c.company_id"
            " AND p.id <> c.phone_number_id AND c.outside_number LIKE '+1555%%0'"
        )
        admin.execute("ANALYZE conversations")


async def explained(tenancy: Tenancy, texting: Texting, viewer: Viewer, **what: Any) -> list[str]:
    """The plans of all statements of one page, as the app role gets them under row security."""
    sent: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if "conversations" in statement:
            sent.append((statement, parameters))

    event.listen(tenancy.app_engine.sync_engine, "before_cursor_execute", note)
    try:
        async with tenancy.tenant(texting.a.company_id) as session:
            if what.pop("counts", False):
                await count_threads(session, viewer)
            else:
                await list_threads(session, viewer, **what)
    finally:
        event.remove(tenancy.app_engine.sync_engine, "before_cursor_execute", note)
    plans: list[str] = []
    with psycopg.connect(texting.database.app_url) as app:
        for statement, parameters in sent:
            app.execute(f"SET LOCAL ringfence.company_id = '{texting.a.company_id}'")
            app.execute("SET LOCAL enable_seqscan = off")
            rows = app.execute("EXPLAIN (COSTS OFF) " + statement, parameters).fetchall()  # pyright: ignore
            plans.append("\n".join(line for (line,) in rows))
            app.rollback()
    return plans


async def test_each_way_into_the_list_is_a_scan_of_its_index_in_order(
    desk: Desk, texting: Texting, tenancy: Tenancy
) -> None:
    thread = await desk.text()
    copy_rows(texting, thread, 3000)
    row = texting.stored(texting.a, "conversations")["conversations"][0]
    ari = Viewer(user_id=texting.world.a.agent.id, sees_all=True)
    narrow = Viewer(user_id=texting.world.a.agent.id, sees_all=False)
    after = Position(row["last_message_at"], row["id"])
    number = next(
        number["id"]
        for number in texting.stored(texting.a)["phone_numbers"]
        if number["phone_number"] == texting.a.numbers[1]
    )
    for viewer, filters, indexes in (
        (ari, Filters(), {"ix_conversations_state"}),
        (ari, Filters(state="open"), {"ix_conversations_state"}),
        (ari, Filters(state="open", assigned="me"), {"ix_conversations_mine"}),
        (ari, Filters(state="open", assigned="nobody"), {"ix_conversations_unassigned"}),
        (ari, Filters(state="open", phone_number_id=number), {"ix_conversations_number"}),
        (narrow, Filters(state="open"), {"ix_conversations_mine", "ix_conversations_unassigned"}),
        (narrow, Filters(), {"ix_conversations_mine", "ix_conversations_unassigned"}),
        (ari, Filters(state="open", unread=True), {"ix_conversations_state"}),
    ):
        for position in (None, after):
            plans = await explained(tenancy, texting, viewer, filters=filters, after=position, limit=50)
            used = set(re.findall(r"Scan(?: Backward)? using (ix_conversations_\w+)", plans[0]))
            assert indexes <= used, (filters, plans[0])
            assert "Seq Scan on conversations" not in plans[0], (filters, plans[0])
    [counts] = await explained(tenancy, texting, narrow, counts=True)
    assert "Seq Scan on conversations" not in counts
