"""A bulk send before its start: what it is made of, and what its rehearsal says."""

from datetime import timedelta
from typing import Any

import time_machine

from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from tests.factories.bulk import act, create, created, customers, look, make_list, rehearsed, texts_of, turn
from tests.factories.texts import Texting


async def test_rehearsal_counts_exactly_what_the_run_then_does(texting: Texting) -> None:
    a = texting.a
    numbers = customers(30)
    rows = [(number, {"order_number": "" if n in {3, 4} else f"{n}"}) for n, number in enumerate(numbers)]
    rows += [("+442079460000", {"order_number": "x" * 160}), ("+4930901820", {"order_number": "ü🎉"})]
    for number in numbers[:2]:
        await texting.call("POST", "/api/sms/opt-outs", a, json={"outside_number": number})
    await texting.call("PATCH", "/api/company", a, json={"texting": {"countries": ["US", "GB"]}})
    await texting.call(
        "PUT", "/api/sms/bulk/prices", a, json={"prices": [{"country": "US", "micros": 7900, "currency": "USD"}]}
    )

    made = await created(texting, a, rows, body="Order {order_number|} is ready", canary=False)

    assert made["status"] == "ready"
    found = made["rehearsal"]
    assert found["looked_at"] == found["recipients"] == 32
    assert found["skipped"] == {"opted_out": 2, "unresolved_field": 2, "blocked_country": 1}
    assert found["will_send"] == 27
    assert found["segments"] == 26 + 2
    assert found["segments_by_country"] == {"US": 26, "GB": 2}
    assert found["encodings"] == {"GSM-7": 27}
    assert found["cost"] == [{"micros": 26 * 7900, "currency": "USD"}]
    assert found["unpriced_segments"] == 2
    assert found["seconds"] == 28
    assert found["longest"]["position"] == 31
    assert found["longest"]["segments"] == 2
    assert found["longest"]["body"].startswith("Order xxx")

    single = await texting.send(a, to="+4930901820")
    assert (single.status_code, single.json()["code"]) == (422, "blocked_country")

    await act(texting, a, made["id"], "start")
    await turn(texting, a)
    ran = await look(texting, a, made["id"])
    assert ran["counts"] == {"queued": found["will_send"], "skipped": sum(found["skipped"].values())}
    assert {row["code"]: row["recipients"] for row in ran["reasons"]} == found["skipped"]
    texts = texts_of(texting, a, made["id"])
    assert sum(text["num_segments"] for text in texts) == found["segments"]
    assert not [text for text in texts if "{" in text["body"]]


async def test_what_recipients_would_wait_for_is_said_before(texting: Texting) -> None:
    """It is night in New York and evening in Arizona; and whoever has had a text this week gets none."""
    a, (first, second) = texting.a, customers(2)
    await texting.sent(a, to=first)
    made = await created(texting, a, [first, second, "+12125550100"], rehearse=False)
    rules = {"frequency_cap": {"texts": 1, "days": 7}, "quiet_hours": {"from": "21:00", "to": "08:00"}}
    await texting.call("PATCH", "/api/company", a, json={"texting": rules})
    night = utc_now().replace(hour=2, minute=30) + timedelta(days=1)
    with time_machine.travel(night, tick=False):
        await rehearsed(texting, a, made["id"])
        found = (await look(texting, a, made["id"]))["rehearsal"]
    assert (found["skipped"], found["waits"], found["will_send"]) == ({"frequency_cap": 1}, {"quiet_hours": 1}, 2)


async def test_template_is_taken_as_it_is_when_it_is_rehearsed(texting: Texting) -> None:
    a = texting.a
    template = await texting.call(
        "POST", "/api/sms/templates", a, json={"name": "Sale", "body": "Dear {contact.first_name|friend}, {what|}"}
    )
    number, other = customers(2)
    await texting.call("POST", "/api/contacts", a, json={"first_name": "Ada", "phone_number": number})
    template_id = template.json()["id"]
    made = await created(
        texting,
        a,
        [(number, {"what": "tea"}), (other, {"what": ""})],
        template_id=template_id,
        variables={"what": "come"},
        canary=False,
    )
    assert made["rehearsal"]["will_send"] == 2
    await texting.call("PUT", f"/api/sms/templates/{template_id}", a, json={"name": "Sale", "body": "Never mind"})
    await act(texting, a, made["id"], "start")
    await turn(texting, a)
    bodies = sorted(row["body"] for row in texting.stored(a, "sms_messages")["sms_messages"])
    assert bodies == ["Dear Ada, tea", "Dear friend, come"]
    assert (await texting.get(f"/api/sms/templates/{template_id}", a))["usage_count"] == 2

    await texting.call("DELETE", f"/api/sms/templates/{template_id}", a)
    answer = await create(texting, a, list_id=made["list_id"], template_id=template_id)
    assert answer.status_code == 404


async def test_changes_before_the_start_are_rehearsed_again(texting: Texting) -> None:
    a = texting.a
    made = await created(texting, a, customers(3))
    path = f"/api/sms/bulk/{made['id']}"
    answer = await texting.call("PATCH", path, a, json={"body": "Hi {who|}", "name": "Other"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["rehearsal"]) == ("rehearsing", None)
    early = await texting.call("POST", f"{path}/start", a)
    assert (early.status_code, early.json()["code"]) == (409, "bulk_state")
    await rehearsed(texting, a, made["id"])
    changed = await look(texting, a, made["id"])
    assert (changed["name"], changed["rehearsal"]["skipped"]) == ("Other", {"unresolved_field": 3})

    assert (await texting.call("DELETE", path, a)).status_code == 204
    assert (await texting.call("GET", path, a)).status_code == 404


async def test_one_key_makes_one_bulk_send(texting: Texting) -> None:
    a = texting.a
    list_id = str(await make_list(texting.world.tenancy, a.company_id, customers(2)))
    first = await create(texting, a, key="k1", list_id=list_id)
    again = await create(texting, a, key="k1", list_id=list_id)
    other = await create(texting, a, key="k1", list_id=list_id, name="Another")
    assert first.status_code == again.status_code == 201
    assert first.json()["id"] == again.json()["id"]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len((await texting.get("/api/sms/bulk", a))["items"]) == 1


async def test_what_makes_no_bulk_send(texting: Texting) -> None:
    a = texting.a
    list_id = str(await make_list(texting.world.tenancy, a.company_id, customers(1)))
    wrong: tuple[tuple[dict[str, Any], int, str], ...] = (
        ({"body": ""}, 422, "invalid"),
        ({"body": "Hi {name}"}, 422, "missing_fallback"),
        ({"body": "Hi {there"}, 422, "stray_brace"),
        ({"from_numbers": ["+14155550201"]}, 422, "unknown_sender"),
        ({"scheduled_at": "2020-01-01T00:00:00Z"}, 422, "in_the_past"),
        ({"scheduled_at": "2999-01-01T00:00:00Z"}, 422, "too_far_ahead"),
        ({"list_id": str(new_id())}, 404, "not_found"),
        ({"company_id": str(new_id())}, 422, "invalid"),
        ({"most_failed_percent": 101}, 422, "invalid"),
    )
    for what, status, code in wrong:
        answer = await create(texting, a, **{"list_id": list_id, "from_numbers": [a.number], **what})
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert (await texting.get("/api/sms/bulk", a))["items"] == []
    good = await create(texting, a, list_id=list_id)
    assert good.status_code == 201, good.text
    assert sorted(good.json()["from_numbers"]) == sorted(a.numbers)


async def test_a_list_that_is_not_ready_or_empty_is_refused(texting: Texting) -> None:
    a = texting.a
    list_id = str(await make_list(texting.world.tenancy, a.company_id, customers(1)))
    texting.change("UPDATE bulk_lists SET status = 'reading' WHERE id = %s", list_id)
    reading = await create(texting, a, list_id=list_id)
    texting.change("UPDATE bulk_lists SET status = 'ready', recipients_count = 0 WHERE id = %s", list_id)
    empty = await create(texting, a, list_id=list_id)
    assert (reading.status_code, reading.json()["code"]) == (409, "list_not_ready")
    assert (empty.status_code, empty.json()["code"]) == (422, "no_recipients")


async def test_prices_are_what_was_set_else_the_median_of_what_was_charged(texting: Texting) -> None:
    a = texting.a
    for n, (micros, segments) in enumerate(((-7000, 1), (-16_000, 2), (-9000, 1))):
        text = await texting.sent(a, to="+16025550990", body=f"Number {n}")
        texting.change(
            "UPDATE sms_messages SET price_micros = %s, price_currency = 'USD', num_segments = %s WHERE id = %s",
            micros,
            segments,
            text["id"],
        )
    prices = (await texting.get("/api/sms/bulk/prices", a))["items"]
    assert prices == [{"country": "US", "micros": 8000, "currency": "USD", "source": "measured", "texts": 3}]

    own = {"prices": [{"country": "US", "micros": 9999, "currency": "EUR"}]}
    answer = await texting.call("PUT", "/api/sms/bulk/prices", a, scope="manage", json=own)
    assert [(item["micros"], item["source"]) for item in answer.json()["items"]] == [(9999, "set")]
    assert (await texting.get("/api/sms/bulk/prices", texting.b))["items"] == []
    twice = {"prices": own["prices"] * 2}
    assert (await texting.call("PUT", "/api/sms/bulk/prices", a, json=twice)).status_code == 422


async def test_a_trial_goes_to_oneself_and_is_no_part_of_it(texting: Texting) -> None:
    a = texting.a
    made = await created(texting, a, [(customers(1)[0], {"day": "Friday"})], body="Until {day|}")
    path = f"/api/sms/bulk/{made['id']}/test"
    manager = await texting.world.log_in(a.company.manager)
    without = await manager.post(path)
    assert (without.status_code, without.json()["code"]) == (422, "no_phone")
    answer = await manager.post(path, json={"to": "602 555 0999"})
    assert answer.status_code == 202, answer.text
    assert (answer.json()["to_number"], answer.json()["body"]) == ("+16025550999", "Until Friday")
    own = await manager.put(f"/api/users/{a.company.manager.id}/phone", json={"phone": "+16025550998"})
    assert own.is_success, own.text
    assert (await manager.post(path)).json()["to_number"] == "+16025550998"
    assert (await look(texting, a, made["id"]))["counts"] == {}
