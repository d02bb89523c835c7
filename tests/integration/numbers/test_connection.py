"""Connecting, replacing, checking and disconnecting a Twilio account."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import select

from ringfence.features.twilio_settings import actions as settings_actions
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.features.twilio_settings.model import TwilioSettings
from ringfence.kit.keyring import Keyring
from ringfence.kit.secret import token_hash
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.web import services
from tests.factories.cluster import Database
from tests.factories.twilio_world import TestAccount, TwilioWorld, stored
from tests.factories.world import BASE_URL, SECRET_KEY, World

URL = "/api/twilio-settings"


async def test_connect_and_read(world: World, twilio: TwilioWorld, database: Database) -> None:
    headers = world.a.headers("admin")
    assert (await twilio.client.get(URL, headers=headers)).json() == {"connected": False}

    answer = await twilio.connect(world.a, twilio.a)

    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["phone_numbers"] == {"listed": 3, "added": 3, "returned": 0, "released": 0}
    assert made["webhook_outcomes"] is None
    read = (await twilio.client.get(URL, headers=headers)).json()
    assert read.items() <= made.items()
    assert read["connected"] is True
    assert read["account_sid"] == twilio.a.sid
    assert read["friendly_name"] == "Cactus at Twilio"
    assert read["auth_token_last_four"] == twilio.a.auth_token[-4:]
    assert (read["status"], read["status_reason"]) == ("verified", None)
    assert read["verified_at"] is not None

    # The path in the addresses is long, leads to this connection, and stands in the directory as a hash only.
    webhook_path = read["webhooks"]["inbound_url"].removeprefix(f"{BASE_URL}/webhooks/twilio/").removesuffix("/inbound")
    assert len(webhook_path) >= 43
    assert read["webhooks"]["status_url"] == f"{BASE_URL}/webhooks/twilio/{webhook_path}/status"
    rows = stored(database, world.a)
    assert [row["path_hash"] for row in rows["directory_connections"]] == [token_hash(webhook_path)]
    async with world.tenancy.platform() as session:
        found = await settings_queries.find_connection(session, webhook_path)
        assert found is not None
        assert found.company_id == world.a.company_id
        assert found.settings_id == rows["twilio_settings"][0]["id"]
        assert await settings_queries.find_connection(session, webhook_path[:-1]) is None


async def test_a_second_connect_is_refused(world: World, twilio: TwilioWorld, database: Database) -> None:
    assert (await twilio.connect(world.a, twilio.a)).status_code == 201
    before = stored(database, world.a)
    again = await twilio.connect(world.a, twilio.a)
    assert (again.status_code, again.json()["code"]) == (409, "twilio_connected")
    assert stored(database, world.a) == before


async def test_two_connects_at_once_make_one_connection(world: World, twilio: TwilioWorld, database: Database) -> None:
    answers = await asyncio.gather(*(twilio.connect(world.a, twilio.a) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409], [a.text for a in answers]
    rows = stored(database, world.a)
    assert (len(rows["twilio_settings"]), len(rows["directory_connections"])) == (1, 1)
    assert len(rows["phone_numbers"]) == 3


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"account_sid": "AC" + "a1" * 16},
        {"account_sid": "AC" + "a1" * 15, "auth_token": "a" * 32},
        {"account_sid": "SK" + "a1" * 16, "auth_token": "a" * 32},
        {"account_sid": "AC" + "a1" * 16, "auth_token": "a" * 31},
        {"account_sid": "AC" + "a1" * 16, "auth_token": "a" * 31 + ":"},
        {"account_sid": "AC" + "a1" * 16, "auth_token": "a" * 32, "company_id": "x"},
        {"account_sid": "AC" + "a1" * 16, "auth_token": "a" * 32, "friendly_name": "nul\x00"},
        {"account_sid": "AC" + "a1" * 16, "auth_token": "a" * 32, "friendly_name": " "},
        {"account_sid": ["AC" + "a1" * 16], "auth_token": "a" * 32},
    ],
)
async def test_bad_input_is_refused_and_not_echoed(
    world: World, twilio: TwilioWorld, database: Database, body: dict[str, Any]
) -> None:
    for method in ("POST", "PUT"):
        if method == "PUT" and body.keys() == {"account_sid"}:
            continue  # a PUT may leave the token out
        answer = await twilio.client.request(method, URL, json=body, headers=world.a.headers("admin"))
        assert answer.status_code == 422, answer.text
        if token := body.get("auth_token"):
            assert token not in answer.text
    assert not any(stored(database, world.a).values())


async def test_wrong_credentials_leave_what_was_stored(world: World, twilio: TwilioWorld, database: Database) -> None:
    wrong = TestAccount(twilio.a.sid, "0" * 32, ())
    refused = await twilio.connect(world.a, wrong)
    assert (refused.status_code, refused.json()["code"]) == (422, "twilio_credentials_refused")
    assert not any(stored(database, world.a).values())

    assert (await twilio.connect(world.a, twilio.a)).status_code == 201
    before = stored(database, world.a)
    refused = await twilio.client.put(URL, json=wrong.credentials, headers=world.a.headers("admin"))
    assert (refused.status_code, refused.json()["code"]) == (422, "twilio_credentials_refused")
    assert stored(database, world.a) == before


@pytest.mark.parametrize(("status", "reason"), [("suspended", "account_suspended"), ("closed", "account_closed")])
async def test_unusable_account(
    world: World, twilio: TwilioWorld, database: Database, status: str, reason: str
) -> None:
    await twilio.set_account(twilio.b, status=status)
    refused = await twilio.connect(world.a, twilio.b)
    assert (refused.status_code, refused.json()["code"]) == (422, "twilio_account_suspended")
    assert (refused.json()["reason"], bool(refused.json()["fix"])) == (reason, True)
    assert not any(stored(database, world.a).values())

    assert (await twilio.connect(world.a, twilio.a)).status_code == 201
    before = stored(database, world.a)
    refused = await twilio.client.put(URL, json=twilio.b.credentials, headers=world.a.headers("admin"))
    assert (refused.status_code, refused.json()["code"]) == (422, "twilio_account_suspended")
    assert stored(database, world.a) == before


async def test_unreachable_twilio_changes_nothing(world: World, twilio: TwilioWorld, database: Database) -> None:
    assert (await twilio.connect(world.a, twilio.a)).status_code == 201
    before = stored(database, world.a)
    headers = world.a.headers("admin")
    # Port 1 of this machine: nobody listens there.
    closed = TwilioGateway(api_url="http://127.0.0.1:1", public_url=BASE_URL, timeout_seconds=2)
    services.install(world.app, *(s for s in world.app.state.services.values() if type(s) is not TwilioGateway), closed)
    for answer in (
        await twilio.connect(world.b, twilio.b),
        await twilio.client.put(URL, json=twilio.a.credentials, headers=headers),
        await twilio.client.post(f"{URL}/verify", headers=headers),
        await twilio.client.post(f"{URL}/webhooks", headers=headers),
        await twilio.client.get(f"{URL}/phone-numbers", headers=headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (502, "twilio_unreachable"), answer.text
    assert stored(database, world.a) == before
    assert not any(stored(database, world.b).values())


@pytest.mark.parametrize("kind", ["500", "429", "reset_before_accept", "502_html"])
async def test_a_twilio_in_trouble_changes_nothing(
    world: World, twilio: TwilioWorld, database: Database, kind: str
) -> None:
    fault = {"kind": kind, "operation": "read", "account_sid": twilio.a.sid, "probability": 1.0}
    assert (await twilio.connect(world.a, twilio.a)).status_code == 201
    before = stored(database, world.a)
    assert (await twilio.control.post("/emulator/faults", json=fault)).status_code == 201
    answer = await twilio.client.put(URL, json=twilio.a.credentials, headers=world.a.headers("admin"))
    assert (answer.status_code, answer.json()["code"]) == (502, "twilio_unreachable"), answer.text
    assert stored(database, world.a) == before


async def test_a_number_that_another_company_holds_refuses_the_whole_save(
    world: World, twilio: TwilioWorld, database: Database
) -> None:
    await twilio.connect_both()
    before_a, before_b = stored(database, world.a), stored(database, world.b)

    refused = await twilio.client.put(URL, json=twilio.a.credentials, headers=world.b.headers("admin"))

    assert (refused.status_code, refused.json()["code"]) == (409, "number_held_elsewhere")
    assert refused.json()["numbers"] == ["…0101", "…0102", "…0103"]
    assert twilio.a.numbers[0] not in refused.text
    assert str(world.a.company_id) not in refused.text
    assert stored(database, world.b) == before_b
    assert stored(database, world.a) == before_a


async def test_an_account_without_held_numbers_may_be_shared(world: World, twilio: TwilioWorld) -> None:
    assert (await twilio.connect(world.a, twilio.a)).status_code == 201
    refused = await twilio.connect(world.b, twilio.a)
    assert (refused.status_code, refused.json()["code"]) == (409, "number_held_elsewhere")

    assert (await twilio.client.delete(URL, headers=world.a.headers("admin"))).status_code == 204
    assert (await twilio.connect(world.b, twilio.a)).status_code == 201
    refused = await twilio.connect(world.a, twilio.a)
    assert (refused.status_code, refused.json()["code"]) == (409, "number_held_elsewhere")


async def test_two_companies_that_connect_one_account_at_once(
    world: World, twilio: TwilioWorld, database: Database
) -> None:
    answers = await asyncio.gather(twilio.connect(world.a, twilio.a), twilio.connect(world.b, twilio.a))
    assert sorted(answer.status_code for answer in answers) == [201, 409], [a.text for a in answers]
    winner, loser = (world.a, world.b) if answers[0].status_code == 201 else (world.b, world.a)
    assert len(stored(database, winner)["directory_numbers"]) == 3
    assert not any(stored(database, loser).values())


async def test_replace_token_and_name(world: World, twilio: TwilioWorld, database: Database) -> None:
    headers = world.a.headers("admin")
    assert (await twilio.client.put(URL, json=twilio.a.credentials, headers=headers)).status_code == 404
    first = (await twilio.connect(world.a, twilio.a)).json()

    # Without a token: the stored one is checked and kept.
    renamed = await twilio.client.put(
        URL, json={"account_sid": twilio.a.sid, "friendly_name": "Main line"}, headers=headers
    )
    assert renamed.status_code == 200, renamed.text
    assert renamed.json()["friendly_name"] == "Main line"
    assert renamed.json()["phone_numbers"] == {"listed": 3, "added": 0, "returned": 0, "released": 0}

    # A rotated token: the old one no longer works, the new one is taken, name and webhook path stay.
    await twilio.set_account(twilio.a, auth_token="c" * 32)
    stale = await twilio.client.put(URL, json={"account_sid": twilio.a.sid}, headers=headers)
    assert (stale.status_code, stale.json()["code"]) == (422, "twilio_credentials_refused")
    replaced = await twilio.client.put(URL, json={"account_sid": twilio.a.sid, "auth_token": "c" * 32}, headers=headers)
    assert replaced.status_code == 200, replaced.text
    assert replaced.json()["auth_token_last_four"] == "cccc"
    assert replaced.json()["friendly_name"] == "Main line"
    assert replaced.json()["webhooks"] == first["webhooks"]
    async with world.tenancy.tenant(world.a.company_id) as session:
        credentials = await settings_queries.credentials_for(session, world.keyring)
    assert credentials is not None
    assert (credentials.account_sid, credentials.auth_token) == (twilio.a.sid, "c" * 32)
    assert "c" * 32 not in repr(credentials)
    assert credentials.webhook_path not in repr(credentials)
    assert b"c" * 32 not in json.dumps(stored(database, world.a), default=str).encode()


async def test_replacing_the_account_needs_its_token_and_moves_the_numbers(world: World, twilio: TwilioWorld) -> None:
    headers = world.a.headers("admin")
    first = (await twilio.connect(world.a, twilio.a, set_webhooks=True)).json()
    refused = await twilio.client.put(URL, json={"account_sid": twilio.b.sid}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "auth_token_needed")

    moved = await twilio.client.put(URL, json=twilio.b.credentials, headers=headers)

    assert moved.status_code == 200, moved.text
    assert moved.json()["phone_numbers"] == {"listed": 2, "added": 2, "returned": 0, "released": 3}
    assert moved.json()["friendly_name"] == "Birch at Twilio"
    assert moved.json()["webhooks"] == first["webhooks"]
    assert (first["webhooks_set_at"] is not None, moved.json()["webhooks_set_at"]) == (True, None)
    kept = await twilio.numbers(world.a, released=False)
    assert tuple(item["phone_number"] for item in kept) == tuple(sorted(twilio.b.numbers))
    assert sum(item["is_default"] for item in kept) == 1
    # What was given up is free for others.
    assert (await twilio.connect(world.b, twilio.a)).status_code == 201


async def test_two_replacements_at_once_end_in_one_consistent_state(
    world: World, twilio: TwilioWorld, database: Database
) -> None:
    headers = world.a.headers("admin")
    assert (await twilio.connect(world.a, twilio.a)).status_code == 201
    answers = await asyncio.gather(
        *(
            twilio.client.put(URL, json=account.credentials, headers=headers)
            for account in (twilio.b, twilio.a, twilio.b, twilio.a)
        )
    )
    assert [answer.status_code for answer in answers] == [200] * 4, [a.text for a in answers]
    rows = stored(database, world.a)
    account = next(acc for acc in (twilio.a, twilio.b) if acc.sid == rows["twilio_settings"][0]["account_sid"])
    held = {row["phone_number"] for row in rows["phone_numbers"] if row["released_at"] is None}
    claimed = {row["phone_number"] for row in rows["directory_numbers"] if row["released_at"] is None}
    assert held == claimed == set(account.numbers)
    async with world.tenancy.tenant(world.a.company_id) as session:
        credentials = await settings_queries.credentials_for(session, world.keyring)
    assert credentials is not None
    assert credentials.auth_token == account.auth_token
    assert sum(row["is_default"] for row in rows["phone_numbers"]) == 1


async def test_disconnect_releases_numbers_and_keeps_history(
    world: World, twilio: TwilioWorld, database: Database
) -> None:
    headers = world.a.headers("admin")
    first = (await twilio.connect(world.a, twilio.a)).json()
    ids = {item["phone_number"]: item["id"] for item in await twilio.numbers(world.a)}

    assert (await twilio.client.delete(URL, headers=headers)).status_code == 204

    assert (await twilio.client.get(URL, headers=headers)).json() == {"connected": False}
    rows = stored(database, world.a)
    assert (rows["twilio_settings"], rows["directory_connections"]) == ([], [])
    assert all(row["released_at"] is not None for row in rows["phone_numbers"])
    assert all(row["released_at"] is not None for row in rows["directory_numbers"])
    for method, path in (("DELETE", URL), ("POST", f"{URL}/verify"), ("POST", f"{URL}/webhooks")):
        assert (await twilio.client.request(method, path, headers=headers)).status_code == 404
    assert (await twilio.client.get(f"{URL}/phone-numbers", headers=headers)).status_code == 404

    # Connecting again brings the same rows back, under a new path.
    again = (await twilio.connect(world.a, twilio.a)).json()
    assert again["phone_numbers"] == {"listed": 3, "added": 0, "returned": 3, "released": 0}
    assert again["webhooks"] != first["webhooks"]
    assert {item["phone_number"]: item["id"] for item in await twilio.numbers(world.a)} == ids


async def test_verify_records_what_twilio_says(world: World, twilio: TwilioWorld) -> None:
    headers = world.a.headers("admin")
    assert (await twilio.connect(world.a, twilio.a)).status_code == 201

    await twilio.set_account(twilio.a, status="suspended")
    answer = await twilio.client.post(f"{URL}/verify", headers=headers)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["status_code"]) == ("suspended", "account_suspended")
    assert answer.json()["status_reason"] == "Twilio has suspended this account."
    assert answer.json()["status_fix"]

    await twilio.set_account(twilio.a, status="active", auth_token="d" * 32)
    answer = await twilio.client.post(f"{URL}/verify", headers=headers)
    assert (answer.json()["status"], answer.json()["status_code"]) == ("unverified", "credentials_refused")
    async with world.tenancy.tenant(world.a.company_id) as session:
        credentials = await settings_queries.credentials_for(session, world.keyring)
    assert credentials is not None
    assert (credentials.status, credentials.status_reason) == ("unverified", "credentials_refused")

    await twilio.set_account(twilio.a, auth_token=twilio.a.auth_token)
    answer = await twilio.client.post(f"{URL}/verify", headers=headers)
    assert (answer.json()["status"], answer.json()["status_reason"]) == ("verified", None)
    assert (await twilio.client.get(URL, headers=headers)).json() == answer.json()


async def test_news_about_a_replaced_token_is_not_put_down_to_the_new_one(world: World, twilio: TwilioWorld) -> None:
    assert (await twilio.connect(world.a, twilio.a)).status_code == 201
    async with world.tenancy.tenant(world.a.company_id) as session:
        old = await settings_queries.credentials_for(session, world.keyring)
    assert old is not None
    await twilio.set_account(twilio.a, auth_token="e" * 32)
    await twilio.client.put(
        URL, json={"account_sid": twilio.a.sid, "auth_token": "e" * 32}, headers=world.a.headers("admin")
    )
    async with world.tenancy.tenant(world.a.company_id) as session:
        new = await settings_queries.credentials_for(session, world.keyring)
        assert new is not None
        await settings_actions.mark_status(session, old, status="unverified", reason="credentials_refused")
        assert (await settings_queries.current(session)).status == "verified"
        await settings_actions.mark_status(session, new, status="unverified", reason="credentials_refused")
        assert (await settings_queries.current(session)).status == "unverified"


async def test_keys_rotate(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect_both()
    rotated = Keyring(["another-key-of-thirty-two-characters-or-more", SECRET_KEY])
    only_new = Keyring(["another-key-of-thirty-two-characters-or-more"])
    for company, account in ((world.a, twilio.a), (world.b, twilio.b)):
        async with world.tenancy.tenant(company.company_id) as session:
            assert await settings_actions.reseal(session, rotated) == 1
        async with world.tenancy.tenant(company.company_id) as session:
            assert await settings_actions.reseal(session, rotated) == 0
            credentials = await settings_queries.credentials_for(session, only_new)
            assert credentials is not None
            assert credentials.auth_token == account.auth_token


async def test_a_sealed_token_opens_in_its_own_company_only(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect_both()
    for company in (world.a, world.b):
        answer = await twilio.client.post(f"{URL}/verify", headers=company.headers("admin"))
        assert answer.json()["status"] == "verified"
    async with world.tenancy.tenant(world.a.company_id) as session:
        sealed_of_a = await session.scalar(
            select(TwilioSettings.sealed_auth_token).where(TwilioSettings.company_id == session.company_id)
        )
    async with world.tenancy.tenant(world.b.company_id) as session:
        settings = await settings_queries.current(session)
        assert settings is not None
        settings.sealed_auth_token = sealed_of_a
    answer = await twilio.client.post(f"{URL}/verify", headers=world.b.headers("admin"))
    assert (answer.status_code, answer.json()["code"]) == (500, "configuration")
    # The way out that the error names works: save the token again.
    again = await twilio.client.put(URL, json=twilio.b.credentials, headers=world.b.headers("admin"))
    assert again.status_code == 200, again.text


async def test_webhooks_are_set_at_twilio(world: World, twilio: TwilioWorld) -> None:
    headers = world.a.headers("admin")
    made = (await twilio.connect(world.a, twilio.a)).json()
    inbound_url = made["webhooks"]["inbound_url"]
    assert not any(item["receives_here"] for item in await twilio.numbers(world.a))
    off = await twilio.number(world.a, twilio.a.numbers[0])
    await twilio.client.patch(f"/api/sms/phone-numbers/{off['id']}", json={"status": "inactive"}, headers=headers)

    answer = await twilio.client.post(f"{URL}/webhooks", headers=headers)

    assert answer.status_code == 200, answer.text
    assert [item["result"] for item in answer.json()["webhook_outcomes"]] == ["set", "set"]
    assert answer.json()["webhooks_set_at"] is not None
    at_twilio = await twilio.at_twilio(twilio.a)
    assert [at_twilio[number]["sms_url"] for number in twilio.a.numbers] == ["", inbound_url, inbound_url]
    assert [item["receives_here"] for item in await twilio.numbers(world.a)] == [False, True, True]

    # Once more: nothing left to do. A number gone meanwhile is reported and stops none of the others.
    await twilio.drop_number(twilio.a, twilio.a.numbers[1])
    again = (await twilio.client.post(f"{URL}/webhooks", headers=headers)).json()
    assert [item["result"] for item in again["webhook_outcomes"]] == ["failed", "already_set"]
    assert again["webhook_outcomes"][0]["reason"]
    assert again["webhooks_set_at"] == answer.json()["webhooks_set_at"]


async def test_each_number_that_twilio_refuses_is_reported(world: World, twilio: TwilioWorld) -> None:
    fault = {"kind": "503", "operation": "write", "account_sid": twilio.a.sid, "count": 1}
    assert (await twilio.control.post("/emulator/faults", json=fault)).status_code == 201
    made = await twilio.connect(world.a, twilio.a, set_webhooks=True)
    assert made.status_code == 201, made.text
    results = sorted(item["result"] for item in made.json()["webhook_outcomes"])
    assert results == ["failed", "set", "set"]
    assert made.json()["webhooks_set_at"] is None
    assert sum(item["receives_here"] for item in await twilio.numbers(world.a)) == 2


async def test_the_token_is_nowhere(
    world: World, twilio: TwilioWorld, database: Database, capsys: pytest.CaptureFixture[str], caplog: Any
) -> None:
    caplog.set_level("DEBUG")
    headers = world.a.headers("admin")
    wrong = "f" * 32
    texts = [
        (await twilio.connect(world.a, TestAccount(twilio.a.sid, wrong, ()))).text,
        (await twilio.connect(world.a, twilio.a, set_webhooks=True)).text,
        (await twilio.client.put(URL, json=twilio.a.credentials, headers=headers)).text,
        (await twilio.client.get(URL, headers=headers)).text,
        (await twilio.client.post(f"{URL}/verify", headers=headers)).text,
        (await twilio.client.post(f"{URL}/webhooks", headers=headers)).text,
        (await twilio.client.get(f"{URL}/phone-numbers", headers=headers)).text,
        (await twilio.client.get("/api/sms/phone-numbers", headers=headers)).text,
    ]
    await twilio.sync(world.a)
    audit = (await twilio.client.get("/api/audit-log", headers=headers)).text
    assert "twilio_settings.connected" in audit  # the log did write down what happened
    texts += [audit, json.dumps(stored(database, world.a), default=str)]
    captured = capsys.readouterr()
    texts += [captured.out, captured.err, caplog.text]
    for text in texts:
        assert twilio.a.auth_token not in text
        assert wrong not in text
    # The webhook path is for admins: in none of what others may read, and not in the audit log.
    path = (await twilio.client.get(URL, headers=headers)).json()["webhooks"]["inbound_url"].split("/")[-2]
    numbers = (await twilio.client.get("/api/sms/phone-numbers", headers=world.a.headers("read"))).text
    assert path not in numbers
    assert path not in audit


async def test_every_act_stands_in_the_audit_log(world: World, twilio: TwilioWorld) -> None:
    headers = world.a.headers("admin")
    await twilio.connect(world.a, twilio.a, set_webhooks=True)
    await twilio.client.put(URL, json=twilio.a.credentials, headers=headers)
    await twilio.client.post(f"{URL}/verify", headers=headers)
    await twilio.client.post("/api/twilio/sync/phone-numbers", headers=headers)
    await twilio.sync(world.a)
    number = await twilio.number(world.a, twilio.a.numbers[0])
    await twilio.client.patch(f"/api/sms/phone-numbers/{number['id']}", json={"status": "inactive"}, headers=headers)
    await twilio.client.delete(URL, headers=headers)
    entries = (await twilio.client.get("/api/audit-log", headers=headers)).json()["items"]
    actions = [entry["action"] for entry in entries if entry["action"].startswith(("twilio_", "phone_", "sync"))]
    assert actions[::-1] == [
        "twilio_settings.connected",
        "twilio_settings.webhooks_set",
        "twilio_settings.replaced",
        "twilio_settings.checked",
        "sync.requested",
        "phone_numbers.synced",
        "phone_number.changed",
        "twilio_settings.disconnected",
    ]
    synced = next(entry for entry in entries if entry["action"] == "phone_numbers.synced")
    assert (synced["actor_kind"], synced["request_id"]) == ("system", None)
    changed = next(entry for entry in entries if entry["action"] == "phone_number.changed")
    assert (changed["before"], changed["after"]) == ({"status": "active"}, {"status": "inactive"})
    assert changed["request_id"]
    assert changed["actor_kind"] == "api_key"
