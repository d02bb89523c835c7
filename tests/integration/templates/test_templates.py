"""Templates through the door: kept, listed, filled in, sent."""

import asyncio
from typing import Any

import httpx
import pytest

from ringfence.features.templates.values import BUILT_IN
from ringfence.kit.ids import new_id
from tests.factories.texts import CUSTOMER, Line, Texting

TEMPLATES = "/api/sms/templates"


async def make(texting: Texting, line: Line, name: str = "Reminder", body: str = "See you!", **more: Any) -> Any:
    answer = await texting.call("POST", TEMPLATES, line, scope="manage", json={"name": name, "body": body, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def use(texting: Texting, line: Line, template: Any, **more: Any) -> httpx.Response:
    body = {"to": CUSTOMER, "template_id": template["id"], "allow_duplicate": True, **more}
    return await texting.call("POST", "/api/sms/send", line, scope="send", json=body)


async def contact(texting: Texting, line: Line, **details: Any) -> str:
    answer = await texting.call("POST", "/api/contacts", line, json={"phone_number": CUSTOMER, **details})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def audit(texting: Texting, line: Line, action: str) -> list[Any]:
    return (await texting.get("/api/audit-log", line, action=action))["items"]


async def test_a_template_lives(texting: Texting) -> None:
    made = await make(
        texting, texting.a, "  Reminder ", "Hi {contact.first_name|there}, {when|} {when|}", category="Visits"
    )

    assert (made["name"], made["category"], made["usage_count"]) == ("Reminder", "Visits", 0)
    assert made["fields"] == ["contact.first_name", "when"]
    assert made["segments_most"] > 1
    assert await texting.get(f"{TEMPLATES}/{made['id']}", texting.a) == made
    changed = await texting.call(
        "PUT", f"{TEMPLATES}/{made['id']}", texting.a, scope="manage", json={"name": "reminder", "body": "Soon!"}
    )
    assert changed.status_code == 200
    assert (changed.json()["name"], changed.json()["category"], changed.json()["fields"]) == ("reminder", None, [])
    gone = await texting.call("DELETE", f"{TEMPLATES}/{made['id']}", texting.a, scope="manage")
    assert (gone.status_code, gone.content) == (204, b"")
    for method in ("GET", "DELETE"):
        answer = await texting.call(method, f"{TEMPLATES}/{made['id']}", texting.a)
        assert answer.status_code == 404
    assert (await use(texting, texting.a, made)).status_code == 404
    [created] = await audit(texting, texting.a, "template.created")
    [put] = await audit(texting, texting.a, "template.changed")
    [deleted] = await audit(texting, texting.a, "template.deleted")
    assert {entry["target_id"] for entry in (created, put, deleted)} == {made["id"]}
    assert (put["before"]["category"], put["after"]["category"]) == ("Visits", None)


async def test_a_change_that_changes_nothing_leaves_no_entry(texting: Texting) -> None:
    made = await make(texting, texting.a)
    same = {"name": made["name"], "body": made["body"], "category": made["category"]}

    for body in (same, same | {"body": "Other"}):
        assert (await texting.call("PUT", f"{TEMPLATES}/{made['id']}", texting.a, json=body)).status_code == 200

    [entry] = await audit(texting, texting.a, "template.changed")
    assert (entry["before"], entry["after"]) == ({"body": "See you!"}, {"body": "Other"})


async def test_names_are_unique_in_the_company_until_deleted(texting: Texting) -> None:
    first = await make(texting, texting.a, "Straße")
    other = await make(texting, texting.a, "Other")
    await make(texting, texting.b, "Straße")
    for method, path in (("POST", TEMPLATES), ("PUT", f"{TEMPLATES}/{other['id']}")):
        taken = await texting.call(method, path, texting.a, json={"name": "STRASSE", "body": "x"})
        assert (taken.status_code, taken.json()["code"]) == (409, "template_exists")
        assert taken.json()["template_id"] == first["id"]
    await texting.call("DELETE", f"{TEMPLATES}/{first['id']}", texting.a)
    again = await make(texting, texting.a, "STRASSE")
    assert again["id"] != first["id"]


async def test_of_many_that_bring_one_name_at_once_one_wins(texting: Texting) -> None:
    answers = await asyncio.gather(
        *(texting.call("POST", TEMPLATES, texting.a, json={"name": "One", "body": str(n)}) for n in range(5))
    )

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    [kept] = [answer.json() for answer in answers if answer.status_code == 201]
    assert {a.json()["template_id"] for a in answers if a.status_code == 409} == {kept["id"]}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"body": "Hi {contact.first_name}"}, "missing_fallback"),
        ({"body": "Hi {contact.age|x}"}, "unknown_field"),
        ({"body": "Hi {"}, "stray_brace"),
        ({"body": " "}, "empty_body"),
        ({"body": "a" * 1601}, "body_too_long"),
        ({"name": " "}, "invalid"),
        ({"name": "a" * 101}, "invalid"),
        ({"category": ""}, "invalid"),
        ({"usage_count": 7}, "invalid"),
        ({"company_id": str(new_id())}, "invalid"),
        ({"body": None}, "invalid"),
    ],
)
async def test_what_cannot_be_a_template_is_422_and_changes_nothing(
    texting: Texting, change: dict[str, Any], code: str
) -> None:
    made = await make(texting, texting.a)
    right = {"name": "New", "body": "x"}

    for method, path in (("POST", TEMPLATES), ("PUT", f"{TEMPLATES}/{made['id']}")):
        answer = await texting.call(method, path, texting.a, json=right | change)
        assert (answer.status_code, answer.json()["code"]) == (422, code)

    assert (await texting.get(TEMPLATES, texting.a))["items"] == [made]
    assert (await texting.call("POST", TEMPLATES, texting.a, json=right)).status_code == 201


async def test_lists_by_age_use_category_and_name(texting: Texting) -> None:
    made = [await make(texting, texting.a, f"T{n}", category="Even" if n % 2 == 0 else None) for n in range(5)]
    for times, template in ((3, made[1]), (1, made[4])):
        for _ in range(times):
            assert (await use(texting, texting.a, template)).status_code == 202

    async def names(**params: Any) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = await texting.get(TEMPLATES, texting.a, limit=2, **params, **({"cursor": cursor} if cursor else {}))
            found += [item["name"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    assert await names() == ["T4", "T3", "T2", "T1", "T0"]
    assert await names(sort="used") == ["T1", "T4", "T3", "T2", "T0"]
    assert await names(category="even") == ["T4", "T2", "T0"]
    assert await names(category="none") == []
    assert await names(q="t3") == ["T3"]
    assert await names(q="%") == []
    cursor = (await texting.get(TEMPLATES, texting.a, limit=1, sort="used"))["next_cursor"]
    for wrong in ({"sort": "newest"}, {"sort": "used", "category": "Even"}):
        answer = await texting.call("GET", TEMPLATES, texting.a, params={"cursor": cursor, **wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_cursor")


async def test_every_field_takes_its_value(texting: Texting) -> None:
    person = await contact(
        texting,
        texting.a,
        first_name="Zoë",
        last_name="Li",
        organisation="Acme",
        email="zoe@acme.example",
        custom_fields={"plan": "gold"},
    )
    numbers = (await texting.get("/api/sms/phone-numbers", texting.a))["items"]
    default = next(item["phone_number"] for item in numbers if item["is_default"])
    names = [*BUILT_IN, "custom.plan"]
    text = "/".join(f"{{{name}|-}}" for name in names)
    agent = await texting.world.log_in(texting.world.a.agent)

    whole = await agent.post(
        f"{TEMPLATES}/preview", json={"body": text, "contact_id": person, "from_number": texting.a.numbers[1]}
    )
    nobody = await texting.call("POST", f"{TEMPLATES}/preview", texting.a, json={"body": text}, scope="read")

    expected = {
        "contact.first_name": "Zoë",
        "contact.last_name": "Li",
        "contact.full_name": "Zoë Li",
        "contact.organisation": "Acme",
        "contact.email": "zoe@acme.example",
        "contact.phone_number": CUSTOMER,
        "custom.plan": "gold",
        "sender.name": texting.world.a.agent.name,
        "sender.number": texting.a.numbers[1],
        "company.name": texting.world.a.name,
        "company.phone": default,
    }
    assert whole.status_code == 200, whole.text
    assert {field["name"]: field["text"] for field in whole.json()["fields"]} == expected
    assert whole.json()["body"] == "/".join(expected[name] for name in names)
    assert {field["source"] for field in whole.json()["fields"]} == {"value"}
    sources = {field["name"]: field["source"] for field in nobody.json()["fields"]}
    assert {name for name, source in sources.items() if source == "value"} == {"company.name", "company.phone"}


async def test_a_preview_names_what_is_missing_and_counts_segments(texting: Texting) -> None:
    made = await make(texting, texting.a, body="{order|} is ready, {contact.first_name|}" + "." * 150)

    empty = await texting.call("POST", f"{TEMPLATES}/{made['id']}/preview", texting.a, json={})
    full = await texting.call(
        "POST", f"{TEMPLATES}/{made['id']}/preview", texting.a, json={"variables": {"order": "№ 7"}}
    )

    assert empty.json()["unresolved"] == ["order", "contact.first_name"]
    assert full.json()["unresolved"] == ["contact.first_name"]
    assert (empty.json()["encoding"], full.json()["encoding"]) == ("GSM-7", "UCS-2")
    assert empty.json()["num_segments"] < full.json()["num_segments"] <= full.json()["segments_most"]
    assert texting.stored(texting.a, "sms_messages") == {"sms_messages": []}
    for wrong, code in (
        ({"from_number": texting.b.number}, "unknown_sender"),
        ({"variables": {"order": "{x}"}}, "bad_variable"),
        ({"variables": {"or der": "x"}}, "invalid"),
        ({"variables": {"order": "a" * 501}}, "invalid"),
        ({"variables": {f"v{n}": "x" for n in range(51)}}, "invalid"),
        ({"to": CUSTOMER}, "invalid"),
    ):
        answer = await texting.call("POST", f"{TEMPLATES}/{made['id']}/preview", texting.a, json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, code), wrong
    stray = await texting.call("POST", f"{TEMPLATES}/preview", texting.a, json={"body": "{"})
    assert (stray.status_code, stray.json()["code"]) == (422, "stray_brace")


async def test_sending_fills_in_and_counts_once_for_each_text(texting: Texting) -> None:
    made = await make(texting, texting.a, body="Hi {contact.first_name|there}, order {order|}")

    nameless = await use(texting, texting.a, made, variables={"order": "7"})
    await contact(texting, texting.a, first_name="Zoë")
    named = await use(texting, texting.a, made, variables={"order": "7", "unused": "x"})
    refused = await use(texting, texting.a, made)

    assert nameless.status_code == named.status_code == 202
    assert nameless.json()["body"] == "Hi there, order 7"
    assert named.json()["body"] == "Hi Zoë, order 7"
    assert named.json()["template_id"] == made["id"]
    assert (refused.status_code, refused.json()["code"]) == (422, "unresolved_field")
    assert "order" in refused.json()["detail"]
    assert len(texting.stored(texting.a, "sms_messages")["sms_messages"]) == 2
    after = await texting.get(f"{TEMPLATES}/{made['id']}", texting.a)
    assert after["usage_count"] == 2
    assert after["last_used_at"] is not None


async def test_what_the_gate_refuses_is_not_a_use(texting: Texting) -> None:
    made = await make(texting, texting.a)
    stop = await texting.call("POST", "/api/sms/opt-outs", texting.a, json={"outside_number": CUSTOMER})
    assert stop.status_code == 201, stop.text

    refused = await use(texting, texting.a, made)

    assert (refused.status_code, refused.json()["code"]) == (422, "opted_out")
    assert (await texting.get(f"{TEMPLATES}/{made['id']}", texting.a))["usage_count"] == 0
    assert (await use(texting, texting.a, made, to="+16025550991")).status_code == 202
    assert (await texting.get(f"{TEMPLATES}/{made['id']}", texting.a))["usage_count"] == 1


async def test_one_idempotency_key_is_one_use(texting: Texting) -> None:
    made = await make(texting, texting.a)
    body = {"to": CUSTOMER, "template_id": made["id"]}
    headers = {"Idempotency-Key": "once"}

    answers = await asyncio.gather(
        *(texting.call("POST", "/api/sms/send", texting.a, json=body, headers=headers) for _ in range(3))
    )

    assert len({answer.content for answer in answers}) == 1
    assert (await texting.get(f"{TEMPLATES}/{made['id']}", texting.a))["usage_count"] == 1


async def test_many_uses_at_once_are_all_counted(texting: Texting) -> None:
    made = await make(texting, texting.a)

    answers = await asyncio.gather(*(use(texting, texting.a, made, to=f"+1602555{n:04}") for n in range(100, 112)))

    assert {answer.status_code for answer in answers} == {202}
    assert (await texting.get(f"{TEMPLATES}/{made['id']}", texting.a))["usage_count"] == 12


async def test_the_sender_that_a_text_names_is_the_one_it_goes_out_from(texting: Texting) -> None:
    made = await make(texting, texting.a, body="Answer to {sender.number|us}, {sender.name|the team}")

    chosen = [(await use(texting, texting.a, made, to=f"+1602555{n:04}")).json() for n in range(100, 104)]
    wanted = (await use(texting, texting.a, made, from_number=texting.a.numbers[1])).json()
    agent = await texting.world.log_in(texting.world.a.agent)
    person = (await agent.post("/api/sms/send", json={"to": "+16025550992", "template_id": made["id"]})).json()

    assert {text["from_number"] for text in chosen} == set(texting.a.numbers)
    assert wanted["from_number"] == texting.a.numbers[1]
    for text in (*chosen, wanted):
        assert text["body"] == f"Answer to {text['from_number']}, the team"
    assert person["body"] == f"Answer to {person['from_number']}, {texting.world.a.agent.name}"


async def test_values_of_a_contact_are_never_read_as_fields(texting: Texting) -> None:
    made = await make(
        texting, texting.a, body="Hi {contact.first_name|there} from {company.name|us} {contact.last_name|}"
    )
    await contact(texting, texting.a, first_name="{company.name|x}", last_name="|company.name}"[:-1])

    text = (await use(texting, texting.a, made)).json()

    assert text["body"] == f"Hi there from {texting.world.a.name} |company.name"


@pytest.mark.parametrize(
    "change",
    [{"body": "Hello"}, {"template_id": None, "body": "Hi", "variables": {"a": "b"}}, {"template_id": "x"}],
)
async def test_body_and_template_exclude_each_other(texting: Texting, change: dict[str, Any]) -> None:
    made = await make(texting, texting.a)

    wrong = await use(texting, texting.a, made, **change)

    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")
    assert (await use(texting, texting.a, made)).status_code == 202


async def test_a_retry_keeps_the_text_and_its_template(texting: Texting) -> None:
    made = await make(texting, texting.a, body="Hi {contact.first_name|there}")
    first = (await use(texting, texting.a, made)).json()
    await texting.settle(texting.a, first["id"], error_code=30003)
    await contact(texting, texting.a, first_name="Zoë")

    again = await texting.call("POST", f"/api/sms/messages/{first['id']}/retry", texting.a)

    assert again.status_code == 202, again.text
    assert (again.json()["body"], again.json()["template_id"]) == ("Hi there", made["id"])
