"""New passwords by link: who gets one, who cannot tell, how often, and that each link works once."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
import time_machine

from ringfence.features.users.jobs import PasswordResetMailer
from ringfence.features.users.routes import resets
from ringfence.features.users.values import RESET_LIFETIME, AccountPolicy, MailPasswordReset
from ringfence.jobqueue.jobs import AbandonedJobError, JobContext
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.keyring import Keyring
from tests.factories.cluster import Database
from tests.factories.people import PASSWORD, Person
from tests.factories.world import BASE_URL, World, policy
from tests.integration.jobs.jobs_world import stored_jobs
from tests.integration.people.test_api_keys import dump

NEW_PASSWORD = "another horse battery"


class Postbox:
    """Keeps the mails that a job hands over."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str, str, str]] = []

    async def send(self, to: str, subject: str, text: str, html: str) -> None:
        self.mails.append((to, subject, text, html))

    @property
    def tokens(self) -> list[str]:
        return [text.partition(f"{BASE_URL}/reset#")[2].split()[0] for _, _, text, _ in self.mails]


@pytest.fixture
def account_policy() -> AccountPolicy:
    return policy(mails_invitations=True)


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


async def ask(client: httpx.AsyncClient, email: str) -> httpx.Response:
    return await client.post("/api/auth/password-reset", json={"email": email})


async def do_jobs(world: World, database: Database, postbox: Postbox, keyring: Keyring) -> None:
    """What a worker would do with the mails that are waiting; twice, as a worker that died would."""
    mailer = PasswordResetMailer(postbox, keyring)
    for job in await stored_jobs(database):
        if job["task_name"] == MailPasswordReset.kind:
            for company in (world.a, world.b):
                if str(company.company_id) == job["args"]["company_id"]:
                    context = JobContext(world.tenancy, company.company_id)
                    for _ in range(2):
                        await mailer(context, MailPasswordReset(reset_id=job["args"]["fields"]["reset_id"]))


async def confirm(client: httpx.AsyncClient, token: str, password: str = NEW_PASSWORD) -> httpx.Response:
    return await client.post("/api/auth/password-reset/confirm", json={"token": token, "password": password})


async def log_in(world: World, person: Person, password: str) -> int:
    client = await world.connect()
    return (await client.post("/api/auth/login", json={"email": person.email, "password": password})).status_code


async def test_forgotten_password_is_replaced_and_everybody_is_logged_out(
    world: World, client: httpx.AsyncClient, database: Database, postbox: Postbox, keyring: Keyring
) -> None:
    person = world.a.agent
    before = [await world.log_in(person), await world.log_in(person)]
    colleague = await world.log_in(world.a.manager)

    assert (await ask(client, f" {person.email.upper()} ")).status_code == 202
    await do_jobs(world, database, postbox, keyring)
    [(to, subject, text, html)] = postbox.mails
    [token] = postbox.tokens
    assert (to, subject) == (person.email, f"A new password for {world.a.name}")
    assert token in html
    assert "Somebody asked for a new password" in text
    assert token not in await dump(database)

    assert (await confirm(client, token)).status_code == 204

    for session in before:
        assert (await session.get("/api/auth/me")).status_code == 401
    assert (await colleague.get("/api/auth/me")).status_code == 200
    assert await log_in(world, person, PASSWORD) == 401
    assert await log_in(world, person, NEW_PASSWORD) == 200
    headers = world.a.headers("admin")
    log = (await client.get("/api/audit-log", params={"target_id": str(person.id)}, headers=headers)).json()["items"]
    assert [(item["action"], item["actor_kind"]) for item in log[:2]] == [
        ("user.password_reset", "user"),
        ("user.password_reset_sent", "system"),
    ]


async def test_answer_is_the_same_for_any_email(world: World, client: httpx.AsyncClient, database: Database) -> None:
    answers = [
        await ask(client, email)
        for email in (world.a.agent.email, "nobody@elsewhere.example", world.super_admin.email, "no address")
    ]
    seen = {
        (answer.status_code, answer.content, tuple(sorted({**answer.headers, "x-request-id": ""}.items())))
        for answer in answers
    }
    assert len(seen) == 1
    assert answers[0].status_code == 202
    assert min(answer.elapsed.total_seconds() for answer in answers) >= resets.ANSWER_SECONDS
    jobs = [job for job in await stored_jobs(database) if job["task_name"] == MailPasswordReset.kind]
    assert [job["args"]["company_id"] for job in jobs] == [str(world.a.company_id)]


async def test_link_works_once_even_for_two_at_once(
    world: World, client: httpx.AsyncClient, database: Database, postbox: Postbox, keyring: Keyring
) -> None:
    for _ in range(2):
        await ask(client, world.a.agent.email)
    await do_jobs(world, database, postbox, keyring)
    first, second = postbox.tokens

    answers = await asyncio.gather(*(confirm(client, first, f"{NEW_PASSWORD} {n}") for n in range(3)))

    assert sorted(answer.status_code for answer in answers) == [204, 422, 422]
    refused = [await confirm(client, token) for token in (first, second, "unknown")]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(422, "reset_invalid")}
    assert len({answer.content for answer in refused}) == 1
    works = [await log_in(world, world.a.agent, f"{NEW_PASSWORD} {n}") for n in range(3)]
    assert sorted(works) == [200, 401, 401]


async def test_expired_link_and_weak_password_change_nothing(
    world: World, client: httpx.AsyncClient, database: Database, postbox: Postbox, keyring: Keyring
) -> None:
    await ask(client, world.a.agent.email)
    await do_jobs(world, database, postbox, keyring)
    [token] = postbox.tokens
    weak = [await confirm(client, token, password) for password in ("short", world.a.agent.email, "x" * 201)]
    assert {answer.json()["code"] for answer in weak} == {"weak_password"}

    with time_machine.travel(utc_now() + RESET_LIFETIME + timedelta(seconds=1), tick=True):
        assert (await confirm(client, token)).json()["code"] == "reset_invalid"
    assert await log_in(world, world.a.agent, PASSWORD) == 200
    assert (await confirm(client, token)).status_code == 204


async def test_suspended_people_and_companies_get_no_link_and_cannot_use_one(
    world: World, client: httpx.AsyncClient, database: Database, postbox: Postbox, keyring: Keyring
) -> None:
    for company in (world.a, world.b):
        await ask(client, company.agent.email)
    await do_jobs(world, database, postbox, keyring)
    of_a, of_b = postbox.tokens
    root = await world.log_in(world.super_admin)
    admin = await world.log_in(world.a.admin)
    await root.patch(f"/api/platform/companies/{world.b.company_id}", json={"status": "suspended"})
    await admin.patch(f"/api/users/{world.a.agent.id}", json={"status": "suspended"})

    for token in (of_a, of_b):
        assert (await confirm(client, token)).json()["code"] == "reset_invalid"
    for person in (world.a.agent, world.b.agent):
        assert (await ask(client, person.email)).status_code == 202
    assert (await admin.post(f"/api/users/{world.a.agent.id}/password-reset")).json()["code"] == "suspended"
    assert len([job for job in await stored_jobs(database) if job["task_name"] == MailPasswordReset.kind]) == 2

    await admin.patch(f"/api/users/{world.a.agent.id}", json={"status": "active"})
    assert (await confirm(client, of_a)).status_code == 204


async def test_mails_to_one_email_and_requests_from_one_address_are_bounded(world: World, database: Database) -> None:
    async def jobs() -> int:
        return len([job for job in await stored_jobs(database) if job["task_name"] == MailPasswordReset.kind])

    for number in range(5):
        client = await world.connect(address=f"10.0.0.{number}")
        assert (await ask(client, world.a.agent.email)).status_code == 202
    assert await jobs() == 3

    one = await world.connect(address="10.0.1.1")
    answers = await asyncio.gather(*(ask(one, f"{number}@elsewhere.example") for number in range(12)))
    assert sorted(answer.status_code for answer in answers) == [202] * 10 + [429] * 2
    refused = await ask(one, world.b.agent.email)
    assert refused.json()["code"] == "too_many_requests"
    assert 0 < int(refused.headers["retry-after"]) <= 15 * 60
    with time_machine.travel(utc_now() + timedelta(minutes=16), tick=True):
        assert (await ask(one, world.a.agent.email)).status_code == 202
    assert await jobs() == 4


async def test_admin_sends_a_link_but_does_not_see_it(
    world: World, client: httpx.AsyncClient, database: Database, postbox: Postbox, keyring: Keyring
) -> None:
    admin = await world.log_in(world.a.admin)
    answer = await admin.post(f"/api/users/{world.a.manager.id}/password-reset")
    assert (answer.status_code, answer.json()["mailed"], answer.json()["link"]) == (201, True, None)
    foreign = [await admin.post(f"/api/users/{item}/password-reset") for item in (world.b.agent.id, new_id())]
    assert foreign[0].status_code == 404
    assert foreign[0].content == foreign[1].content
    await do_jobs(world, database, postbox, keyring)
    assert "An administrator sends a new password" in postbox.mails[0][2]
    assert [mail[0] for mail in postbox.mails] == [world.a.manager.email]
    assert (await confirm(client, postbox.tokens[0])).status_code == 204


async def test_mail_for_a_lost_key_is_abandoned(
    world: World, client: httpx.AsyncClient, database: Database, postbox: Postbox, keyring: Keyring
) -> None:
    await ask(client, world.a.agent.email)
    with pytest.raises(AbandonedJobError, match="no key"):
        await do_jobs(world, database, postbox, Keyring(["another-key-of-32-characters-or-more"]))
    assert postbox.mails == []
    await do_jobs(world, database, postbox, keyring)
    assert len(postbox.mails) == 1


class TestWithoutMail:
    @pytest.fixture
    def account_policy(self) -> Iterator[AccountPolicy]:
        return policy(mails_invitations=False)

    async def test_asking_is_refused_alike_and_the_admin_sees_the_link_once(
        self, world: World, client: httpx.AsyncClient, database: Database
    ) -> None:
        refused = [await ask(client, email) for email in (world.a.agent.email, "nobody@elsewhere.example")]
        assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(409, "no_mail")}
        assert len({answer.content for answer in refused}) == 1

        admin = await world.log_in(world.a.admin)
        answer = await admin.post(f"/api/users/{world.a.agent.id}/password-reset")

        token = answer.json()["link"].partition("#")[2]
        assert token not in await dump(database)
        assert (await confirm(client, token)).status_code == 204
        assert await log_in(world, world.a.agent, NEW_PASSWORD) == 200


async def test_pages_of_the_link_are_served(client: httpx.AsyncClient) -> None:
    page = await client.get("/reset")
    assert page.headers["content-type"].startswith("text/html")
    for source in ("/reset/reset.js", "/invite/invite.css"):
        assert source in page.text
        assert (await client.get(source)).status_code == 200
