"""Buying numbers: search, purchase exactly once whatever becomes of the answer, giving back."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import time_machine

from ringfence.features.phone_numbers.jobs import SettlePurchaseHandler
from ringfence.features.phone_numbers.values import SettlePurchase
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.clock import utc_now
from tests.factories.cluster import Database
from tests.factories.twilio_world import TwilioWorld
from tests.factories.world import World

URL = "/api/sms/phone-numbers"
WANTED = "+16025550137"


async def search(twilio: TwilioWorld, **query: object) -> httpx.Response:
    return await twilio.client.get(f"{URL}/available", params=query, headers=twilio.world.a.headers("admin"))


async def buy(twilio: TwilioWorld, phone_number: str = WANTED, *, key: str | None = None, **more: object) -> Any:
    headers = twilio.world.a.headers("admin") | ({"Idempotency-Key": key} if key else {})
    return await twilio.client.post(f"{URL}/buy", json={"phone_number": phone_number, **more}, headers=headers)


async def fault(twilio: TwilioWorld, kind: str, *, operation: str = "write", **more: object) -> None:
    body = {"kind": kind, "operation": operation, "count": 1, **more}
    assert (await twilio.control.post("/emulator/faults", json=body)).status_code == 201


async def settle(twilio: TwilioWorld, purchase: dict[str, Any], *, later: timedelta) -> dict[str, Any]:
    """What the worker does with the purchase's job after a while, and what the purchase is then."""
    world = twilio.world
    handler = SettlePurchaseHandler(twilio.gateway, world.keyring)
    with time_machine.travel(utc_now() + later):
        await handler(JobContext(world.tenancy, world.a.company_id), SettlePurchase(purchase_id=UUID(purchase["id"])))
    answer = await twilio.client.get(f"{URL}/purchases/{purchase['id']}", headers=world.a.headers("admin"))
    assert answer.status_code == 200, answer.text
    return answer.json()


def rows_of(database: Database, phone_number: str) -> int:
    with psycopg.connect(database.admin_url) as connection:
        query = "SELECT count(*) FROM phone_numbers WHERE phone_number = %s"
        row = connection.execute(query, [phone_number]).fetchone()
        return row[0] if row else 0


async def test_search_passes_everything_on(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect_both()
    answer = await search(twilio, area_code="602", sms=True, mms=True, limit=3)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert len(found["items"]) == 3
    assert all(item["phone_number"].startswith("+1602") and item["mms"] for item in found["items"])
    assert found["monthly_price"] == {"micros": 1_150_000, "currency": "USD"}
    assert found["items"][0]["locality"] == "Phoenix"

    toll_free = (await search(twilio, type="toll-free", contains="833")).json()
    assert toll_free["monthly_price"]["micros"] == 2_150_000
    assert {item["phone_number"][:5] for item in toll_free["items"]} == {"+1833"}
    mobile = (await search(twilio, country="GB", type="mobile")).json()
    assert {item["country"] for item in mobile["items"]} == {"GB"}
    # The account's own numbers are not for sale.
    own = (await search(twilio, contains="6025550101")).json()
    assert own["items"] == []

    none = await search(twilio, country="US", type="mobile")
    assert (none.status_code, none.json()["code"]) == (422, "no_such_numbers")
    for wrong in ({"country": "usa"}, {"type": "fax"}, {"contains": "6"}, {"area_code": "1"}, {"limit": 101}):
        assert (await search(twilio, **wrong)).status_code == 422, wrong


async def test_without_prices_a_search_still_answers(twilio: TwilioWorld) -> None:
    await twilio.connect_both()
    faults = {"kind": "500", "operation": "read"}
    found = await search(twilio)
    assert found.json()["monthly_price"] is not None
    # The second of the two requests fails: that for the price.
    await twilio.control.post("/emulator/faults", json=faults | {"kind": "slow", "delay_seconds": 0.01, "count": 1})
    assert (await search(twilio)).status_code == 200
    await twilio.control.post("/emulator/faults", json=faults)
    failed = await search(twilio)
    assert (failed.status_code, failed.json()["code"]) == (502, "twilio_unreachable")


async def test_a_bought_number_works_at_once(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect_both()
    answer = await buy(twilio, friendly_name="Front desk")
    assert answer.status_code == 201, answer.text
    purchase = answer.json()
    assert (purchase["status"], purchase["reason"]) == ("bought", None)

    number = await twilio.number(world.a, WANTED)
    assert (number["id"], number["friendly_name"]) == (purchase["phone_number_id"], "Front desk")
    assert number["receives_here"]
    assert number["sms"]
    at_twilio = (await twilio.at_twilio(twilio.a))[WANTED]
    settings = (await twilio.client.get("/api/twilio-settings", headers=world.a.headers("admin"))).json()
    assert at_twilio["sms_url"] == settings["webhooks"]["inbound_url"]
    assert at_twilio["voice_url"].endswith("/voice")
    # A list that was asked for before the purchase does not take it away again, and one after it keeps it.
    await twilio.sync(world.a)
    assert (await twilio.number(world.a, WANTED))["released_at"] is None

    again = await buy(twilio)
    assert (again.status_code, again.json()["code"]) == (409, "number_is_yours")
    log = (await twilio.client.get("/api/audit-log", headers=world.a.headers("admin"))).json()["items"]
    actions = [item["action"] for item in log if item["target_kind"] == "number_purchase"]
    assert actions == ["phone_number.bought", "phone_number.purchase_begun"]
    assert WANTED not in str(log)


async def test_a_lost_answer_is_found_in_the_list(twilio: TwilioWorld, database: Database) -> None:
    await twilio.connect_both()
    for line, kind in enumerate(("accept_then_reset", "500_after_accept", "empty_201", "truncated_201")):
        wanted = f"+1602555013{line}"
        await fault(twilio, kind)
        answer = await buy(twilio, wanted, key=kind)
        assert (answer.status_code, answer.json()["status"]) == (201, "bought"), kind
        again = await buy(twilio, wanted, key=kind)
        assert (again.status_code, again.json()) == (201, answer.json())
        assert wanted in await twilio.at_twilio(twilio.a)
        assert rows_of(database, wanted) == 1


async def test_a_lost_answer_that_cannot_be_looked_up_is_settled_by_the_job(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect_both()
    await fault(twilio, "accept_then_reset")
    await fault(twilio, "500", operation="read")
    answer = await buy(twilio, key="once")
    assert (answer.status_code, answer.json()["status"]) == (202, "unknown")
    other = await buy(twilio, key="another")
    assert (other.status_code, other.json()["code"]) == (409, "purchase_under_way")
    assert other.json()["purchase_id"] == answer.json()["id"]
    await fault(twilio, "500", operation="read")
    assert (await settle(twilio, answer.json(), later=timedelta(minutes=1)))["status"] == "unknown"
    done = await settle(twilio, answer.json(), later=timedelta(minutes=2))
    assert done["status"] == "bought"
    assert (await twilio.number(world.a, WANTED))["id"] == done["phone_number_id"]
    assert (await buy(twilio, key="once")).status_code == 201


async def test_what_never_arrived_is_not_repeated(twilio: TwilioWorld) -> None:
    await twilio.connect_both()
    for line, kind in enumerate(("reset_before_accept", "500", "502_html")):
        wanted = f"+1602555013{line}"
        await fault(twilio, kind)
        answer = await buy(twilio, wanted, key=kind)
        assert (answer.status_code, answer.json()["status"]) == (202, "unknown"), kind
        # Nobody asks again by himself: neither the same request nor the job.
        assert (await buy(twilio, wanted, key=kind)).json()["id"] == answer.json()["id"]
        assert (await settle(twilio, answer.json(), later=timedelta(minutes=5)))["status"] == "unknown"
        done = await settle(twilio, answer.json(), later=timedelta(minutes=11))
        assert done["status"] == "not_bought"
        assert wanted not in await twilio.at_twilio(twilio.a)
        # A person may, and a late job changes nothing about what is settled.
        assert (await buy(twilio, wanted)).status_code == 201
        assert (await settle(twilio, answer.json(), later=timedelta(hours=1)))["status"] == "not_bought"


async def test_a_purchase_that_went_through_unseen_is_adopted(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect_both()
    await twilio.add_number(twilio.a, WANTED)
    answer = await buy(twilio)
    assert (answer.status_code, answer.json()["status"]) == (201, "bought")


async def test_a_refusal_is_told_and_final(twilio: TwilioWorld) -> None:
    await twilio.connect_both()
    for line, (kind, code) in enumerate((("21422", 21422), ("21649", 21649), ("429", 20429))):
        wanted = f"+1602555013{line}"
        await fault(twilio, kind)
        refused = await buy(twilio, wanted, key=kind)
        assert (refused.status_code, refused.json()["code"]) == (422, "purchase_refused")
        assert refused.json()["twilio_code"] == code
        assert (await buy(twilio, wanted, key=kind)).json() == refused.json()
        assert (await buy(twilio, wanted, key=f"{kind}-again")).status_code == 201


async def test_trial_accounts_and_wrong_credentials(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect_both()
    await twilio.set_account(twilio.a, type="Trial")
    trial = await buy(twilio)
    assert (trial.status_code, trial.json()["twilio_code"]) == (422, 21404)
    await twilio.set_account(twilio.a, type="Full", auth_token="f" * 32)
    refused = await buy(twilio)
    assert (refused.status_code, refused.json()["code"]) == (422, "twilio_credentials_refused")
    settings = (await twilio.client.get("/api/twilio-settings", headers=world.a.headers("admin"))).json()
    assert settings["status"] == "unverified"
    await twilio.set_account(twilio.a, auth_token=twilio.a.auth_token)
    assert (await buy(twilio)).status_code == 201


async def test_two_at_once_buy_once(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect_both()
    answers = await asyncio.gather(*(buy(twilio, key="once") for _ in range(4)))
    assert {answer.status_code for answer in answers} <= {201, 202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    reused = await buy(twilio, "+16025550138", key="once")
    assert (reused.status_code, reused.json()["code"]) == (409, "idempotency_key_reused")
    others = await asyncio.gather(*(buy(twilio, "+16025550139") for _ in range(3)))
    assert sorted(answer.status_code for answer in others) == [201, 409, 409]


async def test_another_account_meanwhile_is_left_to_a_person(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect_both()
    await fault(twilio, "500")
    purchase = (await buy(twilio)).json()
    await twilio.client.delete("/api/twilio-settings", headers=world.a.headers("admin"))
    done = await settle(twilio, purchase, later=timedelta(minutes=1))
    assert done["status"] == "unconfirmed"
    assert "Look at Twilio" in done["reason"]


async def test_giving_a_number_back(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect_both()
    number = await twilio.number(world.a, twilio.a.numbers[0])
    assert number["is_default"]
    path, headers = f"{URL}/{number['id']}/release", world.a.headers("admin")
    wrong = await twilio.client.post(path, json={"confirm": twilio.a.numbers[1]}, headers=headers)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "not_confirmed")
    assert twilio.a.numbers[0] in await twilio.at_twilio(twilio.a)

    # The answer is lost, though the number is gone: asking again finds it so.
    await fault(twilio, "500_after_accept")
    lost = await twilio.client.post(path, json={"confirm": number["phone_number"]}, headers=headers)
    assert lost.status_code == 502
    done = await twilio.client.post(path, json={"confirm": number["phone_number"]}, headers=headers)
    assert done.status_code == 200, done.text
    assert done.json()["released_at"] is not None
    assert not done.json()["is_default"]
    assert twilio.a.numbers[0] not in await twilio.at_twilio(twilio.a)
    assert [item["is_default"] for item in await twilio.numbers(world.a, released=False)].count(True) == 1
    twice = await twilio.client.post(path, json={"confirm": number["phone_number"]}, headers=headers)
    assert (twice.status_code, twice.json()["code"]) == (409, "number_released")
    # Others can have it now.
    assert (await buy(twilio, number["phone_number"])).status_code in {201, 422}
