"""Invitations: one person, one company, one role, one use."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select, update

from ringfence.features.users.jobs import InvitationMailer
from ringfence.features.users.model import Invitation, User
from ringfence.features.users.values import AccountPolicy, MailInvitation
from ringfence.jobqueue.jobs import AbandonedJobError, JobContext
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from tests.factories.cluster import Database
from tests.factories.people import PASSWORD
from tests.factories.world import BASE_URL, World, policy
from tests.integration.people.test_api_keys import dump

NEW = {"email": "Nia@Elsewhere.example", "role": "manager"}


async def invite(world: World, **changes: str) -> tuple[str, dict[str, object]]:
    admin = await world.log_in(world.a.admin)
    answer = await admin.post("/api/invitations", json={**NEW, **changes})
    assert answer.status_code == 201, answer.text
    link = answer.json()["link"]
    assert link.startswith(f"{BASE_URL}/invite#")
    return link.partition("#")[2], answer.json()


def acceptance(token: str, **changes: str) -> dict[str, str]:
    return {"token": token, "name": "Nia", "password": PASSWORD, **changes}


async def count_users(world: World) -> int:
    total = 0
    for company in (world.a, world.b):
        async with world.tenancy.tenant(company.company_id) as session:
            query = select(func.count()).select_from(User).where(User.company_id == company.company_id)
            total += await session.scalar(query) or 0
    return total


async def test_accepting_makes_the_person_and_logs_them_in(
    world: World, client: httpx.AsyncClient, database: Database
) -> None:
    token, invitation = await invite(world)
    assert token not in await dump(database)

    accepted = await client.post("/api/auth/invitations/accept", json=acceptance(token))

    assert accepted.status_code == 201, accepted.text
    me = (await client.get("/api/auth/me")).json()
    assert (me["email"], me["role"], me["name"]) == ("Nia@elsewhere.example", "manager", "Nia")
    assert me["company"]["id"] == str(world.a.company_id)
    logged_in = await (await world.connect()).post(
        "/api/auth/login", json={"email": "nia@elsewhere.example", "password": PASSWORD}
    )
    assert logged_in.status_code == 200
    admin = await world.log_in(world.a.admin)
    listed = (await admin.get("/api/invitations")).json()["items"]
    assert [(item["id"], item["status"]) for item in listed] == [(invitation["id"], "accepted")]
    audit = (await admin.get("/api/audit-log", params={"action": "invitation.accepted"})).json()["items"]
    assert [(entry["actor_name"], entry["target_id"]) for entry in audit] == [("Nia", invitation["id"])]
    assert audit[0]["request_id"] == accepted.headers["x-request-id"]


async def test_link_works_once_even_for_two_at_once(world: World, client: httpx.AsyncClient) -> None:
    token, _ = await invite(world)
    before = await count_users(world)

    answers = await asyncio.gather(
        *(client.post("/api/auth/invitations/accept", json=acceptance(token)) for _ in range(4))
    )

    assert sorted(answer.status_code // 100 for answer in answers) == [2, 4, 4, 4]
    assert await count_users(world) == before + 1
    replayed = await client.post("/api/auth/invitations/accept", json=acceptance(token))
    assert (replayed.status_code, replayed.json()["code"]) == (422, "invitation_invalid")


async def test_revoked_expired_replaced_and_unknown_links_answer_the_same(
    world: World, client: httpx.AsyncClient
) -> None:
    admin = await world.log_in(world.a.admin)
    revoked, invitation = await invite(world, email="r@elsewhere.example")
    assert (await admin.delete(f"/api/invitations/{invitation['id']}")).status_code == 204
    replaced, _ = await invite(world, email="again@elsewhere.example")
    expired, _late = await invite(world, email="late@elsewhere.example")
    async with world.tenancy.tenant(world.a.company_id) as session:
        await session.execute(
            update(Invitation)
            .where(Invitation.company_id == world.a.company_id, Invitation.email_norm == "late@elsewhere.example")
            .values(expires_at=utc_now() - timedelta(seconds=1))
        )
    current, _ = await invite(world, email="again@elsewhere.example")

    bodies = set()
    for token in (revoked, replaced, expired, "unknown", ""):
        answer = await client.post("/api/auth/invitations/accept", json=acceptance(token))
        assert answer.status_code == 422, token
        bodies.add(answer.content)

    assert len(bodies) == 1
    statuses = {item["email"]: item["status"] for item in (await admin.get("/api/invitations")).json()["items"]}
    assert statuses["late@elsewhere.example"] == "expired"
    assert statuses["r@elsewhere.example"] == "revoked"
    assert (await client.post("/api/auth/invitations/accept", json=acceptance(current))).status_code == 201


async def test_link_of_a_suspended_company_does_not_work(world: World, client: httpx.AsyncClient) -> None:
    token, _ = await invite(world)
    root = await world.log_in(world.super_admin)
    path = f"/api/platform/companies/{world.a.company_id}"
    await root.patch(path, json={"status": "suspended"})
    refused = await client.post("/api/auth/invitations/accept", json=acceptance(token))
    assert (refused.status_code, refused.json()["code"]) == (422, "invitation_invalid")
    await root.patch(path, json={"status": "active"})
    assert (await client.post("/api/auth/invitations/accept", json=acceptance(token))).status_code == 201


async def test_email_that_somebody_has_is_refused_when_inviting_and_when_accepting(
    world: World, client: httpx.AsyncClient
) -> None:
    admin_of_a, admin_of_b = await world.log_in(world.a.admin), await world.log_in(world.b.admin)
    for taken in (world.a.agent.email, world.b.agent.email.upper(), world.super_admin.email):
        answer = await admin_of_a.post("/api/invitations", json={"email": taken, "role": "agent"})
        assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    links = [
        (await admin.post("/api/invitations", json=NEW)).json()["link"].partition("#")[2]
        for admin in (admin_of_a, admin_of_b)
    ]
    answers = await asyncio.gather(
        *(client.post("/api/auth/invitations/accept", json=acceptance(token)) for token in links)
    )

    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert next(answer for answer in answers if answer.is_error).json()["code"] == "email_taken"


@pytest.mark.parametrize(
    "password", ["", "short", "123456789", "x" * 201, "nia@elsewhere.example", "NIA@Elsewhere.Example "]
)
async def test_weak_password_is_refused_and_the_link_stays_good(
    world: World, client: httpx.AsyncClient, password: str
) -> None:
    token, _ = await invite(world)
    before = await count_users(world)

    answer = await client.post("/api/auth/invitations/accept", json=acceptance(token, password=password))

    assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")
    if password:
        assert password not in answer.text.replace("e-mail", "")
    assert await count_users(world) == before
    for good in ("x" * 10, "y" * 200):
        ok = await client.post("/api/auth/invitations/accept", json=acceptance(token, password=good))
        assert ok.status_code == (201 if good[0] == "x" else 422)


class Mailbox:
    """Keeps mails instead of sending them; the same face as a mail server's client."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str, str, str]] = []

    async def send(self, to: str, subject: str, text: str, html: str) -> None:
        self.mails.append((to, subject, text, html))


class TestMail:
    @pytest.fixture
    def account_policy(self) -> AccountPolicy:
        return policy(mails_invitations=True)

    async def run(self, world: World, invitation_id: object, mailbox: Mailbox, keyring: Keyring) -> None:
        job = MailInvitation(invitation_id=invitation_id)
        await InvitationMailer(mailbox, keyring)(JobContext(world.tenancy, world.a.company_id), job)

    async def test_link_is_sealed_until_mailed_and_then_gone(
        self, world: World, database: Database, client: httpx.AsyncClient
    ) -> None:
        admin = await world.log_in(world.a.admin)
        await admin.patch("/api/company", json={"name": "Cactus <b>&</b> Sons"})
        token, invitation = await invite(world)
        stored = await dump(database)
        assert token not in stored
        assert "users.mail_invitation" in stored, "a job waits"
        mailbox = Mailbox()

        await self.run(world, invitation["id"], mailbox, world.keyring)
        await self.run(world, invitation["id"], mailbox, world.keyring)

        assert len(mailbox.mails) == 1, "a job that runs twice mails once"
        to, subject, plain, html = mailbox.mails[0]
        assert to == "Nia@elsewhere.example"
        assert "Cactus <b>&</b> Sons" in subject
        assert f"{BASE_URL}/invite#{token}" in plain
        assert f"{BASE_URL}/invite#{token}" in html
        assert "<b>" not in html
        assert world.a.admin.name in plain
        async with world.tenancy.tenant(world.a.company_id) as session:
            row = await session.scalar(select(Invitation).where(Invitation.company_id == world.a.company_id))
        assert row is not None
        assert row.sealed_link is None
        assert row.mailed_at is not None
        assert (await client.post("/api/auth/invitations/accept", json=acceptance(token))).status_code == 201

    async def test_revoked_invitation_is_not_mailed(self, world: World) -> None:
        admin = await world.log_in(world.a.admin)
        _, revoked = await invite(world)
        _, kept = await invite(world, email="kept@elsewhere.example")
        await admin.delete(f"/api/invitations/{revoked['id']}")
        mailbox = Mailbox()

        for invitation in (revoked, kept):
            await self.run(world, invitation["id"], mailbox, world.keyring)

        assert [mail[0] for mail in mailbox.mails] == ["kept@elsewhere.example"]

    async def test_link_sealed_with_a_lost_key_is_given_up(self, world: World) -> None:
        _, invitation = await invite(world)
        mailbox = Mailbox()

        with pytest.raises(AbandonedJobError):
            await self.run(world, invitation["id"], mailbox, Keyring(["another-key-of-32-characters-or-more"]))

        assert mailbox.mails == []
        await self.run(world, invitation["id"], mailbox, world.keyring)
        assert len(mailbox.mails) == 1
