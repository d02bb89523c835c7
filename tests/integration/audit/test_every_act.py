"""Every change through the API is in the company's audit log with its actor, or in a list with the reason why not."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from ringfence.api.public import routes_of
from ringfence.emulator import Emulator
from ringfence.features.bulk.actions.list_files import ListFiles
from ringfence.features.bulk.jobs.sends import rehearse_bulk, run_bulk
from ringfence.features.bulk.values.sends import RehearseBulk, RunBulk
from ringfence.features.contacts.actions.upload_store import UploadStore
from ringfence.features.messages.actions.media_store import MediaStore
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.clock import utc_now
from tests.factories.bulk import customers, make_list
from tests.factories.cluster import Database
from tests.factories.hooks import outgoing_client
from tests.factories.people import PASSWORD
from tests.factories.twilio_world import TwilioWorld, gateway_to, running_emulator, twilio_world
from tests.factories.world import World

Route = tuple[str, str]

# How addresses end that hand data out as a file.
FILES = ("/export", "/results", "/rejected")

EVERYDAY = "everyday work on the company's own data; the row itself says who and when"
OWN_VIEW = "what one person has seen or likes; nobody else is concerned"
PREVIEW = "stores nothing"
TEST = "a test of what is set up; the log of deliveries has it"
LOG_IN = "a log-in, not an act; the person shows when it was last"
TWILIO = "Twilio reports; what follows from it by a rule is written by that rule"
PLANNED = "a plan; the text that comes of it is an entry in its planner's name"
QUIET: dict[Route, str] = {
    ("POST", "/api/auth/login"): LOG_IN,
    ("POST", "/api/auth/logout"): LOG_IN,
    (
        "POST",
        "/api/auth/password-reset",
    ): "asked by nobody we know; a link that is sent is an entry of the server's own",
    ("POST", "/api/contacts"): EVERYDAY,
    ("PATCH", "/api/contacts/{contact_id}"): EVERYDAY,
    ("PATCH", "/api/calls/{call_id}"): EVERYDAY,
    ("POST", "/api/media"): EVERYDAY,
    ("POST", "/api/sms/conversations/{conversation_id}/read"): OWN_VIEW,
    ("POST", "/api/sms/conversations/{conversation_id}/unread"): OWN_VIEW,
    ("PATCH", "/api/sms/conversations"): EVERYDAY,
    ("PATCH", "/api/sms/conversations/{conversation_id}"): EVERYDAY,
    ("POST", "/api/sms/conversations/{conversation_id}/notes"): EVERYDAY,
    ("PATCH", "/api/sms/conversations/{conversation_id}/notes/{note_id}"): EVERYDAY,
    ("DELETE", "/api/sms/conversations/{conversation_id}/notes/{note_id}"): EVERYDAY,
    ("POST", "/api/notices/read"): OWN_VIEW,
    ("POST", "/api/notices/{notice_id}/read"): OWN_VIEW,
    ("PUT", "/api/notices/preferences"): OWN_VIEW,
    ("POST", "/api/sms/templates/preview"): PREVIEW,
    ("POST", "/api/sms/templates/{template_id}/preview"): PREVIEW,
    ("POST", "/api/webhooks/{endpoint_id}/ping"): TEST,
    ("PATCH", "/api/sms/bulk/lists/{list_id}"): EVERYDAY,
    ("POST", "/api/sms/bulk/{bulk_send_id}/rehearse"): PREVIEW,
    ("POST", "/api/sms/schedule"): PLANNED,
    ("PATCH", "/api/sms/scheduled/{scheduled_id}"): PLANNED,
    ("DELETE", "/api/sms/scheduled/{scheduled_id}"): PLANNED,
    ("POST", "/webhooks/twilio/{webhook_path}/inbound"): TWILIO,
    ("POST", "/webhooks/twilio/{webhook_path}/status"): TWILIO,
    ("POST", "/webhooks/twilio/{webhook_path}/voice"): TWILIO,
    ("POST", "/webhooks/twilio/{webhook_path}/voice/connect"): TWILIO,
    ("POST", "/webhooks/twilio/{webhook_path}/voice/after-dial"): TWILIO,
    ("POST", "/webhooks/twilio/{webhook_path}/voicemail"): TWILIO,
    ("POST", "/webhooks/twilio/{webhook_path}/recording"): TWILIO,
    ("POST", "/webhooks/twilio/{webhook_path}/call-status"): TWILIO,
}


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with running_emulator() as emulator:
        yield emulator


@pytest.fixture
def more_services(emulator: Emulator, tmp_path: Path) -> tuple[object, ...]:
    return (
        gateway_to(emulator),
        MediaStore(tmp_path / "media"),
        UploadStore(tmp_path / "uploads"),
        outgoing_client(),
        ListFiles(tmp_path / "lists"),
    )


@pytest.fixture
async def twilio(world: World, client: httpx.AsyncClient, emulator: Emulator) -> AsyncIterator[TwilioWorld]:
    async with twilio_world(world, client, emulator) as twilio:
        yield twilio


@dataclass
class Story:
    """Acts one after the other in company A, and what its audit log has of each."""

    world: World
    database: Database
    driven: set[Route] = field(default_factory=set[Route])

    def entries(self) -> list[tuple[str, str, str]]:
        """Action, kind of actor and actor of every entry, in the order they were made."""
        with psycopg.connect(self.database.admin_url) as admin:
            return admin.execute(
                "SELECT action, actor_kind, coalesce(actor_id::text, '') FROM audit_log WHERE company_id = %s"
                " ORDER BY id",
                [self.world.a.company_id],
            ).fetchall()

    async def act(
        self, who: httpx.AsyncClient, actor: tuple[str, object], method: str, path: str, action: str, **request: Any
    ) -> Any:
        """Send a request, which must work and write an entry of this action by this actor; what it answers."""
        before = len(self.entries())
        address = path.format(**request.pop("ids", {}))
        answer = await who.request(method, address, **request)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        new = self.entries()[before:]
        assert (action, actor[0], str(actor[1] or "")) in new, (method, path, new)
        self.driven.add((method, path))
        return answer.json() if answer.content and "json" in answer.headers.get("content-type", "") else answer


def to_be_judged(app: FastAPI) -> set[Route]:
    """Every route that changes something, and every one that hands data out as a file."""
    return {(method, path) for method, path, _ in routes_of(app) if method != "GET" or path.endswith(FILES)}


def forgotten(app: FastAPI, driven: Iterable[Route]) -> set[Route]:
    """Routes that were neither driven nor given a reason."""
    return to_be_judged(app) - set(driven) - QUIET.keys()


async def test_every_act_is_in_the_audit_log_with_its_actor(
    world: World, twilio: TwilioWorld, database: Database
) -> None:
    story = Story(world, database)
    admin = await world.log_in(world.a.admin)
    by_admin = ("user", world.a.admin.id)

    async def act(method: str, path: str, action: str, **request: Any) -> Any:
        return await story.act(admin, by_admin, method, path, action, **request)

    await settings(act, twilio)
    await people(story, act, world)
    await texts_and_calls(act, story, admin)
    await webhooks(act, admin, database)
    await bulk(act, admin, story)
    await contacts(act, admin)
    await platform(story, world)
    await act("DELETE", "/api/twilio-settings", "twilio_settings.disconnected")

    assert forgotten(world.app, story.driven) == set(), "drive it here, or say in QUIET why it is no act"
    assert QUIET.keys() - to_be_judged(world.app) == set(), "a stale entry"
    assert QUIET.keys() & story.driven == set(), "a reason not to be there, for what is there"


def test_a_route_nobody_judged_is_noticed(app: FastAPI) -> None:
    @app.delete("/api/everything")
    async def delete_everything() -> None: ...

    @app.get("/api/secrets/export")
    async def export_secrets() -> None: ...

    assert forgotten(app, []) >= {("DELETE", "/api/everything"), ("GET", "/api/secrets/export")}
    assert ("DELETE", "/api/everything") not in forgotten(app, [("DELETE", "/api/everything")])


async def test_a_silent_act_is_noticed(world: World, database: Database) -> None:
    """Positive control of the story: a route without an entry does not pass as one with it."""
    admin = await world.log_in(world.a.admin)
    with pytest.raises(AssertionError, match="/api/contacts"):
        await Story(world, database).act(
            admin, ("user", world.a.admin.id), "POST", "/api/contacts", "contact.created", json={"first_name": "Ana"}
        )


async def settings(act: Any, twilio: TwilioWorld) -> None:
    """Settings of the company, its Twilio account and its numbers."""
    await act("PATCH", "/api/company", "company.changed", json={"name": "Cactus & Sons"})
    account = twilio.a.credentials
    await act("POST", "/api/twilio-settings", "twilio_settings.connected", json=account)
    await act("PUT", "/api/twilio-settings", "twilio_settings.replaced", json={**account, "friendly_name": "Main"})
    await act("POST", "/api/twilio-settings/verify", "twilio_settings.checked")
    await act("POST", "/api/twilio-settings/webhooks", "twilio_settings.webhooks_set")
    for what in ("phone-numbers", "messages", "calls", "full"):
        await act("POST", f"/api/twilio/sync/{what}", "sync.requested")
    wanted = {"phone_number": "+16025550137"}
    bought = await act("POST", "/api/sms/phone-numbers/buy", "phone_number.purchase_begun", json=wanted)
    number = {"number_id": bought["phone_number_id"]}
    path = "/api/sms/phone-numbers/{number_id}"
    await act("PATCH", path, "phone_number.changed", ids=number, json={"friendly_name": "Front desk"})
    await act("POST", path + "/release", "phone_number.released", ids=number, json={"confirm": "+16025550137"})
    await act("PATCH", "/api/call-settings", "call_settings.changed", json={"record_calls": True})


async def people(story: Story, act: Any, world: World) -> None:
    """People, their roles and passwords, and keys."""
    agent = {"user_id": world.a.agent.id}
    await act("PATCH", "/api/users/{user_id}", "user.changed", ids=agent, json={"role": "manager"})
    phone = {"phone": "+16025550188"}
    own = {"user_id": world.a.admin.id}
    await act("PUT", "/api/users/{user_id}/phone", "user.phone_changed", ids=own, json=phone)
    reset = await act("POST", "/api/users/{user_id}/password-reset", "user.password_reset_sent", ids=agent)
    stranger = await world.connect()
    await story.act(
        stranger,
        ("user", world.a.agent.id),
        "POST",
        "/api/auth/password-reset/confirm",
        "user.password_reset",
        json={"token": reset["link"].split("#")[1], "password": "a few unrelated words"},
    )
    await act("PATCH", "/api/auth/me", "user.changed", json={"name": "Ana Ortiz"})
    invited = {"email": "new@cactus-plumbing.example", "role": "agent"}
    other = await act("POST", "/api/invitations", "invitation.created", json={**invited, "email": "x@y.example"})
    path = "/api/invitations/{invitation_id}"
    await act("DELETE", path, "invitation.revoked", ids={"invitation_id": other["id"]})
    link = (await act("POST", "/api/invitations", "invitation.created", json=invited))["link"]
    joined = {"token": link.split("#")[1], "name": "Newcomer", "password": PASSWORD}
    before = len(story.entries())
    answer = await stranger.post("/api/auth/invitations/accept", json=joined)
    assert answer.status_code == 201, answer.text
    assert [entry[0] for entry in story.entries()[before:]] == ["invitation.accepted"]
    story.driven.add(("POST", "/api/auth/invitations/accept"))
    key = await act("POST", "/api/api-keys", "api_key.created", json={"name": "CRM", "scope": "read"})
    await act("DELETE", "/api/api-keys/{key_id}", "api_key.revoked", ids={"key_id": key["id"]})


async def texts_and_calls(act: Any, story: Story, admin: httpx.AsyncClient) -> None:
    """What goes to Twilio, and what it is made of."""
    template = await act("POST", "/api/sms/templates", "template.created", json={"name": "Hello", "body": "Hello"})
    ids = {"template_id": template["id"]}
    path = "/api/sms/templates/{template_id}"
    await act("PUT", path, "template.changed", ids=ids, json={"name": "Hello", "body": "Good day"})
    await act("DELETE", path, "template.deleted", ids=ids)
    text = {"to": "+16025550990", "body": "Hello", "undo_seconds": 60}
    sent = await act("POST", "/api/sms/send", "message.handed_in", json=text)
    ids = {"message_id": sent["id"]}
    with psycopg.connect(story.database.admin_url) as behind:
        behind.execute("UPDATE sms_messages SET status = 'held', not_before = now() WHERE id = %s", [sent["id"]])
    await act("POST", "/api/sms/messages/{message_id}/release", "message.released", ids=ids)
    await act("DELETE", "/api/sms/messages/{message_id}", "message.canceled", ids=ids)
    await act("POST", "/api/sms/messages/{message_id}/retry", "message.handed_in", ids=ids)
    [thread] = (await admin.get("/api/sms/conversations")).json()["items"]
    ids = {"conversation_id": thread["id"]}
    await act("DELETE", "/api/sms/conversations/{conversation_id}", "conversation.deleted", ids=ids)
    await act("POST", "/api/sms/conversations/{conversation_id}/restore", "conversation.restored", ids=ids)
    later = {"to": "+16025550991", "body": "Later", "scheduled_at": (utc_now() + timedelta(days=1)).isoformat()}
    planned = (await admin.post("/api/sms/schedule", json=later)).json()
    path = "/api/sms/scheduled/{scheduled_id}/send-now"
    await act("POST", path, "message.handed_in", ids={"scheduled_id": planned["id"]})
    call = await act("POST", "/api/calls", "call.placed", json={"to": "+16025550990"})
    ids = {"call_id": call["id"]}
    await act("POST", "/api/calls/{call_id}/hang-up", "call.hung_up", ids=ids)
    await act("POST", "/api/calls/{call_id}/redial", "call.placed", ids=ids)
    await act("DELETE", "/api/calls/{call_id}", "call.deleted", ids=ids)
    blocked = {"outside_number": "+16025550995", "evidence": "Asked on the phone"}
    opt_out = await act("POST", "/api/sms/opt-outs", "opt_out.added", json=blocked)
    back = {"evidence": "Asked to be texted again"}
    path = "/api/sms/opt-outs/{opt_out_id}"
    await act("DELETE", path, "opt_out.ended", ids={"opt_out_id": opt_out["id"]}, json=back)
    await act("GET", "/api/sms/opt-outs/export", "opt_outs.exported")
    await act("GET", "/api/sms/analytics/export", "analytics.exported")
    await act("GET", "/api/audit-log/export", "audit_log.exported")


async def webhooks(act: Any, admin: httpx.AsyncClient, database: Database) -> None:
    """Where the company's events go."""
    wanted = {"url": "https://127.0.0.1/crm", "kinds": ["message.received"]}
    made = await act("POST", "/api/webhooks", "webhook_endpoint.created", json=wanted)
    ids = {"endpoint_id": made["id"]}
    path = "/api/webhooks/{endpoint_id}"
    await act("PATCH", path, "webhook_endpoint.changed", ids=ids, json={"description": "The CRM"})
    await act("POST", path + "/rotate-secret", "webhook_endpoint.rotated", ids=ids)
    sent = await admin.post(f"/api/webhooks/{made['id']}/ping")
    assert sent.status_code == 202, sent.text
    since = {"since": (utc_now() - timedelta(days=1)).isoformat(), "include_delivered": True}
    await act("POST", path + "/replay", "webhook_deliveries.replayed", ids=ids, json=since)
    with psycopg.connect(database.admin_url) as behind:
        behind.execute("UPDATE webhook_deliveries SET state = 'failed'")
    again = ids | {"delivery_id": sent.json()["id"]}
    await act("POST", path + "/deliveries/{delivery_id}/replay", "webhook_delivery.replayed", ids=again)
    await act("DELETE", path, "webhook_endpoint.deleted", ids=ids)


async def bulk(act: Any, admin: httpx.AsyncClient, story: Story) -> None:
    """Lists, and a bulk send that is started, held up, stopped and sent again."""
    context = JobContext(story.world.tenancy, story.world.a.company_id)
    lists, path = "/api/sms/bulk/lists", "/api/sms/bulk/{bulk_send_id}"
    file = {"file": ("people.csv", b"Phone,First name\n+14805550001,Ana\nnonsense,Bo\n")}
    read = {"list_id": (await act("POST", lists, "bulk.list_added", files=file))["id"]}
    mapping = {"mapping": {"Phone": "phone_number"}}
    assert (await admin.patch(f"{lists}/{read['list_id']}", json=mapping)).status_code == 200
    await act("POST", lists + "/{list_id}/start", "bulk.list_started", ids=read)
    await act("GET", lists + "/{list_id}/rejected", "bulk.list_rejected_exported", ids=read)
    await act("POST", lists + "/{list_id}/cancel", "bulk.list_canceled", ids=read)
    await act("DELETE", lists + "/{list_id}", "bulk.list_deleted", ids=read)
    await act("POST", lists + "/from-contacts", "bulk.list_added", json={"name": "Everybody"})
    list_id = await make_list(story.world.tenancy, story.world.a.company_id, customers(2))
    wanted = {"name": "Sale", "list_id": str(list_id), "body": "Sale on Friday", "canary": False}

    async def new() -> dict[str, str]:
        made = await act("POST", "/api/sms/bulk", "bulk.created", json=wanted)
        await rehearse_bulk(context, RehearseBulk(bulk_send_id=UUID(made["id"])))
        return {"bulk_send_id": made["id"]}

    dropped = await new()
    await act("PATCH", path, "bulk.changed", ids=dropped, json={"name": "No sale"})
    await act("DELETE", path, "bulk.deleted", ids=dropped)
    prices = {"prices": [{"country": "US", "micros": 8300, "currency": "USD"}]}
    await act("PUT", "/api/sms/bulk/prices", "bulk.prices_set", json=prices)
    ids = await new()
    await act("POST", path + "/test", "message.handed_in", ids=ids, json={"to": "+16025550199"})
    await act("POST", path + "/start", "bulk.started", ids=ids)
    await run_bulk(context, RunBulk())
    await act("POST", path + "/pause", "bulk.paused", ids=ids)
    await act("POST", path + "/resume", "bulk.resumed", ids=ids)
    await act("POST", path + "/stop", "bulk.stopped", ids=ids)
    await act("GET", path + "/results", "bulk.exported", ids=ids)
    with psycopg.connect(story.database.admin_url) as behind:
        # The texts of the bulk send itself are no entries: it is one act.
        texts = behind.execute("SELECT id::text FROM sms_messages WHERE bulk_send_id = %s", [ids["bulk_send_id"]])
        entries = behind.execute(
            "SELECT count(*) FROM audit_log WHERE action = 'message.handed_in' AND target_id = ANY(%s)",
            [[row[0] for row in texts.fetchall()]],
        ).fetchone()
        behind.execute("UPDATE sms_messages SET status = 'failed' WHERE bulk_send_id = %s", [ids["bulk_send_id"]])
    assert entries == (0,)
    await act("POST", path + "/retry", "bulk.retried", ids=ids, json={})


async def contacts(act: Any, admin: httpx.AsyncClient) -> None:
    """What changes whole people, or many at once."""
    made = [(await admin.post("/api/contacts", json={"first_name": name})).json()["id"] for name in ("Ana", "Anna")]
    ids = {"contact_id": made[0]}
    await act("DELETE", "/api/contacts/{contact_id}", "contact.deleted", ids=ids)
    await act("POST", "/api/contacts/{contact_id}/restore", "contact.restored", ids=ids)
    await act("POST", "/api/contacts/{contact_id}/merge", "contact.merged", ids=ids, json={"source_id": made[1]})
    file = {"file": ("contacts.csv", b"first_name,phone_number\nAna,+16025550980\n")}
    await act("POST", "/api/contacts/import", "contacts.import_started", files=file)
    await act("GET", "/api/contacts/export", "contacts.exported")


async def platform(story: Story, world: World) -> None:
    """What super admins do to the company; what they do inside it is told by the tests of visits."""
    root = await world.log_in(world.super_admin)
    by_root = ("platform", world.super_admin.id)
    ids = {"company_id": world.a.company_id}
    path = "/api/platform/companies/{company_id}"
    await story.act(root, by_root, "PATCH", path, "company.suspended", ids=ids, json={"status": "suspended"})
    await story.act(root, by_root, "PATCH", path, "company.activated", ids=ids, json={"status": "active"})
    inside = {"company_id": str(world.a.company_id), "reason": "To see what is logged"}
    await story.act(root, by_root, "POST", "/api/platform/enter", "company.entered", json=inside)
    await story.act(root, by_root, "POST", "/api/platform/leave", "company.left")
    made = (await root.post("/api/platform/companies", json={"name": "Dune Hotel"})).json()
    with psycopg.connect(story.database.admin_url) as admin:
        rows = admin.execute("SELECT action, actor_id FROM audit_log WHERE company_id = %s", [made["id"]]).fetchall()
    assert rows == [("company.created", world.super_admin.id)]
    story.driven.add(("POST", "/api/platform/companies"))
