"""The application with two companies in it: what most tests through the HTTP door stand on."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
from fastapi import FastAPI

from ringfence.features.users.routes.authenticator import CSRF_HEADER
from ringfence.features.users.values import AccountPolicy, PasswordHasher
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import Tenancy
from tests.factories.people import (
    PASSWORD,
    CompanyWithPeople,
    Person,
    make_company,
    make_super_admin,
)

BASE_URL = "http://ringfence.test"
SECRET_KEY = "tests-secret-key-of-32-characters-or-more"


def policy(**changes: object) -> AccountPolicy:
    """The settings of the users room, with changes."""
    return AccountPolicy(
        **{
            "public_url": BASE_URL,
            "cookie_secure": False,
            "session_lifetime": timedelta(hours=24),
            "invitation_lifetime": timedelta(days=7),
            "mails_invitations": False,
            **changes,
        }
    )


@dataclass
class World:
    """Two companies that must never see each other, a super admin, and ways to call the application.

    `client` has no credential: pass `headers=world.a.headers("send")`. `log_in` answers a client with the cookie and
    the CSRF header of a person.
    """

    app: FastAPI
    tenancy: Tenancy
    keyring: Keyring
    a: CompanyWithPeople
    b: CompanyWithPeople
    super_admin: Person
    clients: AsyncExitStack = field(repr=False)

    async def connect(self, *, address: str = "127.0.0.1") -> httpx.AsyncClient:
        """A client without credentials that comes from an address."""
        transport = httpx.ASGITransport(self.app, client=(address, 50000))
        return await self.clients.enter_async_context(httpx.AsyncClient(transport=transport, base_url=BASE_URL))

    async def log_in(self, person: Person, *, address: str = "127.0.0.1") -> httpx.AsyncClient:
        """A client logged in as a person."""
        client = await self.connect(address=address)
        answer = await client.post("/api/auth/login", json={"email": person.email, "password": person.password})
        assert answer.status_code == 200, answer.text
        client.headers[CSRF_HEADER] = answer.json()["csrf_token"]
        return client


async def make_world(
    app: FastAPI, tenancy: Tenancy, keyring: Keyring, hasher: PasswordHasher, clients: AsyncExitStack
) -> World:
    password_hash = await hasher.hash(PASSWORD)
    a = await make_company(tenancy, "Cactus Plumbing", password_hash)
    b = await make_company(tenancy, "Birch Dental", password_hash)
    super_admin = await make_super_admin(tenancy, password_hash)
    return World(app, tenancy, keyring, a, b, super_admin, clients)
