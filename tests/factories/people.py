"""Companies with people and keys, made by the real actions, for tests that go through the doors."""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from ringfence.features.audit_log.values import COMMAND_LINE
from ringfence.features.companies import actions as companies
from ringfence.features.users import actions as users
from ringfence.features.users.model import KEY_SCOPES
from ringfence.features.users.values import PasswordHasher
from ringfence.tenancy.sessions import Tenancy

Scope = Literal["read", "send", "manage", "admin"]
Role = Literal["company_admin", "manager", "agent"]

PASSWORD = "correct horse battery"


def cheap_hasher() -> PasswordHasher:
    """The smallest parameters Argon2 takes: tests make many people."""
    return PasswordHasher(time_cost=1, memory_kib=8, parallelism=1)


@dataclass(frozen=True)
class Person:
    id: UUID
    email: str
    name: str
    role: str
    password: str = PASSWORD


@dataclass(frozen=True)
class CompanyWithPeople:
    """`keys` by scope; `headers(scope)` is what a request with that key carries."""

    company_id: UUID
    name: str
    admin: Person
    manager: Person
    agent: Person
    keys: dict[str, str] = field(repr=False)
    key_ids: dict[str, UUID]

    def headers(self, scope: Scope = "admin") -> dict[str, str]:
        return bearer(self.keys[scope])

    @property
    def people(self) -> tuple[Person, Person, Person]:
        return (self.admin, self.manager, self.agent)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def make_company(tenancy: Tenancy, name: str, password_hash: str) -> CompanyWithPeople:
    """A company with one person of each role and one key of each scope."""
    async with tenancy.platform() as platform:
        company = await companies.create_company(platform, name=name, time_zone="America/Phoenix")
    domain = f"{name.lower().replace(' ', '-')}.example"
    people: dict[str, Person] = {}
    keys: dict[str, str] = {}
    key_ids: dict[str, UUID] = {}
    async with tenancy.tenant(company.id) as session:
        await companies.open_company(session, actor=COMMAND_LINE)
        for role, first_name in (("company_admin", "Ana"), ("manager", "Mo"), ("agent", "Ari")):
            user = await users.create_user(
                session,
                actor=COMMAND_LINE,
                email=f"{first_name.lower()}@{domain}",
                name=f"{first_name} of {name}",
                role=role,
                password_hash=password_hash,
            )
            people[role] = Person(user.id, user.email, user.name, user.role)
        for scope in KEY_SCOPES:
            row, key = await users.create_api_key(session, actor=COMMAND_LINE, name=f"{scope} key", scope=scope)
            keys[scope], key_ids[scope] = key, row.id
    return CompanyWithPeople(
        company.id, name, people["company_admin"], people["manager"], people["agent"], keys, key_ids
    )


async def make_super_admin(tenancy: Tenancy, password_hash: str) -> Person:
    async with tenancy.platform() as platform:
        user = await users.create_platform_user(
            platform, email="root@platform.example", name="Root", password_hash=password_hash
        )
    return Person(user.id, user.email, user.name, "super_admin")
