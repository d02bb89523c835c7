"""The Twilio doctor: each thing that can be wrong is a line with its fix, and what is well is said too."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest

from ringfence.emulator import Emulator
from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.gateway import TwilioGateway
from tests.factories.cluster import Database
from tests.factories.howto import run_page
from tests.factories.twilio_world import TestAccount, TwilioWorld, running_emulator, twilio_world
from tests.factories.world import SECRET_KEY, World

URL = "/api/twilio-settings/doctor"
LOCAL = "http://127.0.0.1:9"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with running_emulator() as emulator:
        yield emulator


@pytest.fixture
def more_services(emulator: Emulator) -> tuple[object, ...]:
    return (TwilioGateway(emulator.base_url, LOCAL, timeout_seconds=5),)


@pytest.fixture
async def twilio(world: World, client: httpx.AsyncClient, emulator: Emulator) -> AsyncIterator[TwilioWorld]:
    async with twilio_world(world, client, emulator) as twilio:
        await twilio.connect_both()
        yield twilio


async def look(twilio: TwilioWorld) -> dict[str, Any]:
    answer = await twilio.client.get(URL, headers=twilio.world.a.headers("admin"))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def wrong(twilio: TwilioWorld) -> dict[str, dict[str, Any]]:
    """The lines that are not ok, by their word."""
    return {item["check"]: item for item in (await look(twilio))["findings"] if item["level"] != "ok"}


async def at_twilio(twilio: TwilioWorld, account: TestAccount, path: str, **form: str) -> httpx.Response:
    """A change that the account's owner makes at Twilio."""
    answer = await twilio.control.post(path, data=form, auth=(account.sid, account.auth_token))
    assert answer.is_success, answer.text
    return answer


async def change_number(twilio: TwilioWorld, phone_number: str, **form: str) -> None:
    sid = (await twilio.at_twilio(twilio.a))[phone_number]["sid"]
    await at_twilio(twilio, twilio.a, f"/2010-04-01/Accounts/{twilio.a.sid}/IncomingPhoneNumbers/{sid}.json", **form)


def execute(database: Database, statement: str, *values: object) -> None:
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(statement, values)  # pyright: ignore


async def test_all_is_well(twilio: TwilioWorld) -> None:
    answer = await look(twilio)
    assert answer["level"] == "ok", answer
    checks = [item["check"] for item in answer["findings"]]
    assert checks == [
        "server.public_url",
        "server.secret_keys",
        "account.credentials",
        "account.status",
        "numbers.list",
        "numbers.holders",
        "webhooks.numbers",
        "services.list",
        "texts.waiting",
        "texts.failed",
        "texts.reports",
    ]
    assert all(item["fix"] is None and item["button"] is None for item in answer["findings"])


async def test_numbers_and_webhooks_that_went_astray(world: World, twilio: TwilioWorld) -> None:
    first, second, toll_free = twilio.a.numbers
    await twilio.add_number(twilio.a, "+16025550104")
    await change_number(twilio, first, SmsUrl="https://elsewhere.example.com/sms")
    await change_number(twilio, second, SmsApplicationSid="AP" + "1" * 32)
    await change_number(twilio, toll_free, SmsMethod="GET", VoiceUrl="https://elsewhere.example.com/voice")
    found = await wrong(twilio)
    assert {word: item["numbers"] for word, item in found.items()} == {
        "numbers.unknown_here": ["+16025550104"],
        "webhooks.elsewhere": [first],
        "webhooks.application": [second],
        "webhooks.method": [toll_free],
        "webhooks.calls": [toll_free],
    }
    assert found["numbers.unknown_here"]["button"] == {"method": "POST", "path": "/api/twilio/sync/phone-numbers"}
    assert found["webhooks.elsewhere"]["level"] == "problem"
    assert all(item["fix"] for item in found.values())

    # The buttons mend what they say they mend.
    await twilio.sync(world.a)
    button = found["webhooks.application"]["button"]
    pressed = await twilio.client.request(button["method"], button["path"], headers=world.a.headers("admin"))
    assert pressed.status_code == 200, pressed.text
    assert await wrong(twilio) == {}

    await twilio.drop_number(twilio.a, second)
    await change_number(twilio, first, SmsUrl="")
    found = await wrong(twilio)
    assert found.keys() == {"numbers.gone", "webhooks.unset"}
    assert (found["numbers.gone"]["numbers"], found["webhooks.unset"]["numbers"]) == ([second], [first])


async def test_messaging_services_that_take_texts_elsewhere(twilio: TwilioWorld) -> None:
    first, second, _ = twilio.a.numbers
    made = [
        await at_twilio(twilio, twilio.a, "/v1/Services", FriendlyName=name, InboundRequestUrl=url, **more)
        for name, url, more in (
            ("Campaign", "https://elsewhere.example.com/in", {}),
            ("Deferring", "https://elsewhere.example.com/in", {"UseInboundWebhookOnNumber": "true"}),
        )
    ]
    numbers = await twilio.at_twilio(twilio.a)
    for service, number in zip(made, (first, second), strict=True):
        pool = f"/v1/Services/{service.json()['sid']}/PhoneNumbers"
        await at_twilio(twilio, twilio.a, pool, PhoneNumberSid=numbers[number]["sid"])
    answer = await look(twilio)
    (services,) = [item for item in answer["findings"] if item["check"] == "services.list"]
    assert "2 messaging services: Campaign, Deferring" in services["text"]
    found = await wrong(twilio)
    assert found.keys() == {"services.override"}
    assert found["services.override"]["numbers"] == [first]
    assert "Campaign" in found["services.override"]["text"]
    assert found["services.override"]["button"] is None


async def test_the_account_itself(world: World, twilio: TwilioWorld) -> None:
    await twilio.set_account(twilio.a, type="Trial")
    assert (await wrong(twilio)).keys() == {"account.trial"}
    await twilio.set_account(twilio.a, type="Full", status="suspended")
    found = await wrong(twilio)
    assert found["account.status"]["level"] == "problem"
    assert "suspended" in found["account.status"]["text"]
    await twilio.set_account(twilio.a, status="active", auth_token="f" * 32)
    found = await wrong(twilio)
    assert found.keys() == {"account.credentials"}
    assert found["account.credentials"]["level"] == "problem"
    # Looking changes nothing: the settings are as verified as before.
    settings = (await twilio.client.get("/api/twilio-settings", headers=world.a.headers("admin"))).json()
    assert settings["status"] == "verified"
    await twilio.client.delete("/api/twilio-settings", headers=world.a.headers("admin"))
    assert (await wrong(twilio)).keys() == {"account.connection"}


async def test_what_twilio_does_not_say_is_a_line(twilio: TwilioWorld) -> None:
    for kind in ("500", "502_html", "429"):
        body = {"kind": kind, "operation": "read", "account_sid": twilio.a.sid}
        await twilio.control.post("/emulator/faults", json=body)
        found = await wrong(twilio)
        assert found.keys() == {"account.credentials", "numbers.list", "services.list"}, kind
        assert {item["level"] for item in found.values()} == {"notice"}
        await twilio.control.delete("/emulator/faults")
    assert await wrong(twilio) == {}


async def test_the_servers_own_address_and_keys(
    world: World, twilio: TwilioWorld, emulator: Emulator, database: Database
) -> None:
    services = world.app.state.services
    for api_url, public_url, level in (
        ("https://api.twilio.com", LOCAL, "problem"),
        ("https://api.twilio.com", "https://10.1.2.3", "problem"),
        (emulator.base_url, "http://texts.example.invalid", "problem"),
        (emulator.base_url, "https://texts.example.invalid", "notice"),
        (emulator.base_url, LOCAL, "ok"),
    ):
        services[TwilioGateway] = TwilioGateway(api_url, public_url, timeout_seconds=0.5)
        (line,) = [item for item in (await look(twilio))["findings"] if item["check"] == "server.public_url"]
        assert line["level"] == level, (api_url, public_url)
    services[Keyring] = Keyring(["n" * 40, SECRET_KEY])
    assert (await wrong(twilio))["server.secret_keys"]["level"] == "notice"
    services[Keyring] = world.keyring
    execute(database, "UPDATE twilio_settings SET sealed_auth_token = 'v1.00000000.AAAA'")
    found = await wrong(twilio)
    assert (found.keys(), found["server.secret_keys"]["level"]) == ({"server.secret_keys"}, "problem")


async def test_the_days_texts(world: World, twilio: TwilioWorld, database: Database) -> None:
    async def send(to: str) -> str:
        body = {"to": to, "body": "Hello"}
        answer = await twilio.client.post("/api/sms/send", json=body, headers=world.a.headers("send"))
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    waiting, failed, unconfirmed, silent, reported = [await send(f"+1480555000{n}") for n in range(5)]
    assert await wrong(twilio) == {}
    execute(database, "DELETE FROM outbox WHERE message_id <> %s", waiting)
    execute(database, "UPDATE outbox SET due_at = now() - interval '20 minutes'")
    execute(database, "UPDATE sms_messages SET status = 'failed', error_code = 30003 WHERE id = %s", failed)
    execute(database, "UPDATE sms_messages SET status = 'unconfirmed' WHERE id = %s", unconfirmed)
    for message_id in (silent, reported):
        execute(
            database,
            "UPDATE sms_messages SET status = 'sending', accepted_at = now(), created_at = now() - interval '2 hours'"
            " WHERE id = %s",
            message_id,
        )
    found = await wrong(twilio)
    assert found.keys() == {"texts.waiting", "texts.unconfirmed", "texts.failed", "texts.reports"}
    assert "1 texts wait to go out, the oldest for 20 minutes" in found["texts.waiting"]["text"]
    assert "30003" in found["texts.failed"]["text"]
    assert (found["texts.reports"]["level"], found["texts.reports"]["text"][:6]) == ("problem", "2 of 2")
    execute(
        database,
        "INSERT INTO webhook_events (company_id, id, kind, dedupe_key, message_id, parameters, received_at)"
        " VALUES (%s, gen_random_uuid(), 'status', 'x', %s, '{}', now())",
        world.a.company_id,
        reported,
    )
    found = await wrong(twilio)
    assert (found["texts.reports"]["level"], found["texts.reports"]["text"][:6]) == ("notice", "1 of 2")


async def test_one_account_of_two_companies(world: World, twilio: TwilioWorld, database: Database) -> None:
    await twilio.client.delete("/api/twilio-settings", headers=world.b.headers("admin"))
    await twilio.connect(world.b, twilio.b)
    # What no request makes, since connecting would refuse it: both use the account, and B holds a new number of it.
    await twilio.add_number(twilio.a, "+16025550104")
    execute(
        database,
        "UPDATE directory_numbers SET account_sid = %s, phone_number = '+16025550104'"
        " WHERE company_id = %s AND phone_number = %s AND released_at IS NULL",
        twilio.a.sid,
        world.b.company_id,
        twilio.b.numbers[0],
    )
    found = await wrong(twilio)
    assert found.keys() == {"account.shared"}
    assert found["account.shared"]["numbers"] == ["+16025550104"]
    assert str(world.b.company_id) not in str(found)
    assert world.b.name not in str(found)
    # And a number whose place in the directory is gone.
    execute(database, "DELETE FROM directory_numbers WHERE phone_number = %s", twilio.a.numbers[0])
    assert (await wrong(twilio))["numbers.holders"]["numbers"] == [twilio.a.numbers[0]]


async def test_roles_and_companies(world: World, twilio: TwilioWorld) -> None:
    assert (await twilio.client.get(URL)).status_code == 401
    for scope in ("read", "send", "manage"):
        assert (await twilio.client.get(URL, headers=world.a.headers(scope))).status_code == 403
    for person in (world.a.agent, world.a.manager, world.super_admin):
        assert (await (await world.log_in(person)).get(URL)).status_code == 403
    await change_number(twilio, twilio.a.numbers[0], SmsUrl="https://elsewhere.example.com/sms")
    theirs = await twilio.client.get(URL, headers=world.b.headers("admin"))
    assert theirs.json()["level"] == "ok"
    assert not any(number in theirs.text for number in twilio.a.numbers)
    assert (await look(twilio))["level"] == "problem"


async def test_the_page_shows_what_works(twilio: TwilioWorld, tmp_path: Any) -> None:
    values = {"URL": str(twilio.client.base_url), "KEY": twilio.world.a.keys["admin"]}
    done = await run_page("twilio-doctor.md", twilio.client, values, tmp_path)
    assert len(done) == 3
