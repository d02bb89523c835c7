"""Contacts, opt-outs and conversations through the API."""

import asyncio

from tests.factories.texts import CUSTOMER, Texting


async def test_contacts_are_made_found_and_changed(texting: Texting) -> None:
    ana = {"first_name": "Ana", "last_name": "Silva", "phone_number": "(602) 555-0990", "email": "ana@silva.example"}
    made = await texting.call("POST", "/api/contacts", texting.a, scope="send", json=ana)
    assert made.status_code == 201
    assert made.json()["phone_number"] == CUSTOMER
    await texting.call("POST", "/api/contacts", texting.a, json={"first_name": "Bo", "organisation": "50%_Off"})

    async def found(search: str) -> list[str]:
        return [item["first_name"] for item in (await texting.get("/api/contacts", texting.a, q=search))["items"]]

    assert [await found(q) for q in ("ana", "SILVA", "ana s", "555-099", "0990", "50%")] == [
        ["Ana"],
        ["Ana"],
        ["Ana"],
        ["Ana"],
        ["Ana"],
        ["Bo"],
    ]
    assert [await found(q) for q in ("na", "%", "_", "09901", "x' OR 1=1 --")] == [[], [], [], [], []]
    path = f"/api/contacts/{made.json()['id']}"
    changed = await texting.call("PATCH", path, texting.a, json={"last_name": "Souza", "email": None})
    assert (changed.json()["first_name"], changed.json()["last_name"], changed.json()["email"]) == (
        "Ana",
        "Souza",
        None,
    )
    assert await texting.get(path, texting.a) == changed.json()


async def test_number_has_one_contact_whatever_its_spelling_also_at_once(texting: Texting) -> None:
    spellings = ["+1 602 555 0990", "(602) 555-0990", "602.555.0990", "+16025550990"]
    answers = await asyncio.gather(
        *(texting.call("POST", "/api/contacts", texting.a, json={"phone_number": text}) for text in spellings)
    )

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    made = next(answer.json() for answer in answers if answer.status_code == 201)
    taken = [answer.json() for answer in answers if answer.status_code == 409]
    assert {(item["code"], item["contact_id"]) for item in taken} == {("contact_exists", made["id"])}
    other = (await texting.call("POST", "/api/contacts", texting.a, json={"first_name": "Bo"})).json()
    moved = await texting.call("PATCH", f"/api/contacts/{other['id']}", texting.a, json={"phone_number": CUSTOMER})
    assert (moved.status_code, moved.json()["contact_id"]) == (409, made["id"])
    again = await texting.call("PATCH", f"/api/contacts/{made['id']}", texting.a, json={"phone_number": CUSTOMER})
    assert again.status_code == 200
    assert (await texting.call("POST", "/api/contacts", texting.b, json={"phone_number": CUSTOMER})).status_code == 201


async def test_contact_that_is_none_is_refused_and_not_stored(texting: Texting) -> None:
    for body in (
        {},
        {"first_name": " "},
        {"phone_number": "12"},
        {"phone_number": "call me"},
        {"first_name": "x" * 101},
        {"first_name": "N\x00L"},
        {"first_name": "Ana", "company_id": str(texting.b.company_id)},
        {"first_name": "Ana", "email": "nobody"},
    ):
        answer = await texting.call("POST", "/api/contacts", texting.a, json=body)
        assert answer.status_code == 422, body
    assert (
        await texting.call("POST", "/api/contacts", texting.a, scope="read", json={"first_name": "A"})
    ).status_code == 403
    assert texting.stored(texting.a, "contacts") == {"contacts": []}


async def test_opt_outs_are_added_listed_and_ended_with_evidence_by_managers(texting: Texting) -> None:
    body = {"outside_number": "(602) 555-0990", "evidence": "Asked on the phone"}
    assert (await texting.call("POST", "/api/sms/opt-outs", texting.a, scope="send", json=body)).status_code == 403

    added = await texting.call("POST", "/api/sms/opt-outs", texting.a, scope="manage", json=body)
    again = await texting.call("POST", "/api/sms/opt-outs", texting.a, scope="manage", json=body)

    assert (added.status_code, again.status_code) == (201, 200)
    assert again.json() == added.json()
    assert (added.json()["outside_number"], added.json()["source"]) == (CUSTOMER, "api")
    path = f"/api/sms/opt-outs/{added.json()['id']}"
    assert (await texting.call("DELETE", path, texting.a, scope="manage")).status_code == 422
    assert (await texting.call("DELETE", path, texting.a, scope="manage", json={"evidence": " "})).status_code == 422
    wish = {"evidence": "Wrote by e-mail on 3 May"}
    assert (await texting.call("DELETE", path, texting.a, scope="send", json=wish)).status_code == 403
    assert (await texting.send(texting.a)).json()["code"] == "opted_out"
    ended = await texting.call("DELETE", path, texting.a, scope="manage", json=wish)
    twice = await texting.call("DELETE", path, texting.a, scope="manage", json={"evidence": "Other words"})
    assert (ended.status_code, twice.status_code) == (200, 200)
    assert twice.json() == ended.json()
    assert ended.json()["ended_evidence"]["note"] == wish["evidence"]
    await texting.sent(texting.a)
    assert (await texting.get("/api/sms/opt-outs", texting.a, active=True))["items"] == []
    assert len((await texting.get("/api/sms/opt-outs", texting.a, active=False))["items"]) == 1
    actions = [entry["action"] for entry in (await texting.get("/api/audit-log", texting.a))["items"]]
    assert [action for action in actions if action.startswith("opt_out")] == ["opt_out.ended", "opt_out.added"]


async def test_opt_out_of_one_pair_names_one_of_our_numbers(texting: Texting) -> None:
    numbers = {row["phone_number"]: str(row["id"]) for row in texting.stored(texting.a)["phone_numbers"]}
    first, second = texting.a.numbers
    pair = {"outside_number": CUSTOMER, "scope": "pair"}

    assert (await texting.call("POST", "/api/sms/opt-outs", texting.a, json=pair)).status_code == 422
    company = pair | {"scope": "company", "phone_number_id": numbers[first]}
    assert (await texting.call("POST", "/api/sms/opt-outs", texting.a, json=company)).status_code == 422
    right = pair | {"phone_number_id": numbers[first]}
    assert (await texting.call("POST", "/api/sms/opt-outs", texting.a, json=right)).status_code == 201
    assert (await texting.send(texting.a, from_number=first)).json()["code"] == "opted_out"
    await texting.sent(texting.a, from_number=second)


async def test_conversations_are_listed_searched_read_and_paged(texting: Texting) -> None:
    for number in range(5):
        await texting.inbound(texting.a, sender=f"+1602555080{number}", body=f"From {number}")
    await texting.call("POST", "/api/contacts", texting.a, json={"first_name": "Zoe", "phone_number": "+16025550803"})

    listed = await texting.get("/api/sms/conversations", texting.a)
    assert [item["last_preview"] for item in listed["items"]] == [f"From {n}" for n in (4, 3, 2, 1, 0)]
    assert [item["contact"] and item["contact"]["first_name"] for item in listed["items"]] == [
        None,
        "Zoe",
        None,
        None,
        None,
    ]
    assert len((await texting.get("/api/sms/conversations", texting.a, q="zo"))["items"]) == 1
    assert len((await texting.get("/api/sms/conversations", texting.a, q="0802"))["items"]) == 1
    path = f"/api/sms/conversations/{listed['items'][1]['id']}"
    assert (await texting.call("POST", f"{path}/read", texting.a, scope="read")).status_code == 403
    read = await texting.call("POST", f"{path}/read", texting.a, scope="send")
    assert (read.status_code, read.json()["unread_count"]) == (200, 0)
    assert len((await texting.get("/api/sms/conversations", texting.a, unread=True))["items"]) == 4
    other_number = texting.stored(texting.a)["phone_numbers"]
    unused = next(row["id"] for row in other_number if row["phone_number"] == texting.a.numbers[1])
    assert (await texting.get("/api/sms/conversations", texting.a, phone_number_id=str(unused)))["items"] == []

    seen, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await texting.get("/api/sms/conversations", texting.a, **params)
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [item["id"] for item in seen] == [item["id"] for item in listed["items"]]


async def test_thread_holds_both_directions_and_the_list_filters(texting: Texting) -> None:
    await texting.inbound(texting.a, body="Question")
    answer = await texting.sent(texting.a, body="Answer")
    await texting.sent(texting.a, body="To somebody else", to="+16025550991")
    contact = (await texting.call("POST", "/api/contacts", texting.a, json={"phone_number": CUSTOMER})).json()

    async def bodies(path: str = "/api/sms/messages", **params: str) -> list[str]:
        return [item["body"] for item in (await texting.get(path, texting.a, **params))["items"]]

    assert await bodies(f"/api/sms/conversations/{answer['conversation_id']}/messages") == ["Answer", "Question"]
    assert await bodies(conversation_id=answer["conversation_id"]) == ["Answer", "Question"]
    assert await bodies(contact_id=contact["id"]) == ["Answer", "Question"]
    assert await bodies(number="(602) 555-0991") == ["To somebody else"]
    assert await bodies(direction="inbound") == ["Question"]
    assert await bodies(status="queued") == ["To somebody else", "Answer"]
    assert await bodies(phone_number_id=answer["phone_number_id"], direction="outbound") == ["Answer"]
    assert await bodies(created_from=answer["created_at"]) == ["To somebody else", "Answer"]
    assert await bodies(created_to=answer["created_at"]) == ["Question"]


async def test_bad_pages_and_cursors_are_refused(texting: Texting) -> None:
    for number in range(3):
        await texting.inbound(texting.a, sender=f"+1602555080{number}")
        await texting.call("POST", "/api/contacts", texting.a, json={"first_name": f"C{number}"})
        await texting.call("POST", "/api/sms/opt-outs", texting.a, json={"outside_number": f"+1602555080{number}"})
    thread = texting.stored(texting.a)["conversations"][0]["id"]

    lists = ["/api/sms/messages", "/api/sms/conversations", "/api/contacts", "/api/sms/opt-outs"]
    for path in lists:
        cursor = (await texting.get(path, texting.a, limit=1))["next_cursor"]
        tampered = cursor[:-1] + ("0" if cursor[-1] != "0" else "1")
        for params in (
            {"limit": 0},
            {"limit": -1},
            {"limit": 1_000_000},
            {"limit": "many"},
            {"cursor": tampered},
            {"cursor": "x"},
            {"cursor": "."},
            {"cursor": "é.é"},
        ):
            answer = await texting.call("GET", path, texting.a, params=params)
            assert answer.status_code == 422, (path, params)
        for other in (*lists, f"/api/sms/conversations/{thread}/messages"):
            if other != path:
                answer = await texting.call("GET", other, texting.a, params={"cursor": cursor})
                assert (answer.status_code, answer.json()["code"]) == (422, "bad_cursor"), (path, other)
        assert len((await texting.get(path, texting.a, limit=1, cursor=cursor))["items"]) == 1
    assert (await texting.call("GET", "/api/sms/messages?q=%00", texting.a)).status_code == 400
    assert (await texting.call("GET", "/api/contacts?q=%ff", texting.a)).status_code == 400
