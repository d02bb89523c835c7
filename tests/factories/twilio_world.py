"""Two companies with a Twilio account each, at a running emulator, connected through the HTTP door.

A test module (or conftest) defines its fixtures from these:

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
            yield twilio
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from ringfence.emulator import AccountSeed, Emulator, NumberSeed
from ringfence.features.phone_numbers.jobs import SyncHandler
from ringfence.features.phone_numbers.values import SyncPhoneNumbers
from ringfence.jobqueue.jobs import JobContext
from ringfence.providers.twilio.gateway import TwilioGateway
from tests.factories.cluster import Database
from tests.factories.people import CompanyWithPeople
from tests.factories.world import BASE_URL, World


@dataclass(frozen=True)
class TestAccount:
    """An account at the emulator, as its owner knows it."""

    __test__ = False

    sid: str
    auth_token: str = field(repr=False)
    numbers: tuple[str, ...]

    @property
    def credentials(self) -> dict[str, str]:
        return {"account_sid": self.sid, "auth_token": self.auth_token}


A = TestAccount("AC" + "a1" * 16, "aa11" * 8, ("+16025550101", "+16025550102", "+18335550103"))
B = TestAccount("AC" + "b2" * 16, "bb22" * 8, ("+14155550201", "+442079460202"))


def seed_of(account: TestAccount, name: str) -> AccountSeed:
    return AccountSeed(
        friendly_name=name,
        account_sid=account.sid,
        auth_token=account.auth_token,
        numbers=[NumberSeed(phone_number=number) for number in account.numbers],
    )


@asynccontextmanager
async def running_emulator(more: Sequence[AccountSeed] = ()) -> AsyncIterator[Emulator]:
    """An emulator with the accounts A and B, and more if given."""
    emulator = Emulator([seed_of(A, "Cactus at Twilio"), seed_of(B, "Birch at Twilio"), *more])
    await emulator.start()
    try:
        yield emulator
    finally:
        await emulator.stop()


def gateway_to(emulator: Emulator) -> TwilioGateway:
    return TwilioGateway(api_url=emulator.base_url, public_url=BASE_URL, timeout_seconds=5)


@dataclass
class TwilioWorld:
    """`a` and `b` are the accounts; `control` talks to the emulator's control interface."""

    world: World
    client: httpx.AsyncClient
    gateway: TwilioGateway
    control: httpx.AsyncClient
    a: TestAccount = A
    b: TestAccount = B

    async def connect(self, company: CompanyWithPeople, account: TestAccount, **more: object) -> httpx.Response:
        """POST /api/twilio-settings as the company's admin."""
        return await self.client.post(
            "/api/twilio-settings", json=account.credentials | more, headers=company.headers("admin")
        )

    async def connect_both(self) -> None:
        """Company a with account A, company b with account B, webhooks pointing here."""
        for company, account in ((self.world.a, self.a), (self.world.b, self.b)):
            answer = await self.connect(company, account, set_webhooks=True)
            assert answer.status_code == 201, answer.text

    async def numbers(self, company: CompanyWithPeople, **filters: object) -> list[dict[str, Any]]:
        """The company's numbers (up to 200), by number."""
        answer = await self.client.get(
            "/api/sms/phone-numbers", params={"limit": 200, **filters}, headers=company.headers("read")
        )
        assert answer.status_code == 200, answer.text
        return sorted(answer.json()["items"], key=lambda item: item["phone_number"])

    async def number(self, company: CompanyWithPeople, phone_number: str) -> dict[str, Any]:
        """One of the company's numbers."""
        return next(item for item in await self.numbers(company) if item["phone_number"] == phone_number)

    async def sync(self, company: CompanyWithPeople) -> None:
        """What the worker does with the company's sync job."""
        handler = SyncHandler(self.gateway, self.world.keyring)
        await handler(JobContext(self.world.tenancy, company.company_id), SyncPhoneNumbers())

    async def at_twilio(self, account: TestAccount) -> dict[str, dict[str, Any]]:
        """The account's numbers at the emulator, by number."""
        accounts = (await self.control.get("/emulator/accounts")).json()["accounts"]
        found = next(item for item in accounts if item["sid"] == account.sid)
        return {item["phone_number"]: item for item in found["numbers"]}

    async def add_number(self, account: TestAccount, phone_number: str, **more: object) -> None:
        """A number bought at Twilio, behind our back."""
        answer = await self.control.post(
            f"/emulator/accounts/{account.sid}/numbers", json={"phone_number": phone_number, **more}
        )
        assert answer.status_code == 201, answer.text

    async def drop_number(self, account: TestAccount, phone_number: str) -> None:
        """A number given back to Twilio, behind our back."""
        sid = (await self.at_twilio(account))[phone_number]["sid"]
        answer = await self.control.delete(
            f"/2010-04-01/Accounts/{account.sid}/IncomingPhoneNumbers/{sid}.json",
            auth=(account.sid, account.auth_token),
        )
        assert answer.status_code == 204, answer.text

    async def set_account(self, account: TestAccount, **changes: str) -> None:
        """Change an account's token or status at Twilio."""
        answer = await self.control.patch(f"/emulator/accounts/{account.sid}", json=changes)
        assert answer.status_code == 200, answer.text


@asynccontextmanager
async def twilio_world(world: World, client: httpx.AsyncClient, emulator: Emulator) -> AsyncIterator[TwilioWorld]:
    async with httpx.AsyncClient(base_url=emulator.base_url) as control:
        yield TwilioWorld(world, client, gateway_to(emulator), control)


TABLES = ("twilio_settings", "directory_connections", "phone_numbers", "directory_numbers", "number_purchases")


def stored(database: Database, company: CompanyWithPeople) -> dict[str, list[dict[str, Any]]]:
    """Every stored column of a company's connection and numbers, as the administrator sees them."""
    with psycopg.connect(database.admin_url, row_factory=dict_row) as connection:
        return {
            table: connection.execute(
                f"SELECT * FROM {table} t WHERE company_id = %s ORDER BY t::text", [company.company_id]
            ).fetchall()
            for table in TABLES
        }
