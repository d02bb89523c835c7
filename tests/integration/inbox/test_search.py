"""Searching names, numbers and the words of texts."""

import pytest

from ringfence.features.messages.jobs import IndexTextsHandler
from ringfence.features.messages.queries import search as room
from ringfence.features.messages.values import IndexTexts
from ringfence.jobqueue.jobs import JobContext
from tests.factories.texts import CUSTOMER
from tests.integration.inbox.conftest import Desk

A, B = "+16025550301", "+16025550302"


async def found(desk: Desk, q: str, client: object = None, **params: object) -> list[str]:
    """The bodies of all pages."""
    bodies: list[str] = []
    cursor = None
    while True:
        answer = await (client or desk.mo).get(  # pyright: ignore
            "/api/sms/search", params={"q": q, **params} | ({"cursor": cursor} if cursor else {})
        )
        assert answer.status_code == 200, answer.text
        bodies += [item["body"] for item in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return bodies


async def test_all_words_count_the_last_also_unfinished_and_the_newest_comes_first(desk: Desk) -> None:
    await desk.text(A, "The invoice for the boiler is here")
    await desk.text(B, "Invoices? No boiler. Zoë says 你好世界 👍")
    await desk.texting.sent(desk.texting.a, to=A, body="I send the INVOICE again")
    one, two, three = (
        "The invoice for the boiler is here",
        "Invoices? No boiler. Zoë says 你好世界 👍",
        "I send the INVOICE again",
    )
    for q, bodies in (
        ("invoice", [three, two, one]),
        ("invoice ", [three, one]),
        ("invoice.", [three, one]),
        ("inv", [three, two, one]),
        ("i", [three]),
        ("boiler inv", [two, one]),
        ("inv boiler", []),
        ("boiler invoice again", []),
        ("zoe", [two]),
        ("世界", [two]),
        ("👍", [two]),
        ("nothing", []),
        ("the the", [three, one]),
        ("%", []),
        ("", []),
        ("'; DROP TABLE x --", []),
    ):
        assert await found(desk, q) == bodies, q
        assert await found(desk, q, limit=1) == bodies, q
    assert (await desk.mo.get("/api/sms/search", params={"q": "x" * 201})).status_code == 422


async def test_names_and_numbers_are_found_beside_texts(desk: Desk) -> None:
    await desk.text(A, "hello")
    contact = {"first_name": "Ana", "last_name": "Silva", "phone_number": A}
    await desk.texting.call("POST", "/api/contacts", desk.texting.a, json=contact)
    for q in ("silva", "ana s", "555-0301"):
        answer = (await desk.ari.get("/api/sms/search", params={"q": q})).json()
        assert [item["outside_number"] for item in answer["conversations"]] == [A], q
    assert (await desk.ari.get("/api/sms/search", params={"q": "bo"})).json()["conversations"] == []


async def test_search_keeps_to_the_rule_to_the_company_and_to_what_is_not_deleted(desk: Desk) -> None:
    thread = await desk.text(A, "canary one")
    await desk.text(B, "canary two")
    await desk.texting.inbound(desk.texting.b, body="canary of b")
    contact = {"first_name": "Canary", "phone_number": A}
    await desk.texting.call("POST", "/api/contacts", desk.texting.a, json=contact)
    assert await found(desk, "canary", desk.ari) == ["canary two", "canary one"]
    await desk.rule("own_and_unassigned")
    await desk.patch(thread, desk.mo, assigned_to=desk.id_of("olga"))
    assert await found(desk, "canary", desk.ari) == ["canary two"]
    assert (await desk.ari.get("/api/sms/search", params={"q": "canary"})).json()["conversations"] == []
    assert await found(desk, "canary", desk.olga) == ["canary two", "canary one"]
    assert await found(desk, "canary") == ["canary two", "canary one"]
    await desk.mo.delete(f"/api/sms/conversations/{thread}")
    assert await found(desk, "canary") == ["canary two"]
    await desk.mo.post(f"/api/sms/conversations/{thread}/restore")
    assert await found(desk, "canary") == ["canary two", "canary one"]
    texts = (await desk.mo.get(f"/api/sms/conversations/{thread}/messages")).json()["items"]
    assert (await desk.mo.delete(f"/api/sms/messages/{texts[0]['id']}")).status_code == 204
    assert await found(desk, "canary") == ["canary two"]
    words = desk.texting.stored(desk.texting.a, "message_words")["message_words"]
    assert sorted(row["term"] for row in words) == ["canary", "two"]


async def test_very_frequent_word_is_looked_through_piece_by_piece(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_LOOKED_THROUGH", 2)
    for n in range(5):
        await desk.text(A, f"common word {n}")
    await desk.text(B, "common secret")
    await desk.patch(await desk.thread(B), desk.mo, assigned_to=desk.id_of("olga"))
    await desk.rule("own_and_unassigned")
    first = (await desk.ari.get("/api/sms/search", params={"q": "common ", "limit": 1})).json()
    assert len(first["items"]) == 1
    assert await found(desk, "common ", desk.ari) == [f"common word {n}" for n in (4, 3, 2, 1, 0)]
    assert await found(desk, "common 3", desk.ari) == ["common word 3"]


async def test_texts_stored_before_are_indexed_by_a_job_in_batches(desk: Desk) -> None:
    for n in range(3):
        await desk.text(CUSTOMER, f"older {n}")
    words = desk.texting.stored(desk.texting.a, "message_words")
    desk.texting.change("DELETE FROM message_words")
    assert await found(desk, "older") == []
    context = JobContext(desk.texting.world.tenancy, desk.texting.a.company_id)
    for _ in range(2):
        await IndexTextsHandler()(context, IndexTexts())
        assert await found(desk, "older") == ["older 2", "older 1", "older 0"]
    assert desk.texting.stored(desk.texting.a, "message_words") == words
