"""Log-in, sessions, CSRF and suspension through the HTTP door."""

import asyncio
import json
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from ringfence.features.users.model import (
    DirectorySession,
    LoginFailure,
    PlatformUserSession,
    UserSession,
)
from ringfence.features.users.routes.authenticator import CSRF_COOKIE, CSRF_HEADER, SESSION_COOKIE
from ringfence.features.users.values import PasswordHasher
from ringfence.kit.clock import utc_now
from ringfence.kit.secret import token_hash
from tests.factories.people import PASSWORD, bearer
from tests.factories.world import World, policy

WRONG = "not the password"


def credentials(email: str, password: str = PASSWORD) -> dict[str, str]:
    return {"email": email, "password": password}


def without_request_id(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    headers = sorted((name, value) for name, value in answer.headers.items() if name != "x-request-id")
    return answer.status_code, answer.content, headers


async def test_everybody_logs_in_as_who_they_are(world: World) -> None:
    for company in (world.a, world.b):
        for person in company.people:
            me = (await (await world.log_in(person)).get("/api/auth/me")).json()

            assert (me["kind"], me["id"], me["role"]) == ("user", str(person.id), person.role)
            assert me["company"] == {"id": str(company.company_id), "name": company.name}
    me = (await (await world.log_in(world.super_admin)).get("/api/auth/me")).json()
    assert (me["kind"], me["id"], me["company"]) == ("platform_user", str(world.super_admin.id), None)


async def test_keys_say_who_they_are(world: World, client: httpx.AsyncClient) -> None:
    me = (await client.get("/api/auth/me", headers=world.b.headers("send"))).json()

    assert (me["kind"], me["id"], me["level"]) == ("api_key", str(world.b.key_ids["send"]), "send")
    assert me["company"]["id"] == str(world.b.company_id)
    assert me["csrf_token"] is None


async def test_email_is_compared_without_case_and_spaces(world: World, client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/auth/login", json=credentials(f"  {world.a.agent.email.upper()} "))

    assert answer.status_code == 200


async def test_cookie_is_hidden_from_scripts_and_stored_as_hash_only(world: World, client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/auth/login", json=credentials(world.a.agent.email))

    cookies = {line.split("=")[0]: line for line in answer.headers.get_list("set-cookie")}
    session, csrf = cookies[SESSION_COOKIE], cookies[CSRF_COOKIE]
    assert all(part in session for part in ("HttpOnly", "SameSite=lax", "Path=/"))
    assert "Secure" not in session
    assert "HttpOnly" not in csrf
    assert "SameSite=lax" in csrf
    token = answer.cookies[SESSION_COOKIE]
    assert len(token) >= 43
    assert token not in answer.text
    async with world.tenancy.platform() as platform:
        stored = (await platform.scalars(select(DirectorySession.token_hash))).all()
    assert stored == [token_hash(token)]


class TestHTTPS:
    @pytest.fixture
    def account_policy(self):
        return policy(cookie_secure=True, public_url="https://text.example.com")

    async def test_cookies_are_for_https_where_public_url_is(self, world: World, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/auth/login", json=credentials(world.a.agent.email))

        lines = answer.headers.get_list("set-cookie")
        assert len(lines) == 2
        assert all("Secure" in line for line in lines)


async def test_unknown_email_and_wrong_password_answer_the_same(world: World, client: httpx.AsyncClient) -> None:
    answers = [
        await client.post("/api/auth/login", json=credentials(email, WRONG))
        for email in (
            world.a.agent.email,
            world.b.admin.email,
            world.super_admin.email,
            "nobody@cactus-plumbing.example",
            "no address at all",
            "",
        )
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert len({repr(without_request_id(answer)) for answer in answers}) == 1
    right = await client.post("/api/auth/login", json=credentials(world.a.agent.email))
    assert right.status_code == 200


class CountingHasher(PasswordHasher):
    """The real hasher, with a count of how often it worked."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_kib=8, parallelism=1)
        self.verified = 0

    async def verify(self, password_hash: str | None, password: str) -> bool:
        self.verified += 1
        return await super().verify(password_hash, password)


class TestConstantWork:
    @pytest.fixture
    def hasher(self) -> CountingHasher:
        return CountingHasher()

    async def test_unknown_email_costs_one_hash_too(
        self, world: World, client: httpx.AsyncClient, hasher: CountingHasher
    ) -> None:
        # The world's application was built with this hasher; its type says so to nobody but this test.
        world.app.state.services[PasswordHasher] = hasher
        for email in (world.a.agent.email, "nobody@cactus-plumbing.example"):
            before = hasher.verified
            assert (await client.post("/api/auth/login", json=credentials(email, WRONG))).status_code == 401
            assert hasher.verified == before + 1


async def test_eleventh_failure_waits_for_this_email_from_this_address_only(world: World) -> None:
    here, elsewhere = await world.connect(address="10.0.0.1"), await world.connect(address="10.0.0.2")
    email, other = world.a.agent.email, world.a.manager.email
    for _ in range(10):
        assert (await here.post("/api/auth/login", json=credentials(email, WRONG))).status_code == 401

    refused = await here.post("/api/auth/login", json=credentials(email))

    assert refused.status_code == 429
    assert refused.json()["code"] == "too_many_failures"
    assert 0 < refused.json()["retry_after_seconds"] <= 900
    assert refused.headers["retry-after"] == str(refused.json()["retry_after_seconds"])
    assert (await here.post("/api/auth/login", json=credentials(other))).status_code == 200
    assert (await elsewhere.post("/api/auth/login", json=credentials(email))).status_code == 200
    async with world.tenancy.platform() as platform:
        await platform.execute(
            update(LoginFailure).values(failed_at=LoginFailure.failed_at - timedelta(minutes=15, seconds=1))
        )
    assert (await here.post("/api/auth/login", json=credentials(email))).status_code == 200


async def test_lock_out_is_the_same_for_an_email_nobody_has(world: World) -> None:
    client = await world.connect(address="10.0.0.3")
    statuses: dict[str, list[int]] = {}
    for email in (world.a.agent.email, "nobody@nowhere.example"):
        answers = [await client.post("/api/auth/login", json=credentials(email, WRONG)) for _ in range(12)]
        statuses[email] = [answer.status_code for answer in answers]

    assert statuses[world.a.agent.email] == statuses["nobody@nowhere.example"] == [401] * 10 + [429] * 2


async def test_attempts_sent_at_once_do_not_slip_past_the_limit(world: World) -> None:
    client = await world.connect(address="10.0.0.4")
    tries = [client.post("/api/auth/login", json=credentials(world.a.agent.email, WRONG)) for _ in range(25)]
    statuses = [answer.status_code for answer in await asyncio.gather(*tries)]

    assert sorted(statuses) == [401] * 10 + [429] * 15


async def test_right_password_clears_the_count(world: World, client: httpx.AsyncClient) -> None:
    email = world.a.agent.email
    for _ in range(2):
        for _ in range(9):
            assert (await client.post("/api/auth/login", json=credentials(email, WRONG))).status_code == 401
        assert (await client.post("/api/auth/login", json=credentials(email))).status_code == 200

    async with world.tenancy.platform() as platform:
        assert (await platform.scalars(select(LoginFailure))).all() == []


async def test_log_out_ends_this_session_only(world: World) -> None:
    for person in (world.a.agent, world.super_admin):
        first, second = await world.log_in(person), await world.log_in(person)
        cookie = first.cookies[SESSION_COOKIE]

        answer = await first.post("/api/auth/logout")

        assert answer.status_code == 204
        assert first.cookies.get(SESSION_COOKIE) is None
        replayed = await world.connect()
        replayed.cookies.set(SESSION_COOKIE, cookie)
        assert (await replayed.get("/api/auth/me")).status_code == 401
        assert (await second.get("/api/auth/me")).status_code == 200


async def test_key_has_no_session_to_end(world: World, client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/auth/logout", headers=world.a.headers())

    assert (answer.status_code, answer.json()["code"]) == (403, "no_session")
    assert (await client.get("/api/auth/me", headers=world.a.headers())).status_code == 200


async def test_unsafe_request_with_cookie_needs_its_own_csrf_token(world: World) -> None:
    admin, manager = await world.log_in(world.a.admin), await world.log_in(world.a.manager)
    right = admin.headers.pop(CSRF_HEADER)
    wrong = [None, "", "0" * 64, "é", manager.headers[CSRF_HEADER], right[:-1]]
    for token in wrong:
        headers = {} if token is None else {CSRF_HEADER: token.encode("latin-1")}
        answer = await admin.patch("/api/company", json={"name": "Taken over"}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf"), token
        assert (await admin.post("/api/auth/logout", headers=headers)).status_code == 403

    assert (await admin.get("/api/company")).json()["name"] == world.a.name
    changed = await admin.patch("/api/company", json={"name": "Renamed"}, headers={CSRF_HEADER: right})
    assert (changed.status_code, changed.json()["name"]) == (200, "Renamed")
    assert admin.cookies[CSRF_COOKIE] == right
    assert (await admin.get("/api/auth/me")).json()["csrf_token"] == right


async def test_request_with_key_and_cookie_is_the_keys(world: World) -> None:
    admin_of_a = await world.log_in(world.a.admin)
    del admin_of_a.headers[CSRF_HEADER]

    me = await admin_of_a.get("/api/auth/me", headers=world.b.headers("read"))
    assert me.json()["company"]["id"] == str(world.b.company_id)
    changed = await admin_of_a.patch("/api/company", json={"name": "By key"}, headers=world.b.headers("admin"))
    assert changed.status_code == 200
    assert (await admin_of_a.get("/api/company")).json()["name"] == world.a.name
    # A bad key is not saved by a good cookie.
    assert (await admin_of_a.get("/api/auth/me", headers=bearer("rf_nothing"))).status_code == 401
    assert (await admin_of_a.get("/api/auth/me")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer rf_unknown"},
        {"Authorization": "Bearer \u00e9\u00ff".encode("latin-1")},
        {"Authorization": "Basic cmY6cmY="},
        {"Cookie": f"{SESSION_COOKIE}="},
        {"Cookie": f"{SESSION_COOKIE}=rs_unknown"},
        {"Cookie": f"{SESSION_COOKIE}=rp_unknown"},
        {"Cookie": f"{SESSION_COOKIE}=\u00ff".encode("latin-1")},
    ],
)
async def test_every_unknown_credential_gets_the_same_answer(
    world: World, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    plain = await client.get("/api/company")
    answer = await client.get("/api/company", headers=headers)

    assert without_request_id(answer) == without_request_id(plain)
    assert answer.status_code == 401
    assert (await client.get("/api/company", headers=world.a.headers("read"))).status_code == 200


async def test_expired_and_revoked_sessions_end(world: World) -> None:
    client, other = await world.log_in(world.a.agent), await world.log_in(world.a.manager)
    async with world.tenancy.tenant(world.a.company_id) as session:
        await session.execute(
            update(UserSession)
            .where(UserSession.company_id == world.a.company_id, UserSession.user_id == world.a.agent.id)
            .values(expires_at=utc_now())
        )

    assert (await client.get("/api/auth/me")).status_code == 401
    assert (await other.get("/api/auth/me")).status_code == 200
    root = await world.log_in(world.super_admin)
    assert (await root.get("/api/auth/me")).status_code == 200
    async with world.tenancy.platform() as platform:
        await platform.execute(update(PlatformUserSession).values(expires_at=utc_now()))
    assert (await root.get("/api/auth/me")).status_code == 401


async def test_new_role_holds_from_the_next_request(world: World) -> None:
    admin, manager = await world.log_in(world.a.admin), await world.log_in(world.a.manager)
    assert (await manager.get("/api/audit-log")).status_code == 403
    assert (await admin.patch(f"/api/users/{world.a.manager.id}", json={"role": "company_admin"})).status_code == 200
    assert (await manager.get("/api/audit-log")).status_code == 200
    assert (await admin.patch(f"/api/users/{world.a.manager.id}", json={"role": "agent"})).status_code == 200
    assert (await manager.get("/api/audit-log")).status_code == 403


async def test_suspended_person_is_out_with_the_next_request(world: World, client: httpx.AsyncClient) -> None:
    admin, agent = await world.log_in(world.a.admin), await world.log_in(world.a.agent)
    assert (await agent.get("/api/company")).status_code == 200

    assert (await admin.patch(f"/api/users/{world.a.agent.id}", json={"status": "suspended"})).status_code == 200

    stale = await agent.get("/api/company")
    assert without_request_id(stale) == without_request_id(await client.get("/api/company"))
    right = await client.post("/api/auth/login", json=credentials(world.a.agent.email))
    assert (right.status_code, right.json()["code"]) == (403, "suspended")
    assert SESSION_COOKIE not in right.cookies
    wrong = await client.post("/api/auth/login", json=credentials(world.a.agent.email, WRONG))
    assert wrong.status_code == 401
    assert (await admin.patch(f"/api/users/{world.a.agent.id}", json={"status": "active"})).status_code == 200
    assert (await agent.get("/api/company")).status_code == 401, "sessions from before the suspension stay ended"
    assert (await (await world.log_in(world.a.agent)).get("/api/company")).status_code == 200


async def test_suspended_company_is_out_with_the_next_request(world: World, client: httpx.AsyncClient) -> None:
    root, agent, other = [await world.log_in(p) for p in (world.super_admin, world.a.agent, world.b.agent)]
    path = f"/api/platform/companies/{world.a.company_id}"

    assert (await root.patch(path, json={"status": "suspended"})).json()["status"] == "suspended"

    assert (await agent.get("/api/company")).status_code == 401
    assert (await client.get("/api/company", headers=world.a.headers("read"))).status_code == 401
    refused = await client.post("/api/auth/login", json=credentials(world.a.admin.email))
    assert (refused.status_code, refused.json()["code"]) == (403, "suspended")
    assert (await other.get("/api/company")).status_code == 200
    assert (await client.get("/api/company", headers=world.b.headers("read"))).status_code == 200
    assert (await root.patch(path, json={"status": "active"})).json()["status"] == "active"
    assert (await agent.get("/api/company")).status_code == 200
    audit = (await client.get("/api/audit-log", headers=world.a.headers())).json()["items"]
    assert [entry["action"] for entry in audit[:2]] == ["company.activated", "company.suspended"]
    assert {entry["actor_kind"] for entry in audit[:2]} == {"platform"}
    audit_of_b = (await client.get("/api/audit-log", headers=world.b.headers())).json()["items"]
    assert not any(entry["action"].startswith("company.susp") for entry in audit_of_b)


async def test_form_of_another_site_cannot_log_anybody_in(world: World, client: httpx.AsyncClient) -> None:
    """A browser sends a foreign page's request without asking first only if its body is not JSON."""
    body = json.dumps(credentials(world.a.agent.email))
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = await client.post("/api/auth/login", content=body, headers={"Content-Type": content_type})
        assert 400 <= answer.status_code < 500
        assert "set-cookie" not in answer.headers
    answer = await client.post("/api/auth/login", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
