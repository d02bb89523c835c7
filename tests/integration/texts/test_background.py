"""Background work on texts, against a running emulator: attachments, and texts whose outcome was never reported."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from ringfence.emulator import Emulator
from ringfence.features.messages.actions.media_store import MediaStore
from ringfence.features.messages.jobs import FetchMediaHandler, RemoveMediaHandler, SweepHandler
from ringfence.features.messages.values import FetchMedia, RemoveMedia, SweepMessages
from ringfence.jobqueue.jobs import JobContext
from ringfence.providers.twilio.errors import TwilioError
from ringfence.providers.twilio.gateway import TwilioGateway
from tests.factories.texts import CUSTOMER, Line, Texting, new_sid, texting_services
from tests.factories.twilio_world import running_emulator
from tests.factories.waiting import eventually
from tests.factories.world import BASE_URL

PNG = b"\x89PNG\r\n\x1a\nnot much of a picture"
DATA_URL = "data:image/png;base64,iVBORw0KGgpub3QgbXVjaCBvZiBhIHBpY3R1cmU="


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with running_emulator() as emulator:
        yield emulator


@pytest.fixture
async def twilio(emulator: Emulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=emulator.base_url) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "media"


@pytest.fixture
def more_services(folder: Path, emulator: Emulator) -> tuple[object, ...]:
    return texting_services(folder, api_url=emulator.base_url)


@pytest.fixture
def gateway(emulator: Emulator) -> TwilioGateway:
    return TwilioGateway(emulator.base_url, BASE_URL, timeout_seconds=5)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def context(texting: Texting, line: Line) -> JobContext:
    return JobContext(texting.world.tenancy, line.company_id)


async def picture(texting: Texting, twilio: httpx.AsyncClient) -> dict[str, Any]:
    """A text with a picture comes in; its attachment is still to be fetched."""
    made = await twilio.post(
        "/emulator/inbound",
        json={"from": CUSTOMER, "to": texting.a.number, "body": "Look", "media_urls": [DATA_URL]},
    )
    assert made.status_code == 200, made.text
    sid = made.json()["message_sid"]
    auth = (texting.a.account_sid, texting.a.auth_token)
    listed = await twilio.get(f"/2010-04-01/Accounts/{auth[0]}/Messages/{sid}/Media.json", auth=auth)
    url = str(twilio.base_url).rstrip("/") + listed.json()["media_list"][0]["uri"].removesuffix(".json")
    fields = {"NumMedia": "1", "MediaUrl0": url, "MediaContentType0": "image/png"}
    assert (await texting.inbound(texting.a, sid=sid, fields=fields)).status_code == 200
    return (await texting.get("/api/sms/messages", texting.a))["items"][0]


async def test_picture_is_fetched_with_the_accounts_credentials_and_kept_private(
    texting: Texting, twilio: httpx.AsyncClient, gateway: TwilioGateway, folder: Path
) -> None:
    text = await picture(texting, twilio)
    handler = FetchMediaHandler(gateway, texting.world.keyring, MediaStore(folder))
    job = FetchMedia(message_id=UUID(text["id"]))
    assert (text["media"][0]["status"], text["media"][0]["url"]) == ("pending", None)

    await handler(context(texting, texting.b), job)
    assert not files(folder)
    for _ in range(2):
        await handler(context(texting, texting.a), job)

    media = (await texting.message(texting.a, text["id"]))["media"][0]
    assert (media["status"], media["content_type"], media["size_bytes"]) == ("stored", "image/png", 29)
    read = await texting.call("GET", media["url"], texting.a, scope="read")
    assert (read.status_code, read.content[:8]) == (200, PNG[:8])
    assert read.headers["content-disposition"].startswith("inline")
    assert (await texting.call("GET", media["url"], texting.b)).status_code == 404
    assert [path.stat().st_mode & 0o777 for path in files(folder)] == [0o600]
    assert [e["kind"] for e in await texting.timeline(texting.a, text["id"])] == ["received", "media"]

    assert (await texting.call("DELETE", f"/api/sms/messages/{text['id']}", texting.a)).status_code == 204
    assert (await texting.call("GET", media["url"], texting.a)).status_code == 404
    await RemoveMediaHandler(MediaStore(folder))(context(texting, texting.b), RemoveMedia(message_id=job.message_id))
    assert files(folder)
    await RemoveMediaHandler(MediaStore(folder))(context(texting, texting.a), RemoveMedia(message_id=job.message_id))
    assert not files(folder)


async def test_file_that_a_browser_would_run_is_only_downloaded(
    texting: Texting, twilio: httpx.AsyncClient, folder: Path
) -> None:
    text = await picture(texting, twilio)
    media_id = UUID(text["media"][0]["id"])
    await MediaStore(folder).write(texting.a.company_id, media_id, b"<script>alert(1)</script>")
    for content_type in ("text/html", "image/svg+xml", "application/x-evil", "image/png; charset=x"):
        texting.change("UPDATE sms_media SET status = 'stored', content_type = %s", content_type)

        read = await texting.call("GET", f"/api/sms/messages/{text['id']}/media/{media_id}", texting.a)

        assert read.headers["content-type"] == "application/octet-stream"
        assert read.headers["content-disposition"].startswith("attachment")
        assert read.headers["x-content-type-options"] == "nosniff"


async def test_attachment_elsewhere_is_never_fetched_and_one_that_fails_is_tried_again(
    texting: Texting, twilio: httpx.AsyncClient, gateway: TwilioGateway, folder: Path
) -> None:
    text = await picture(texting, twilio)
    handler = FetchMediaHandler(gateway, texting.world.keyring, MediaStore(folder))
    job = FetchMedia(message_id=UUID(text["id"]))
    source = texting.stored(texting.a, "sms_media")["sms_media"][0]["source_url"]

    texting.change("UPDATE sms_media SET source_url = %s", source[:-4] + "0000")
    with pytest.raises(TwilioError):
        await handler(context(texting, texting.a), job)
    assert (await texting.message(texting.a, text["id"]))["media"][0]["status"] == "pending"
    texting.change("UPDATE sms_media SET source_url = 'http://127.0.0.1:9/internal'")
    await handler(context(texting, texting.a), job)

    media = (await texting.message(texting.a, text["id"]))["media"][0]
    assert media["status"] == "failed"
    assert media["reason"]
    assert not files(folder)


async def test_late_attachments_come_back_to_the_queue(
    texting: Texting, twilio: httpx.AsyncClient, gateway: TwilioGateway
) -> None:
    await picture(texting, twilio)
    sweep = SweepHandler(gateway, texting.world.keyring)
    texting.change("DELETE FROM procrastinate_jobs WHERE task_name = 'messages.fetch_media'")

    await sweep(context(texting, texting.a), SweepMessages())
    with pytest.raises(AssertionError):
        texting.change("UPDATE procrastinate_jobs SET priority = -1 WHERE task_name = 'messages.fetch_media'")
    texting.change("UPDATE sms_messages SET created_at = created_at - interval '20 minutes'")
    await sweep(context(texting, texting.a), SweepMessages())

    texting.change("UPDATE procrastinate_jobs SET priority = -1 WHERE task_name = 'messages.fetch_media'")


async def accepted_text(texting: Texting, twilio: httpx.AsyncClient, **more: str) -> tuple[dict[str, Any], str]:
    """A text that Twilio has and of which no callback ever came."""
    text = await texting.sent(texting.a, **more)
    auth = (texting.a.account_sid, texting.a.auth_token)
    fields = {"To": text["to_number"], "From": text["from_number"], "Body": text["body"]}
    made = await twilio.post(f"/2010-04-01/Accounts/{auth[0]}/Messages.json", data=fields, auth=auth)
    assert made.status_code == 201, made.text
    await texting.settle(texting.a, text["id"], made.json()["sid"])
    return text, made.json()["sid"]


async def test_sweep_learns_what_no_callback_told_and_asks_ever_more_rarely(
    texting: Texting, twilio: httpx.AsyncClient, gateway: TwilioGateway
) -> None:
    text, sid = await accepted_text(texting, twilio)
    gone = await texting.sent(texting.a, body="Gone at Twilio", to="+16025550991")
    await texting.settle(texting.a, gone["id"], new_sid())
    sweep = SweepHandler(gateway, texting.world.keyring, first_look=timedelta(minutes=5))

    await sweep(context(texting, texting.a), SweepMessages())
    assert (await texting.message(texting.a, text["id"]))["status"] == "sending"
    texting.change(
        "UPDATE sms_messages SET created_at = now() - interval '6 min', updated_at = now() - interval '6 min'"
    )
    await sweep(context(texting, texting.b), SweepMessages())
    assert (await texting.message(texting.a, text["id"]))["status"] == "sending"

    async def delivered() -> bool:
        auth = (texting.a.account_sid, texting.a.auth_token)
        told = await twilio.get(f"/2010-04-01/Accounts/{auth[0]}/Messages/{sid}.json", auth=auth)
        return told.json()["status"] == "delivered"

    await eventually(delivered)
    await sweep(context(texting, texting.a), SweepMessages())

    assert (await texting.message(texting.a, text["id"]))["status"] == "delivered"
    status = [e for e in await texting.timeline(texting.a, text["id"]) if e["kind"] == "status"]
    assert [e["detail"]["via"] for e in status] == ["sweep"]
    rows = {str(row["id"]): row for row in texting.stored(texting.a, "sms_messages")["sms_messages"]}
    assert rows[gone["id"]]["status"] == "sending"
    assert rows[gone["id"]]["updated_at"] - rows[gone["id"]]["created_at"] > timedelta(minutes=6)


async def test_sweep_leaves_texts_of_another_account_alone_and_notices_refused_credentials(
    texting: Texting, twilio: httpx.AsyncClient, gateway: TwilioGateway
) -> None:
    text, _ = await accepted_text(texting, twilio)
    past = "created_at = now() - interval '6 min', updated_at = now() - interval '6 min'"
    texting.change(f"UPDATE sms_messages SET account_sid = %s, {past}", texting.b.account_sid)
    sweep = SweepHandler(gateway, texting.world.keyring)

    await sweep(context(texting, texting.a), SweepMessages())
    assert (await texting.message(texting.a, text["id"]))["status"] == "sending"
    texting.change(f"UPDATE sms_messages SET account_sid = %s, {past}", texting.a.account_sid)
    changed = await twilio.patch(f"/emulator/accounts/{texting.a.account_sid}", json={"auth_token": "f" * 32})
    assert changed.status_code == 200, changed.text
    await sweep(context(texting, texting.a), SweepMessages())

    assert (await texting.send(texting.a, body="Now?")).json()["code"] == "settings_unverified"
    assert (await texting.send(texting.b, body="Now?")).status_code == 202


async def test_old_idempotency_keys_are_forgotten(texting: Texting, gateway: TwilioGateway) -> None:
    await texting.sent(texting.a, key="old")
    texting.change("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'")
    await texting.sent(texting.a, key="new", body="2")

    await SweepHandler(gateway, texting.world.keyring)(context(texting, texting.a), SweepMessages())

    assert [row["key"] for row in texting.stored(texting.a)["idempotency_keys"]] == ["new"]
