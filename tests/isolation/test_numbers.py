"""Connections and numbers stay inside their company: roles, foreign ids, cursors, directory, webhook paths."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError

from ringfence.emulator import Emulator
from ringfence.errors import NotFoundError
from ringfence.features.phone_numbers import queries
from ringfence.features.phone_numbers.errors import UnknownSenderError
from ringfence.features.phone_numbers.jobs import SettlePurchaseHandler
from ringfence.features.phone_numbers.model import DirectoryNumber, PhoneNumber
from ringfence.features.phone_numbers.values import SettlePurchase
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.features.twilio_settings.model import DirectoryConnection, TwilioSettings
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.people import CompanyWithPeople
from tests.factories.twilio_world import TwilioWorld, gateway_to, running_emulator, stored, twilio_world
from tests.factories.world import World

SETTINGS = "/api/twilio-settings"
NUMBERS = "/api/sms/phone-numbers"

# Route → the lowest level that may use it.
LEVELS = {
    ("GET", SETTINGS): "admin",
    ("POST", SETTINGS): "admin",
    ("PUT", SETTINGS): "admin",
    ("DELETE", SETTINGS): "admin",
    ("POST", f"{SETTINGS}/verify"): "admin",
    ("POST", f"{SETTINGS}/webhooks"): "admin",
    ("GET", f"{SETTINGS}/phone-numbers"): "admin",
    ("GET", f"{SETTINGS}/doctor"): "admin",
    ("GET", NUMBERS): "read",
    ("PATCH", f"{NUMBERS}/{{number_id}}"): "admin",
    ("GET", f"{NUMBERS}/available"): "admin",
    ("POST", f"{NUMBERS}/buy"): "admin",
    ("GET", f"{NUMBERS}/purchases/{{purchase_id}}"): "admin",
    ("POST", f"{NUMBERS}/{{number_id}}/release"): "admin",
    ("POST", "/api/twilio/sync/phone-numbers"): "admin",
    ("POST", "/api/twilio/sync/messages"): "admin",
    ("POST", "/api/twilio/sync/calls"): "admin",
    ("POST", "/api/twilio/sync/full"): "admin",
    ("GET", "/api/twilio/sync/status"): "read",
}
RANKS = ("read", "send", "manage", "admin")


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with running_emulator() as emulator:
        yield emulator


@pytest.fixture
def more_services(emulator: Emulator) -> tuple[object, ...]:
    return (gateway_to(emulator),)


@pytest.fixture
async def twilio(world: World, client: httpx.AsyncClient, emulator: Emulator) -> AsyncIterator[TwilioWorld]:
    async with twilio_world(world, client, emulator) as twilio:
        await twilio.connect_both()
        yield twilio


async def test_the_matrix_has_every_route(world: World) -> None:
    prefixes = (SETTINGS, NUMBERS, "/api/twilio/sync")
    found = {
        (method.upper(), path)
        for path, methods in world.app.openapi()["paths"].items()
        for method in methods
        if path.startswith(prefixes)
    }
    assert found == set(LEVELS)


async def buy(twilio: TwilioWorld, company: CompanyWithPeople, phone_number: str, **headers: str) -> dict[str, Any]:
    answer = await twilio.client.post(
        f"{NUMBERS}/buy", json={"phone_number": phone_number}, headers=company.headers("admin") | headers
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_roles(world: World, twilio: TwilioWorld, database: Database) -> None:
    number = await twilio.number(world.a, twilio.a.numbers[0])
    release = f"{NUMBERS}/{{number_id}}/release"
    bodies = {
        ("POST", SETTINGS): twilio.a.credentials,
        ("PUT", SETTINGS): twilio.a.credentials,
        ("PATCH", f"{NUMBERS}/{{number_id}}"): {"friendly_name": "X"},
        ("POST", f"{NUMBERS}/buy"): {"phone_number": "+16025550137"},
        ("POST", release): {"confirm": number["phone_number"]},
    }
    ids = {"number_id": number["id"], "purchase_id": (await buy(twilio, world.a, "+16025550138"))["id"]}
    people = {
        "agent": await world.log_in(world.a.agent),
        "manager": await world.log_in(world.a.manager),
        "company_admin": await world.log_in(world.a.admin),
        "super_admin": await world.log_in(world.super_admin),
    }
    before = stored(database, world.a)
    for (method, template), level in LEVELS.items():
        path = template.format(**ids)
        body = bodies.get((method, template))

        async def call(client: httpx.AsyncClient, headers: dict[str, str], path=path, method=method, body=body) -> int:
            return (await client.request(method, path, json=body, headers=headers)).status_code

        assert await call(twilio.client, {}) == 401, path
        assert await call(twilio.client, {"Authorization": "Bearer rf_" + "0" * 43}) == 401, path
        assert await call(people["super_admin"], {}) == 403, path
        for scope in RANKS[: RANKS.index(level)]:
            assert await call(twilio.client, world.a.headers(scope)) == 403, (path, scope)
        if level == "admin":
            assert await call(people["agent"], {}) == 403, path
            assert await call(people["manager"], {}) == 403, path
    assert stored(database, world.a) == before

    # The positive control: whoever may, can; DELETE last.
    def late(item: tuple[tuple[str, str], str]) -> tuple[bool, bool]:
        return item[0][0] == "DELETE", item[0] == ("POST", release)

    for (method, template), level in sorted(LEVELS.items(), key=late):
        path = template.format(**ids)
        body = bodies.get((method, template))
        client = people["company_admin"] if level == "admin" else people["agent"]
        answer = await client.request(method, path, json=body)
        # Connecting twice is the one conflict; it comes after the rights were checked.
        allowed = {409} if (method, template) == ("POST", SETTINGS) else {200, 201, 202, 204}
        assert answer.status_code in allowed, (path, answer.text)


async def test_a_foreign_number_is_like_none(world: World, twilio: TwilioWorld, database: Database) -> None:
    theirs = await twilio.number(world.a, twilio.a.numbers[0])
    ours = await twilio.number(world.b, twilio.b.numbers[0])
    before = stored(database, world.a)
    headers = world.b.headers("admin")
    for body in ({"is_default": True}, {"status": "inactive"}, {"friendly_name": "B was here"}, {}):
        foreign = await twilio.client.patch(f"{NUMBERS}/{theirs['id']}", json=body, headers=headers)
        random = await twilio.client.patch(f"{NUMBERS}/{new_id()}", json=body, headers=headers)
        own = await twilio.client.patch(f"{NUMBERS}/{ours['id']}", json=body, headers=headers)
        assert (foreign.status_code, foreign.content) == (random.status_code, random.content)
        assert (foreign.status_code, own.status_code) == (404, 200)
    for body in (
        {"company_id": str(world.a.company_id)},
        {"id": theirs["id"]},
        {"status": "inactive", "account_sid": twilio.a.sid},
    ):
        answer = await twilio.client.patch(f"{NUMBERS}/{ours['id']}", json=body, headers=headers)
        assert answer.status_code == 422
    assert stored(database, world.a) == before


async def test_purchases_and_keys_belong_to_their_company(
    world: World, twilio: TwilioWorld, database: Database
) -> None:
    theirs = await buy(twilio, world.a, "+16025550137", **{"Idempotency-Key": "same"})
    ours = await buy(twilio, world.b, "+16025550138", **{"Idempotency-Key": "same"})
    assert theirs["id"] != ours["id"]
    before = stored(database, world.a)
    headers = world.b.headers("admin")
    foreign = await twilio.client.get(f"{NUMBERS}/purchases/{theirs['id']}", headers=headers)
    random = await twilio.client.get(f"{NUMBERS}/purchases/{new_id()}", headers=headers)
    own = await twilio.client.get(f"{NUMBERS}/purchases/{ours['id']}", headers=headers)
    assert (foreign.status_code, foreign.content) == (random.status_code, random.content)
    assert (foreign.status_code, own.status_code) == (404, 200)

    # Giving back what another company has: like a number that nobody has, and Twilio is not even asked.
    for number_id, status in ((theirs["phone_number_id"], 404), (str(new_id()), 404), (ours["phone_number_id"], 200)):
        confirm = {"confirm": "+16025550137" if status == 404 else "+16025550138"}
        answer = await twilio.client.post(f"{NUMBERS}/{number_id}/release", json=confirm, headers=headers)
        assert answer.status_code == status, answer.text
    assert "+16025550137" in await twilio.at_twilio(twilio.a)
    # A job that names the other company's purchase finds none.
    handler = SettlePurchaseHandler(twilio.gateway, world.keyring)
    job = SettlePurchase(purchase_id=UUID(theirs["id"]))
    with pytest.raises(NotFoundError):
        await handler(JobContext(world.tenancy, world.b.company_id), job)
    await handler(JobContext(world.tenancy, world.a.company_id), job)
    assert stored(database, world.a) == before


async def test_lists_show_the_own_company_only(world: World, twilio: TwilioWorld) -> None:
    for company, account, others in ((world.a, twilio.a, twilio.b), (world.b, twilio.b, twilio.a)):
        headers = company.headers("admin")
        answers = [
            (await twilio.client.get(path, headers=headers)).text
            for path in (SETTINGS, NUMBERS, f"{SETTINGS}/phone-numbers", "/api/twilio/sync/status", "/api/audit-log")
        ]
        assert all(any(number in answer for answer in answers) for number in account.numbers)
        assert any(account.sid in answer for answer in answers)
        for answer in answers:
            assert others.sid not in answer
            assert not any(number in answer for number in others.numbers)
        # Asking in another company's name changes nothing.
        asked = await twilio.client.get(
            NUMBERS, params={"company_id": str(world.a.company_id)}, headers=headers | {"X-Company-Id": "x"}
        )
        assert {item["phone_number"] for item in asked.json()["items"]} == set(account.numbers)


async def test_a_cursor_belongs_to_its_company_and_filters(world: World, twilio: TwilioWorld) -> None:
    async def page(cursor: str | None, company: str = "a", **filters: object) -> httpx.Response:
        headers = (world.a if company == "a" else world.b).headers("read")
        params = {"limit": 1, **filters, **({"cursor": cursor} if cursor else {})}
        return await twilio.client.get(NUMBERS, params=params, headers=headers)

    cursor = (await page(None)).json()["next_cursor"]
    assert cursor is not None
    assert (await page(cursor)).status_code == 200
    for refused in (
        await page(cursor, "b"),
        await page(cursor, status="active"),
        await page("x" + cursor[1:]),
        await page(cursor[:-1] + ("0" if cursor[-1] != "0" else "1")),
        await page("garbage"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (422, "bad_cursor")
    for limit in (0, -1, 201, "x"):
        assert (await page(None, limit=limit)).status_code == 422


async def test_sender_choice_knows_no_foreign_number(world: World, twilio: TwilioWorld) -> None:
    theirs = await twilio.number(world.a, twilio.a.numbers[0])
    ours = await twilio.number(world.b, twilio.b.numbers[0])

    async def choose(number_id: Any = None, requested: str | None = None) -> PhoneNumber:
        async with world.tenancy.tenant(world.b.company_id) as session:
            return await queries.choose_sender(
                session,
                conversation_number_id=number_id,
                requested=requested,
                needs_mms=False,
                to_region=None,
            )

    refusals = []
    for requested in (twilio.a.numbers[0], "+12025550000"):
        with pytest.raises(UnknownSenderError) as refused:
            await choose(requested=requested)
        refusals.append((refused.value.code, refused.value.detail, refused.value.fields))
    assert refusals[0] == refusals[1]
    for number_id in (theirs["id"], new_id()):
        with pytest.raises(NotFoundError):
            await choose(number_id)
    assert str((await choose(ours["id"])).id) == ours["id"]
    assert (await choose(requested=twilio.b.numbers[0])).phone_number == twilio.b.numbers[0]


async def test_the_directory_is_closed_to_the_app_role(world: World, twilio: TwilioWorld) -> None:
    # Not even the own company's: a hash or a number there is nothing a tenant session needs.
    for column in (DirectoryNumber.phone_number, DirectoryNumber.account_sid, DirectoryConnection.path_hash):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with world.tenancy.tenant(world.b.company_id) as session:
                await session.scalars(select(column).where(column.class_.company_id == session.company_id))
    async with world.tenancy.tenant(world.b.company_id) as session:
        seen = await session.scalars(
            select(DirectoryNumber.phone_number_id).where(DirectoryNumber.company_id == session.company_id)
        )
        assert {str(item) for item in seen} == {item["id"] for item in await twilio.numbers(world.b)}


async def test_the_platform_role_sees_the_directory_and_nothing_more(world: World, twilio: TwilioWorld) -> None:
    for model in (TwilioSettings, PhoneNumber):
        async with world.tenancy.platform() as session:
            # Even with a company's context, which only a tenant session sets.
            context = text("SELECT set_config('ringfence.company_id', :company_id, true)")
            await session.execute(context, {"company_id": str(world.a.company_id)})
            with pytest.raises(ProgrammingError, match="permission denied"):
                await session.scalars(select(model.id))
            await session.rollback()
    everything = [*twilio.a.numbers, *twilio.b.numbers]
    async with world.tenancy.platform() as session:
        for company, account, expected in (
            (world.a, twilio.a, set[str]()),
            (world.b, twilio.a, set(twilio.a.numbers)),
            (world.b, twilio.b, set[str]()),
        ):
            found = await queries.held_by_others(
                session, company_id=company.company_id, account_sid=account.sid, phone_numbers=everything
            )
            assert found == expected


async def test_a_webhook_path_leads_to_one_company_and_ends_with_the_connection(
    world: World, twilio: TwilioWorld
) -> None:
    paths = {}
    for name, company in (("a", world.a), ("b", world.b)):
        answer = await twilio.client.get(SETTINGS, headers=company.headers("admin"))
        paths[name] = answer.json()["webhooks"]["inbound_url"].split("/")[-2]
    assert paths["a"] != paths["b"]

    async def company_of(path: str) -> object:
        async with world.tenancy.platform() as session:
            found = await settings_queries.find_connection(session, path)
            return found and found.company_id

    assert await company_of(paths["a"]) == world.a.company_id
    assert await company_of(paths["b"]) == world.b.company_id
    await twilio.client.delete(SETTINGS, headers=world.a.headers("admin"))
    assert await company_of(paths["a"]) is None
    assert await company_of(paths["b"]) == world.b.company_id


async def test_changes_of_one_company_leave_the_other_as_it_was(
    world: World, twilio: TwilioWorld, database: Database
) -> None:
    before = stored(database, world.b)
    headers = world.a.headers("admin")
    for number in await twilio.numbers(world.a):
        body = {"is_default": True, "rotation_priority": 5}
        answer = await twilio.client.patch(f"{NUMBERS}/{number['id']}", json=body, headers=headers)
        assert answer.status_code == 200
    await twilio.drop_number(twilio.a, twilio.a.numbers[0])
    await twilio.sync(world.a)
    await twilio.client.post(f"{SETTINGS}/verify", headers=headers)
    await twilio.client.delete(SETTINGS, headers=headers)
    assert all(row["released_at"] for row in stored(database, world.a)["phone_numbers"])
    assert stored(database, world.b) == before
