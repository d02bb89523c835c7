"""Fills the demo: people and keys by the rooms' own actions, Twilio and contacts through the API, and some history."""

import secrets
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import aiohttp

from ringfence.cli.demo_data import COMPANIES, Customer, DemoCompany, Said
from ringfence.db.engine import create_engine
from ringfence.errors import ConfigurationError
from ringfence.features.audit_log.values import COMMAND_LINE
from ringfence.features.companies import actions as companies
from ringfence.features.messages.actions import history
from ringfence.features.users.actions import api_keys, people
from ringfence.features.users.values import PasswordHasher
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import Tenancy

CALL_SECONDS = 30


@dataclass(slots=True)
class SeededCompany:
    """A company of the demo as `state.json` keeps it."""

    name: str
    account_sid: str
    auth_token: str = field(repr=False)
    numbers: list[tuple[str, str]]
    id: str = ""
    api_key: str = field(default="", repr=False)
    users: list[dict[str, str]] = field(default_factory=list[dict[str, str]], repr=False)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """From the state file."""
        return cls(**values)

    def as_json(self) -> dict[str, Any]:
        """For the state file."""
        return asdict(self)


def fresh_companies() -> list[SeededCompany]:
    """The companies before their first start: new accounts, nothing stored yet."""
    return [
        SeededCompany(
            name=company.name,
            account_sid=f"AC{secrets.token_hex(16)}",
            auth_token=secrets.token_hex(16),
            numbers=list(company.numbers),
        )
        for company in COMPANIES
    ]


class Seeder:
    """Fills a running server."""

    def __init__(self, base_url: str, app_url: str, platform_url: str) -> None:
        self._base_url = base_url
        self._tenancy = Tenancy(
            create_engine(app_url, pool_size=2, application_name="ringfence-demo"),
            create_engine(platform_url, pool_size=2, application_name="ringfence-demo"),
        )
        self._hasher = PasswordHasher()

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_SECONDS))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()
        await self._tenancy.close()

    @staticmethod
    async def is_ready(base_url: str) -> bool:
        """Whether the server says that database, migrations and dispatcher are there."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http,
                http.get(f"{base_url}/readyz") as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def seed(self, seeded: list[SeededCompany]) -> dict[str, str]:
        """Make everything that both companies start with; returns the super admin's log-in."""
        for company, facts in zip(COMPANIES, seeded, strict=True):
            await self._people(company, facts)
            await self._call(
                facts,
                "/api/twilio-settings",
                {"account_sid": facts.account_sid, "auth_token": facts.auth_token, "set_webhooks": True},
            )
            for customer in company.customers:
                if customer.first_name:
                    await self._call(
                        facts,
                        "/api/contacts",
                        {
                            "first_name": customer.first_name,
                            "last_name": customer.last_name,
                            "phone_number": customer.phone_number,
                        },
                    )
            await self._history(company, UUID(facts.id))
        login = {"email": "owner@ringfence.example", "password": secrets.token_urlsafe(9)}
        async with self._tenancy.platform() as session:
            await people.create_platform_user(
                session,
                email=login["email"],
                name="Platform owner",
                password_hash=await self._hasher.hash(login["password"]),
            )
        return login

    async def point_webhooks(self, seeded: list[SeededCompany]) -> None:
        """Point the numbers' webhooks here: the emulator forgets them with its process."""
        for facts in seeded:
            await self._call(facts, "/api/twilio-settings/webhooks", {})

    async def _people(self, company: DemoCompany, facts: SeededCompany) -> None:
        async with self._tenancy.platform() as session:
            row = await companies.create_company(session, name=company.name, time_zone=company.time_zone)
        facts.id = str(row.id)
        async with self._tenancy.tenant(row.id) as session:
            await companies.open_company(session, actor=COMMAND_LINE)
            for name, role in company.people:
                login = {
                    "email": f"{name.split()[0].lower()}@{company.slug}.example",
                    "password": secrets.token_urlsafe(9),
                    "role": role,
                }
                await people.create_user(
                    session,
                    actor=COMMAND_LINE,
                    email=login["email"],
                    name=name,
                    role=role,
                    password_hash=await self._hasher.hash(login["password"]),
                )
                facts.users.append(login)
            _, facts.api_key = await api_keys.create_api_key(session, actor=COMMAND_LINE, name="Demo", scope="admin")

    async def _history(self, company: DemoCompany, company_id: UUID) -> None:
        now = utc_now()
        async with self._tenancy.tenant(company_id) as session:
            for position, customer in enumerate(company.customers):
                our_number = company.numbers[position % len(company.numbers)][0]
                await history.record_past(session, [_past(customer, our_number, said, now) for said in customer.thread])

    async def _call(self, facts: SeededCompany, path: str, body: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {facts.api_key}"}
        async with self._http.post(f"{self._base_url}{path}", json=body, headers=headers) as answer:
            if answer.status >= 400:
                told = await answer.json()
                raise ConfigurationError(f"Seeding {facts.name} failed at {path}: {told.get('detail', answer.status)}")


def _past(customer: Customer, our_number: str, said: Said, now: datetime) -> history.PastText:
    return history.PastText(
        outbound=said.who == "us",
        our_number=our_number,
        outside_number=customer.phone_number,
        body=said.body,
        at=now - timedelta(minutes=said.minutes_ago),
    )
