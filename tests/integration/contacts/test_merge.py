"""Two contacts that are one person."""

import asyncio
from typing import Any

from ringfence.features.contacts.actions.merging import references
from ringfence.kit.ids import new_id
from ringfence.migrations.metadata import metadata
from tests.factories.texts import CUSTOMER, Texting
from tests.integration.contacts.test_contacts import CONTACTS, change, make, names

OTHER = "+16025550991"


async def merge(texting: Texting, contact: Any, source: Any) -> Any:
    return await texting.call(
        "POST", f"{CONTACTS}/{contact['id']}/merge", texting.a, scope="manage", json={"source_id": source["id"]}
    )


async def pair(texting: Texting) -> tuple[Any, Any]:
    zoe = await make(
        texting,
        texting.a,
        first_name="Zoë",
        phone_number=CUSTOMER,
        tags=["a", "b"],
        custom_fields={"plan": "gold", "x": "1"},
    )
    double = await make(
        texting,
        texting.a,
        first_name="Zoe",
        last_name="Li",
        email="zoe@acme.example",
        phone_number=OTHER,
        time_zone="America/Phoenix",
        tags=["b", "c"],
        custom_fields={"plan": "tin", "y": "2"},
    )
    return zoe, double


async def test_two_become_one(texting: Texting) -> None:
    zoe, double = await pair(texting)
    first = await texting.sent(texting.a, to=CUSTOMER, body="to the first number")
    second = await texting.sent(texting.a, to=OTHER, body="to the second number")
    await texting.inbound(texting.a, sender=OTHER, body="hello")
    await texting.call("POST", "/api/sms/opt-outs", texting.a, json={"outside_number": OTHER})

    done = await merge(texting, zoe, double)

    assert done.status_code == 200, done.text
    one = done.json()
    assert (one["id"], one["first_name"], one["last_name"]) == (zoe["id"], "Zoë", "Li")
    assert (one["email"], one["time_zone"], one["phone_number"]) == ("zoe@acme.example", "America/Phoenix", CUSTOMER)
    assert (one["tags"], one["custom_fields"]) == (["a", "b", "c"], {"plan": "gold", "x": "1", "y": "2"})
    assert await names(texting) == ["Zoë"]
    assert await names(texting, deleted=True) == []
    assert (await texting.call("GET", f"{CONTACTS}/{double['id']}", texting.a)).status_code == 404
    for text in (first, second):
        assert (await texting.message(texting.a, text["id"]))["contact_id"] == zoe["id"]
    threads = (await texting.get("/api/sms/conversations", texting.a))["items"]
    assert {(thread["outside_number"], thread["contact"]["id"]) for thread in threads} == {
        (OTHER, zoe["id"]),
        (CUSTOMER, zoe["id"]),
    }
    found = (await texting.get("/api/sms/messages", texting.a, contact_id=zoe["id"]))["items"]
    assert len(found) == 3
    # Opt-outs are by number: the second one stays blocked, the first one is not.
    assert (await texting.send(texting.a, to=OTHER, body="again")).json()["code"] == "opted_out"
    assert (await texting.send(texting.a, to=CUSTOMER, body="again")).status_code == 202
    [entry] = (await texting.get("/api/audit-log", texting.a, action="contact.merged"))["items"]
    assert entry["before"]["merged"]["phone_number"] == OTHER


async def test_both_numbers_are_known_afterwards(texting: Texting) -> None:
    zoe, double = await pair(texting)
    await merge(texting, zoe, double)

    await texting.inbound(texting.a, sender=OTHER, body="It is me")
    out = await texting.sent(texting.a, to=OTHER)
    named = await texting.sent(texting.a, to=OTHER, body="By name", contact_id=zoe["id"])

    assert out["contact_id"] == named["contact_id"] == zoe["id"]
    [inbound] = (await texting.get("/api/sms/messages", texting.a, direction="inbound"))["items"]
    assert inbound["contact_id"] == zoe["id"]
    [thread] = (await texting.get("/api/sms/conversations", texting.a, q="Zoë"))["items"]
    assert (thread["outside_number"], thread["contact"]["id"]) == (OTHER, zoe["id"])
    # Until somebody else has the number.
    new = await make(texting, texting.a, first_name="New", phone_number=OTHER)
    [thread] = (await texting.get("/api/sms/conversations", texting.a))["items"]
    assert thread["contact"]["id"] == new["id"]
    assert (await texting.sent(texting.a, to=OTHER, body="Who?"))["contact_id"] == new["id"]
    mismatch = await texting.send(texting.a, to=OTHER, body="x", contact_id=zoe["id"])
    assert (mismatch.status_code, mismatch.json()["code"]) == (422, "contact_mismatch")


async def test_again_changes_nothing_and_a_third_is_named(texting: Texting) -> None:
    zoe, double = await pair(texting)
    bo = await make(texting, texting.a, first_name="Bo")
    first = await merge(texting, zoe, double)
    before = texting.stored(texting.a, "contacts", "contact_tags", "audit_log")

    again = await merge(texting, zoe, double)
    elsewhere = await merge(texting, bo, double)
    restored = await texting.call("POST", f"{CONTACTS}/{double['id']}/restore", texting.a)

    assert (again.status_code, again.json()) == (200, first.json())
    for answer in (elsewhere, restored):
        assert (answer.status_code, answer.json()["code"]) == (409, "contact_merged")
        assert answer.json()["contact_id"] == zoe["id"]
    assert texting.stored(texting.a, "contacts", "contact_tags", "audit_log") == before


async def test_a_contact_without_number_takes_the_other_ones(texting: Texting) -> None:
    bo = await make(texting, texting.a, first_name="Bo")
    zoe = await make(texting, texting.a, first_name="Zoë", phone_number=CUSTOMER)

    one = (await merge(texting, bo, zoe)).json()

    assert (one["id"], one["phone_number"], one["first_name"]) == (bo["id"], CUSTOMER, "Bo")
    assert (await texting.sent(texting.a))["contact_id"] == bo["id"]


async def test_merged_ones_follow_when_theirs_is_merged(texting: Texting) -> None:
    zoe, double = await pair(texting)
    bo = await make(texting, texting.a, first_name="Bo", phone_number="+16025550992")
    await merge(texting, zoe, double)
    await merge(texting, bo, zoe)

    for number in (CUSTOMER, OTHER, "+16025550992"):
        assert (await texting.sent(texting.a, to=number))["contact_id"] == bo["id"], number


async def test_a_number_that_was_merged_twice_is_the_latest_ones(texting: Texting) -> None:
    zoe, double = await pair(texting)
    await merge(texting, zoe, double)
    bo = await make(texting, texting.a, first_name="Bo")
    later = await make(texting, texting.a, first_name="Later", phone_number=OTHER)
    assert (await merge(texting, bo, await change(texting, later, last_name="x"))).status_code == 200
    assert (await texting.sent(texting.a, to=OTHER))["contact_id"] == bo["id"]


async def test_what_cannot_be_merged(texting: Texting) -> None:
    zoe, double = await pair(texting)
    gone = await make(texting, texting.a, first_name="Gone")
    await texting.call("DELETE", f"{CONTACTS}/{gone['id']}", texting.a)
    before = texting.stored(texting.a, "contacts", "contact_tags")

    itself = await merge(texting, zoe, zoe)
    assert (itself.status_code, itself.json()["code"]) == (422, "same_contact")
    for contact, source in ((zoe, gone), (gone, zoe), (zoe, {"id": str(new_id())})):
        assert (await merge(texting, contact, source)).status_code == 404
    assert texting.stored(texting.a, "contacts", "contact_tags") == before
    assert (await merge(texting, zoe, double)).status_code == 200


async def test_of_two_merges_against_each_other_one_wins(texting: Texting) -> None:
    zoe, double = await pair(texting)

    answers = await asyncio.gather(merge(texting, zoe, double), merge(texting, double, zoe))

    assert sorted(answer.status_code for answer in answers) == [200, 404]
    assert len((await texting.get(CONTACTS, texting.a))["items"]) == 1


def test_every_reference_to_a_contact_is_followed() -> None:
    tables = {
        (table.name, column.name)
        for table in metadata().tables.values()
        for column in table.columns
        if column.name in {"contact_id", "merged_into"} and table.name != "contact_tags"
    }

    assert {(table.name, column.name) for table, column in references()} == tables
    assert {("sms_messages", "contact_id"), ("conversations", "contact_id"), ("contacts", "merged_into")} <= tables
