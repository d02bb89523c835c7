"""Endpoints by the API: what they may be, who may have them, and what becomes of their secrets."""

from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from ringfence.features.outgoing_webhooks.actions.endpoints import reseal
from ringfence.features.outgoing_webhooks.values.kinds import MOST_ENDPOINTS
from ringfence.kit.keyring import Keyring
from tests.factories.hooks import Hooks
from tests.factories.receivers import receiving, verify
from tests.factories.world import SECRET_KEY

PATH = "/api/webhooks"


async def add(hooks: Hooks, **body: Any) -> httpx.Response:
    body = {"url": "http://127.0.0.1:9/", "kinds": ["message.received"], **body}
    return await hooks.texting.call("POST", PATH, hooks.a, json=body)


async def test_the_secret_is_shown_once_and_stored_sealed(hooks: Hooks) -> None:
    made = await hooks.endpoint(hooks.a, description="CRM", kinds=["call.ended", "message.received"])
    read = await hooks.texting.get(f"{PATH}/{made['id']}", hooks.a)
    listed = await hooks.texting.get(PATH, hooks.a)
    rotated = await hooks.texting.call("POST", f"{PATH}/{made['id']}/rotate-secret", hooks.a)

    assert made["secret"].startswith("whsec_")
    assert rotated.json()["secret"] != made["secret"]
    assert read == listed["items"][0] == {key: value for key, value in made.items() if key != "secret"}
    assert (read["kinds"], read["status"], read["description"]) == (["call.ended", "message.received"], "active", "CRM")
    stored = str(hooks.texting.stored(hooks.a, "webhook_endpoints", "audit_log"))
    assert not any(item in stored for item in (made["secret"], made["secret"][6:], rotated.json()["secret"]))
    actions = [row["action"] for row in hooks.texting.stored(hooks.a, "audit_log")["audit_log"]]
    assert {"webhook_endpoint.created", "webhook_endpoint.rotated"} <= set(actions)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://10.0.0.1/hook", "private or reserved"),
        ("https://169.254.169.254/latest/meta-data", "private or reserved"),
        ("https://[::1]/", "private or reserved"),
        ("https://[::ffff:127.0.0.1]/", "private or reserved"),
        ("https://0x0a000001/", "private or reserved"),
        ("http://8.8.8.8/hook", "must begin with https://"),
        ("https://user:secret@127.0.0.1/", "user or password"),
        ("https://127.0.0.1/#x", "fragment"),
        ("ftp://127.0.0.1/", "must begin with https://"),
        ("crm.example.com/hook", "must begin with https://"),
        ("https://does-not-exist.invalid/", "no address"),
        ("https://127.0.0.1:99999/", "not an address"),
    ],
)
async def test_addresses_that_are_refused(hooks: Hooks, url: str, words: str) -> None:
    made = await hooks.endpoint(hooks.a)
    refused = await add(hooks, url=url)
    changed = await hooks.texting.call("PATCH", f"{PATH}/{made['id']}", hooks.a, json={"url": url})

    for answer in (refused, changed):
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_webhook_url")
        assert words in answer.json()["detail"]
    assert len(hooks.texting.stored(hooks.a, "webhook_endpoints")["webhook_endpoints"]) == 1


async def test_bodies_that_are_refused(hooks: Hooks) -> None:
    for body in (
        {"kinds": []},
        {"kinds": ["ping"]},
        {"kinds": ["message.received"], "company_id": str(hooks.b.company_id)},
        {"secret": "whsec_mine"},
    ):
        assert (await add(hooks, **body)).status_code == 422
    assert (await add(hooks)).status_code == 201


async def test_roles(hooks: Hooks) -> None:
    made = await hooks.endpoint(hooks.a)
    for method, path, body in (
        ("GET", PATH, None),
        ("POST", PATH, {"url": "http://127.0.0.1:9/", "kinds": ["call.ended"]}),
        ("GET", f"{PATH}/{made['id']}", None),
        ("PATCH", f"{PATH}/{made['id']}", {}),
        ("POST", f"{PATH}/{made['id']}/rotate-secret", None),
        ("POST", f"{PATH}/{made['id']}/ping", None),
        ("POST", f"{PATH}/{made['id']}/replay", {"since": "2026-01-01T00:00:00Z"}),
        ("GET", f"{PATH}/{made['id']}/deliveries", None),
        ("DELETE", f"{PATH}/{made['id']}", None),
    ):
        refused = await hooks.texting.call(method, path, hooks.a, scope="manage", json=body)
        allowed = await hooks.texting.call(method, path, hooks.a, scope="admin", json=body)
        assert (refused.status_code, allowed.is_success) == (403, True), (method, path, allowed.text)


async def test_a_company_has_so_many_and_no_more(hooks: Hooks) -> None:
    for _ in range(MOST_ENDPOINTS):
        assert (await add(hooks)).status_code == 201
    over = await add(hooks)
    other = await hooks.endpoint(hooks.b)

    assert (over.status_code, over.json()["code"]) == (409, "webhook_limit")
    assert other["status"] == "active"


async def test_after_a_rotation_both_secrets_sign_for_a_day(hooks: Hooks) -> None:
    async with receiving() as receiver, hooks.couriering():
        made = await hooks.endpoint(hooks.a, receiver)
        path = f"{PATH}/{made['id']}"
        rotated = (await hooks.texting.call("POST", f"{path}/rotate-secret", hooks.a)).json()
        await hooks.texting.call("POST", f"{path}/ping", hooks.a)
        [both] = await receiver.receives(1)
        hooks.texting.change("UPDATE webhook_endpoints SET old_secret_until = now() - interval '1 second'")
        receiver.secret = rotated["secret"]
        await hooks.texting.call("POST", f"{path}/ping", hooks.a)
        [_, after] = await receiver.receives(2)

    for secret in (made["secret"], rotated["secret"]):
        assert verify(secret, both.raw, both.headers)["type"] == "ping"
    assert rotated["old_secret_until"] is not None
    with pytest.raises(WebhookVerificationError):
        verify(made["secret"], after.raw, after.headers)


async def test_new_server_keys_seal_the_secrets_again(hooks: Hooks) -> None:
    new = "another-secret-key-of-32-characters-or-more"
    both, only_new = Keyring([new, SECRET_KEY]), Keyring([new])
    made = await hooks.endpoint(hooks.a)
    await hooks.texting.call("POST", f"{PATH}/{made['id']}/rotate-secret", hooks.a)
    async with hooks.texting.world.tenancy.tenant(hooks.a.company_id) as session:
        first = await reseal(session, both)
    async with hooks.texting.world.tenancy.tenant(hooks.a.company_id) as session:
        second = await reseal(session, both)
    [row] = hooks.texting.stored(hooks.a, "webhook_endpoints")["webhook_endpoints"]

    assert (first, second) == (2, 0)
    assert only_new.open(row["sealed_old_secret"], context=f"webhook_endpoint:{made['id']}") == made["secret"]
    assert only_new.is_current(row["sealed_secret"])
