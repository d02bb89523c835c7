"""The company's numbers: sync, release and return, changes, the default, discovery."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from ringfence.emulator import AccountSeed, NumberSeed
from ringfence.features.audit_log.values import SYSTEM
from ringfence.features.phone_numbers import actions, queries
from ringfence.features.phone_numbers.errors import NumberHeldElsewhereError
from ringfence.features.phone_numbers.values import SyncPhoneNumbers
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.features.twilio_settings.errors import NotConnectedError
from tests.factories.cluster import Database
from tests.factories.twilio_world import TestAccount, TwilioWorld, gateway_to, running_emulator, stored, twilio_world
from tests.factories.world import World

URL = "/api/sms/phone-numbers"
SYNC = "/api/twilio/sync/phone-numbers"
MANY = TestAccount("AC" + "c3" * 16, "cc33" * 8, tuple(f"+1480555{n:04}" for n in range(1100)))


async def change(twilio: TwilioWorld, number: dict[str, Any], **changes: object) -> httpx.Response:
    return await twilio.client.patch(f"{URL}/{number['id']}", json=changes, headers=twilio.world.a.headers("admin"))


def jobs(database: Database) -> list[dict[str, Any]]:
    with psycopg.connect(database.admin_url) as connection:
        found = connection.execute(
            "SELECT args FROM procrastinate_jobs WHERE task_name = %s ORDER BY id", [SyncPhoneNumbers.kind]
        )
        return [row[0] for row in found]


def runs(database: Database) -> list[UUID]:
    """Whose syncs there are."""
    with psycopg.connect(database.admin_url) as connection:
        return [row[0] for row in connection.execute("SELECT company_id FROM sync_runs ORDER BY created_at, id")]


async def test_numbers_as_twilio_describes_them(world: World, twilio: TwilioWorld) -> None:
    await twilio.add_number(twilio.a, "+16025550104", friendly_name="Front desk", mms=False, voice=False)
    await twilio.connect(world.a, twilio.a)
    numbers = {item["phone_number"]: item for item in await twilio.numbers(world.a)}
    front = numbers["+16025550104"]
    assert (front["friendly_name"], front["country"]) == ("Front desk", "US")
    assert (front["sms"], front["mms"], front["voice"]) == (True, False, False)
    assert (front["status"], front["rotation_enabled"], front["rotation_priority"]) == ("active", True, 100)
    assert (front["discovered"], front["released_at"], front["last_used_at"]) == (False, None, None)
    # Long codes start slowly, toll-free numbers and other countries faster.
    assert (numbers["+16025550101"]["segments_per_second"], numbers["+18335550103"]["segments_per_second"]) == (1, 3)
    await twilio.connect(world.b, twilio.b)
    assert (await twilio.number(world.b, "+442079460202"))["segments_per_second"] == 10
    # One of them is the default, and it can text.
    assert [item["phone_number"] for item in numbers.values() if item["is_default"]] == ["+16025550101"]


async def test_eleven_hundred_numbers_through_all_pages(world: World, client: httpx.AsyncClient) -> None:
    seed = AccountSeed(
        friendly_name="Many",
        account_sid=MANY.sid,
        auth_token=MANY.auth_token,
        numbers=[NumberSeed(phone_number=number) for number in MANY.numbers],
    )
    async with running_emulator([seed]) as emulator, twilio_world(world, client, emulator) as twilio:
        world.app.state.services[type(twilio.gateway)] = gateway_to(emulator)
        made = await twilio.connect(world.a, MANY)
        assert made.status_code == 201, made.text
        assert made.json()["phone_numbers"] == {"listed": 1100, "added": 1100, "returned": 0, "released": 0}
        await twilio.drop_number(MANY, MANY.numbers[700])
        await twilio.sync(world.a)
        headers = world.a.headers("read")
        seen: list[str] = []
        params: dict[str, Any] = {"limit": 200, "released": False}
        while True:
            page = (await client.get(URL, params=params, headers=headers)).json()
            seen += [item["phone_number"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]
        assert sorted(seen) == [number for number in MANY.numbers if number != MANY.numbers[700]]
        status = (await client.get("/api/twilio/sync/status", headers=headers)).json()
        assert (status["phone_numbers"]["active"], status["phone_numbers"]["released"]) == (1099, 1)


async def test_numbers_that_go_and_come_back(world: World, twilio: TwilioWorld, database: Database) -> None:
    await twilio.connect_both()
    gone, kept = twilio.a.numbers[0], twilio.a.numbers[1]
    before = await twilio.number(world.a, gone)
    assert before["is_default"] is True
    await twilio.drop_number(twilio.a, gone)
    await twilio.add_number(twilio.a, "+16025550199")

    await twilio.sync(world.a)

    after = await twilio.number(world.a, gone)
    assert (after["id"], after["is_default"]) == (before["id"], False)
    assert after["released_at"] is not None
    assert (await twilio.number(world.a, kept))["released_at"] is None
    assert (await twilio.number(world.a, "+16025550199"))["released_at"] is None
    assert sum(item["is_default"] for item in await twilio.numbers(world.a)) == 1
    assert [item["phone_number"] for item in await twilio.numbers(world.a, released=True)] == [gone]
    claims = {row["phone_number"]: row["released_at"] for row in stored(database, world.a)["directory_numbers"]}
    assert (claims[gone] is not None, claims[kept]) == (True, None)
    # A released number is kept to read only.
    refused = await change(twilio, before, status="inactive")
    assert (refused.status_code, refused.json()["code"]) == (409, "number_released")

    # Back at Twilio: the same row, with its conversations.
    await twilio.add_number(twilio.a, gone)
    await twilio.sync(world.a)
    back = await twilio.number(world.a, gone)
    assert (back["id"], back["released_at"]) == (before["id"], None)
    claims = {row["phone_number"]: row["released_at"] for row in stored(database, world.a)["directory_numbers"]}
    assert claims[gone] is None


async def test_a_number_held_elsewhere_is_reported_not_stored(world: World, twilio: TwilioWorld) -> None:
    # Both companies use one account, at first without any number that both would hold.
    shared = TestAccount("AC" + "d4" * 16, "dd44" * 8, ())
    account = {"friendly_name": "Shared", "account_sid": shared.sid, "auth_token": shared.auth_token, "numbers": []}
    assert (await twilio.control.post("/emulator/accounts", json=account)).status_code == 201
    assert (await twilio.connect(world.a, shared)).status_code == 201
    assert (await twilio.connect(world.b, shared)).status_code == 201
    await twilio.add_number(shared, "+16025550301")
    await twilio.sync(world.a)
    await twilio.add_number(shared, "+16025550302")

    await twilio.sync(world.b)

    assert [item["phone_number"] for item in await twilio.numbers(world.a)] == ["+16025550301"]
    assert [item["phone_number"] for item in await twilio.numbers(world.b)] == ["+16025550302"]
    headers = world.b.headers("admin")
    audit = await twilio.client.get("/api/audit-log?action=phone_numbers.synced", headers=headers)
    assert audit.json()["items"][0]["after"]["held_elsewhere"] == ["…0301"]
    live = (await twilio.client.get("/api/twilio-settings/phone-numbers", headers=headers)).json()["items"]
    assert {item["phone_number"]: item["place"] for item in live} == {
        "+16025550301": "held_elsewhere",
        "+16025550302": "here",
    }
    # Company a lets go. While it tries to come back, which one number of b's refuses, b takes the freed number in.
    await twilio.client.delete("/api/twilio-settings", headers=world.a.headers("admin"))
    _, refused = await asyncio.gather(twilio.sync(world.b), twilio.connect(world.a, shared))
    assert (refused.status_code, refused.json()["code"]) == (409, "number_held_elsewhere")
    assert [item["phone_number"] for item in await twilio.numbers(world.b, released=False)] == [
        "+16025550301",
        "+16025550302",
    ]
    assert await twilio.numbers(world.a, released=False) == []


async def test_what_twilio_has_right_now(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect(world.a, twilio.a, set_webhooks=True)
    await twilio.add_number(twilio.a, "+16025550177")
    answer = await twilio.client.get("/api/twilio-settings/phone-numbers", headers=world.a.headers("admin"))
    live = {item["phone_number"]: item for item in answer.json()["items"]}
    assert (live["+16025550177"]["place"], live["+16025550177"]["phone_number_id"]) == ("new", None)
    here = live[twilio.a.numbers[0]]
    assert (here["place"], here["receives_here"]) == ("here", True)
    assert here["phone_number_id"] == (await twilio.number(world.a, twilio.a.numbers[0]))["id"]


async def test_a_name_given_here_survives_syncs(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect(world.a, twilio.a)
    number = await twilio.number(world.a, twilio.a.numbers[0])
    other = await twilio.number(world.a, twilio.a.numbers[1])
    assert (await change(twilio, number, friendly_name="Front desk")).json()["friendly_name"] == "Front desk"
    for item in (number, other):
        sid = (await twilio.at_twilio(twilio.a))[item["phone_number"]]["sid"]
        await twilio.control.post(
            f"/2010-04-01/Accounts/{twilio.a.sid}/IncomingPhoneNumbers/{sid}.json",
            data={"FriendlyName": "Renamed at Twilio"},
            auth=(twilio.a.sid, twilio.a.auth_token),
        )
    await twilio.sync(world.a)
    assert (await twilio.number(world.a, number["phone_number"]))["friendly_name"] == "Front desk"
    assert (await twilio.number(world.a, other["phone_number"]))["friendly_name"] == "Renamed at Twilio"


async def test_changes(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect(world.a, twilio.a)
    number = await twilio.number(world.a, twilio.a.numbers[1])
    changes = {
        "status": "inactive",
        "rotation_enabled": False,
        "rotation_priority": 7,
        "segments_per_second": 3.75,
        "friendly_name": "Night line",
    }
    answer = await change(twilio, number, **changes)
    assert answer.status_code == 200, answer.text
    assert changes.items() <= answer.json().items()
    assert await twilio.number(world.a, number["phone_number"]) == answer.json()
    assert [item["phone_number"] for item in await twilio.numbers(world.a, status="inactive")] == [
        number["phone_number"]
    ]
    # Nothing to change is no change.
    assert (await change(twilio, number)).json() == answer.json()
    # A sync does not undo what people set.
    await twilio.sync(world.a)
    assert changes.items() <= (await twilio.number(world.a, number["phone_number"])).items()


@pytest.mark.parametrize(
    "body",
    [
        {"status": "released"},
        {"rotation_priority": 0},
        {"rotation_priority": 1001},
        {"rotation_priority": 1.5},
        {"segments_per_second": 0.05},
        {"segments_per_second": 226},
        {"segments_per_second": "NaN"},
        {"is_default": False},
        {"friendly_name": ""},
        {"friendly_name": "x" * 101},
        {"friendly_name": "\x00"},
        {"phone_number": "+16025550100"},
        {"company_id": "00000000-0000-0000-0000-000000000000"},
        [],
    ],
)
async def test_bad_changes_change_nothing(
    world: World, twilio: TwilioWorld, database: Database, body: dict[str, Any]
) -> None:
    await twilio.connect(world.a, twilio.a)
    before = stored(database, world.a)
    number = await twilio.number(world.a, twilio.a.numbers[0])
    headers = world.a.headers("admin")
    answer = await twilio.client.patch(f"{URL}/{number['id']}", json=body, headers=headers)
    assert answer.status_code == 422, answer.text
    assert stored(database, world.a) == before


async def test_the_default_moves(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect(world.a, twilio.a)
    first, second, third = await twilio.numbers(world.a)
    assert (first["is_default"], second["is_default"]) == (True, False)
    assert (await change(twilio, second, is_default=True)).json()["is_default"] is True
    assert [item["is_default"] for item in await twilio.numbers(world.a)] == [False, True, False]

    # A number that is off, or is switched off in the same breath, cannot be it.
    await change(twilio, third, status="inactive")
    for refused in (
        await change(twilio, third, is_default=True),
        await change(twilio, first, is_default=True, status="inactive"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "number_cannot_send")
    assert (await change(twilio, third, is_default=True, status="active")).status_code == 200

    # Many at once: one wins, and there is one.
    answers = await asyncio.gather(
        *(change(twilio, item, is_default=True) for item in (first, second, third, first, second))
    )
    assert [answer.status_code for answer in answers] == [200] * 5
    assert sum(item["is_default"] for item in await twilio.numbers(world.a)) == 1


async def test_one_sync_waits_at_a_time(world: World, twilio: TwilioWorld, database: Database) -> None:
    headers = world.a.headers("admin")
    refused = await twilio.client.post(SYNC, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "twilio_not_connected")
    await twilio.connect_both()
    answers = [await twilio.client.post(SYNC, headers=headers) for _ in range(3)]
    assert {(answer.status_code, answer.json()["kind"]) for answer in answers} == {(202, "phone_numbers")}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await twilio.client.post(SYNC, headers=world.b.headers("admin"))).status_code == 202
    assert runs(database) == [world.a.company_id, world.b.company_id]


async def test_a_sync_notes_when_twilio_refuses_and_when_it_no_longer_does(world: World, twilio: TwilioWorld) -> None:
    await twilio.connect(world.a, twilio.a)
    headers = world.a.headers("admin")

    async def status() -> tuple[str, str | None]:
        answer = (await twilio.client.get("/api/twilio-settings", headers=headers)).json()
        return answer["status"], answer["status_code"]

    await twilio.set_account(twilio.a, auth_token="9" * 32)
    await twilio.sync(world.a)
    assert await status() == ("unverified", "credentials_refused")
    await twilio.set_account(twilio.a, auth_token=twilio.a.auth_token, status="suspended")
    await twilio.sync(world.a)
    assert await status() == ("suspended", "account_suspended")
    assert all(item["released_at"] is None for item in await twilio.numbers(world.a))
    await twilio.set_account(twilio.a, status="active")
    await twilio.sync(world.a)
    assert await status() == ("verified", None)


async def test_a_list_that_is_out_of_date_is_dropped(world: World, twilio: TwilioWorld, database: Database) -> None:
    await twilio.connect(world.a, twilio.a)
    async with twilio.gateway.account(twilio.a.sid, twilio.a.auth_token) as account:
        old = await actions.list_numbers(account, twilio.a.sid)
    await twilio.drop_number(twilio.a, twilio.a.numbers[0])
    await twilio.sync(world.a)
    before = stored(database, world.a)

    async with world.tenancy.tenant(world.a.company_id) as session:
        credentials = await settings_queries.credentials_for(session, world.keyring)
        assert credentials is not None
        assert await actions.store_sync(session, credentials, old, actor=SYSTEM) is None
    assert stored(database, world.a) == before

    # Another account meanwhile: what was listed for the old one is not stored either.
    await twilio.client.put("/api/twilio-settings", json=twilio.b.credentials, headers=world.a.headers("admin"))
    before = stored(database, world.a)
    async with world.tenancy.tenant(world.a.company_id) as session:
        assert await actions.store_sync(session, credentials, old, actor=SYSTEM) is None
    assert stored(database, world.a) == before


async def test_discovery(world: World, twilio: TwilioWorld, database: Database) -> None:
    await twilio.connect_both()
    await twilio.add_number(twilio.a, "+16025550155", friendly_name="New line")

    async def discover(phone_number: str, account: TestAccount = twilio.a) -> str:
        async with world.tenancy.tenant(world.a.company_id) as session:
            row = await actions.discover(session, account_sid=account.sid, phone_number=phone_number)
            return str(row.id)

    # Several texts at once to a number that nobody knows: one row, one sync.
    ids = set(await asyncio.gather(*(discover("+16025550155") for _ in range(4))))
    assert len(ids) == 1
    found = await twilio.number(world.a, "+16025550155")
    assert (found["id"], found["discovered"], found["status"]) == (ids.pop(), True, "active")
    assert [job["company_id"] for job in jobs(database)] == [str(world.a.company_id)]
    await twilio.sync(world.a)
    synced = await twilio.number(world.a, "+16025550155")
    assert (synced["id"], synced["friendly_name"], synced["mms"]) == (found["id"], "New line", True)

    # A known number is just found; a released one comes back.
    known = await twilio.number(world.a, twilio.a.numbers[0])
    assert await discover(twilio.a.numbers[0]) == known["id"]
    await twilio.drop_number(twilio.a, twilio.a.numbers[0])
    await twilio.sync(world.a)
    assert (await twilio.number(world.a, twilio.a.numbers[0]))["released_at"] is not None
    assert await discover(twilio.a.numbers[0]) == known["id"]
    assert (await twilio.number(world.a, twilio.a.numbers[0]))["released_at"] is None

    # Another account's webhook, or a number of the account that another company holds.
    before = stored(database, world.a)
    with pytest.raises(NotConnectedError):
        await discover("+16025550166", twilio.b)
    assert stored(database, world.a) == before


async def test_discovery_of_a_number_held_elsewhere_stores_nothing(
    world: World, twilio: TwilioWorld, database: Database
) -> None:
    shared = TestAccount("AC" + "d4" * 16, "dd44" * 8, ())
    account = {"friendly_name": "Shared", "account_sid": shared.sid, "auth_token": shared.auth_token, "numbers": []}
    assert (await twilio.control.post("/emulator/accounts", json=account)).status_code == 201
    for company in (world.a, world.b):
        assert (await twilio.connect(company, shared)).status_code == 201
    async with world.tenancy.tenant(world.b.company_id) as session:
        await actions.discover(session, account_sid=shared.sid, phone_number="+16025550301")
    before = stored(database, world.a)
    async with world.tenancy.tenant(world.a.company_id) as session:
        with pytest.raises(NumberHeldElsewhereError) as refused:
            await actions.discover(session, account_sid=shared.sid, phone_number="+16025550301")
        assert "+16025550301" not in f"{refused.value} {refused.value.fields}"
        # The caller's transaction goes on; nothing of the number is in it.
        assert await queries.held(session, "+16025550301") is None
    assert stored(database, world.a) == before
    assert [job["company_id"] for job in jobs(database)] == [str(world.b.company_id)]
