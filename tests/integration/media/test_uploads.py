"""Files to send: taken in by what they are, carried by texts, fetched by signed links, forgotten in time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import psycopg
import time_machine

from ringfence.dispatch.ports import Text
from ringfence.features.messages.actions.media_store import MediaStore
from ringfence.features.messages.jobs import RemoveUploadHandler, SweepHandler
from ringfence.features.messages.values import RemoveUpload, SweepMessages
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.ids import new_id
from ringfence.providers.twilio.gateway import TwilioGateway
from tests.factories.cluster import Database
from tests.factories.files import JPEG, MEDIA, PDF, post_file, uploaded
from tests.factories.howto import run_page
from tests.factories.stage import open_stage
from tests.factories.texts import NOWHERE, Line, Texting
from tests.factories.world import BASE_URL

LATER = (datetime.now(UTC) + timedelta(days=30)).isoformat()


async def links(texting: Texting, line: Line, message_id: str) -> list[str]:
    """What Twilio would be told to fetch, now."""
    verdict = await texting.judge(line, message_id)
    assert isinstance(verdict, Text), verdict
    return [url.removeprefix(BASE_URL) for url in verdict.media_urls]


async def sweep(texting: Texting, line: Line, folder: Path) -> None:
    """What the worker does in the next minutes."""
    gateway = TwilioGateway(NOWHERE, BASE_URL)
    context = JobContext(texting.world.tenancy, line.company_id)
    await SweepHandler(gateway, texting.world.keyring)(context, SweepMessages())
    with psycopg.connect(texting.database.admin_url) as connection:
        jobs = connection.execute(
            "DELETE FROM procrastinate_jobs WHERE task_name = 'messages.remove_upload' RETURNING args"
        ).fetchall()
    for (args,) in jobs:
        job = RemoveUpload(upload_id=UUID(args["fields"]["upload_id"]))
        await RemoveUploadHandler(MediaStore(folder))(context, job)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


async def test_what_a_file_is_its_bytes_say(texting: Texting, tmp_path: Path) -> None:
    answer = await post_file(texting, texting.a, name="../../etc/évil.html")
    assert answer.status_code == 201, answer.text
    taken = answer.json()
    assert (taken["content_type"], taken["size_bytes"]) == ("image/jpeg", len(JPEG))
    assert taken["file_name"] == "évil.html"
    assert files(tmp_path / "media") == {taken["id"]}
    shown = await texting.call("GET", f"{MEDIA}/{taken['id']}", texting.a, scope="send")
    assert (shown.content, shown.headers["content-type"]) == (JPEG, "image/jpeg")
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in shown.headers["content-security-policy"]

    for content, code in (
        (b"<html><script>alert(1)</script></html>", "media_type"),
        (b"", "media_empty"),
        (JPEG + bytes(5_000_000), "media_too_large"),
    ):
        refused = await post_file(texting, texting.a, content)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
    over = await post_file(texting, texting.a, bytes(5_200_000))
    assert over.status_code == 413
    for wrong in (
        {"data": {"other": "x"}},
        {"files": {"picture": ("a", JPEG)}},
        {"files": [("file", ("a", JPEG)), ("file", ("b", JPEG))]},
        {"json": {"file": "x"}},
    ):
        bad = await texting.call("POST", MEDIA, texting.a, **wrong)
        assert bad.status_code in {400, 422}, bad.text
    assert files(tmp_path / "media") == {taken["id"]}


async def test_a_text_carries_uploads_and_addresses(texting: Texting) -> None:
    picture, paper = await uploaded(texting, texting.a), await uploaded(texting, texting.a, PDF)
    message = await texting.sent(
        texting.a, body="Look", media_ids=[picture, paper], media_urls=["https://example.com/a.png"]
    )
    assert message["num_media"] == 3
    assert [(item["status"], item["content_type"]) for item in message["media"]] == [
        ("stored", "image/jpeg"),
        ("stored", "application/pdf"),
        ("remote", None),
    ]
    in_thread = await texting.call("GET", message["media"][0]["url"], texting.a, scope="read")
    assert in_thread.content == JPEG

    picture_link, paper_link, address = await links(texting, texting.a, message["id"])
    assert address == "https://example.com/a.png"
    for link, content, kind in ((picture_link, JPEG, "image/jpeg"), (paper_link, PDF, "application/pdf")):
        fetched = await texting.client.get(link)
        assert (fetched.status_code, fetched.content, fetched.headers["content-type"]) == (200, content, kind)
        looked = await texting.client.head(link)
        assert (looked.status_code, looked.content) == (200, b"")
        assert looked.headers["content-length"] == str(len(content))
        assert "no-store" in fetched.headers["cache-control"]

    # The same picture again at once is a duplicate; another one is not.
    again = await texting.send(
        texting.a, body="Look", media_ids=[picture, paper], media_urls=["https://example.com/a.png"]
    )
    assert again.json()["code"] == "duplicate"
    other = await texting.send(
        texting.a, body="Look", media_ids=[paper, picture], media_urls=["https://example.com/a.png"]
    )
    assert other.status_code == 202


async def test_limits_of_a_text(texting: Texting) -> None:
    big = await uploaded(texting, texting.a, JPEG + bytes(2_600_000))
    other = await uploaded(texting, texting.a, JPEG + bytes(2_600_000))
    assert (await texting.send(texting.a, body="", media_ids=[big])).status_code == 202
    for body, code in (
        ({"media_ids": [big, other]}, "media_too_large"),
        ({"media_ids": [big, big]}, "media_too_large"),
        ({"media_ids": [str(new_id())]}, "unknown_media"),
        ({"media_ids": [big], "media_urls": ["https://example.com/a.png"] * 10}, "too_many_media"),
        ({"media_ids": [big] * 11}, "invalid"),
        ({"media_urls": ["https://ana:secret@example.com/a.png"]}, "invalid"),
        ({"media_urls": ["https://ana@example.com/a.png"]}, "invalid"),
        ({"media_urls": ["ftp://example.com/a.png"]}, "invalid"),
        ({"media_urls": ["file:///etc/passwd"]}, "invalid"),
        ({"media_urls": [f"upload:{big}"]}, "invalid"),
    ):
        refused = await texting.send(texting.a, body="Look", **body)
        assert (refused.status_code, refused.json()["code"]) == (422, code), body
        assert "secret" not in refused.text


async def test_a_link_is_good_for_its_file_and_day_only(texting: Texting) -> None:
    mine, theirs = await uploaded(texting, texting.a), await uploaded(texting, texting.b, PDF)
    other = await uploaded(texting, texting.a, PDF)
    (link,) = await links(texting, texting.a, (await texting.sent(texting.a, media_ids=[mine]))["id"])
    (foreign,) = await links(texting, texting.b, (await texting.sent(texting.b, media_ids=[theirs]))["id"])
    unknown = await texting.client.get(f"/media/{new_id()}/{new_id()}?expires=99999999999&code=00")
    assert unknown.status_code == 404
    query = {name: value[0] for name, value in parse_qs(urlsplit(link).query).items()}

    async def fetch(company: UUID, media: str, **changes: Any) -> httpx.Response:
        return await texting.client.get(f"/media/{company}/{media}", params=query | changes)

    assert (await fetch(texting.a.company_id, mine)).status_code == 200
    forged = [
        await fetch(texting.a.company_id, other),
        await fetch(texting.b.company_id, mine),
        await fetch(texting.b.company_id, theirs),
        await fetch(texting.a.company_id, mine, expires=str(int(query["expires"]) + 1)),
        await fetch(texting.a.company_id, mine, code=parse_qs(urlsplit(foreign).query)["code"][0]),
        await fetch(texting.a.company_id, mine, code=""),
    ]
    for answer in forged:
        assert (answer.status_code, answer.content) == (unknown.status_code, unknown.content)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25)):
        late = await texting.client.get(link)
    assert (late.status_code, late.content) == (404, unknown.content)


async def test_what_nobody_uses_goes_after_a_day(texting: Texting, tmp_path: Path) -> None:
    folder = tmp_path / "media"
    unused, used, planned = [await uploaded(texting, texting.a) for _ in range(3)]
    message = await texting.sent(texting.a, media_ids=[used])
    later = {"to": "+16025550111", "body": "Later", "scheduled_at": LATER, "media_ids": [planned]}
    scheduled = await texting.call("POST", "/api/sms/schedule", texting.a, scope="send", json=later)
    assert (scheduled.json()["media_ids"], scheduled.json()["media_urls"]) == ([planned], [])

    await sweep(texting, texting.a, folder)
    assert files(folder) == {unused, used, planned}
    texting.change("UPDATE media_uploads SET keep_until = keep_until - interval '25 hours'")
    await sweep(texting, texting.b, folder)
    assert files(folder) == {unused, used, planned}
    await sweep(texting, texting.a, folder)
    assert files(folder) == {used, planned}
    gone = await texting.send(texting.a, body="Look", media_ids=[unused])
    assert gone.json()["code"] == "unknown_media"

    # A removed text carries it no more; a plan waits for its own time, and carries what it is changed to.
    for status in (200, 204):  # canceled, then removed
        deleted = await texting.call("DELETE", f"/api/sms/messages/{message['id']}", texting.a)
        assert deleted.status_code == status
    await sweep(texting, texting.a, folder)
    assert files(folder) == {planned}
    path = f"/api/sms/scheduled/{scheduled.json()['id']}"
    changed = await texting.call("PATCH", path, texting.a, json={"media_urls": ["https://example.com/b.png"]})
    assert (changed.json()["media_ids"], changed.json()["media_urls"]) == ([planned], ["https://example.com/b.png"])
    sent = await texting.call("POST", f"{path}/send-now", texting.a)
    assert sent.json()["status"] == "sent", sent.text
    carried = (await texting.message(texting.a, sent.json()["message_id"]))["media"]
    assert [item["status"] for item in carried] == ["stored", "remote"]
    texting.change("UPDATE media_uploads SET keep_until = keep_until - interval '9 years'")
    await sweep(texting, texting.a, folder)
    assert files(folder) == {planned}


async def test_a_text_again_carries_the_same_file(texting: Texting) -> None:
    picture = await uploaded(texting, texting.a)
    message = await texting.sent(texting.a, media_ids=[picture])
    await texting.settle(texting.a, message["id"], error_code=30003)
    again = await texting.call("POST", f"/api/sms/messages/{message['id']}/retry", texting.a, scope="send")
    assert again.status_code == 202, again.text
    (link,) = await links(texting, texting.a, again.json()["id"])
    assert (await texting.client.get(link)).content == JPEG


async def test_an_upload_that_was_not_finished_is_none(texting: Texting, tmp_path: Path) -> None:
    picture = await uploaded(texting, texting.a)
    texting.change("UPDATE media_uploads SET is_ready = false WHERE id = %s", picture)
    assert (await texting.send(texting.a, body="Look", media_ids=[picture])).json()["code"] == "unknown_media"
    assert (await texting.call("GET", f"{MEDIA}/{picture}", texting.a)).status_code == 404
    texting.change("UPDATE media_uploads SET keep_until = now() - interval '1 second'")
    await sweep(texting, texting.a, tmp_path / "media")
    assert files(tmp_path / "media") == set()


async def test_a_company_cannot_fill_the_disk(texting: Texting) -> None:
    picture = await uploaded(texting, texting.a)
    texting.change("UPDATE media_uploads SET size_bytes = 499999999 WHERE id = %s", picture)
    full = await post_file(texting, texting.a)
    assert (full.status_code, full.json()["code"]) == (429, "too_many_uploads")
    assert (await post_file(texting, texting.b)).status_code == 201
    texting.change("UPDATE media_uploads SET created_at = created_at - interval '25 hours' WHERE id = %s", picture)
    assert (await post_file(texting, texting.a)).status_code == 201


async def test_the_page_shows_what_works(texting: Texting, tmp_path: Path) -> None:
    (tmp_path / "van.jpg").write_bytes(JPEG)
    values = {"URL": str(texting.client.base_url), "KEY": texting.world.a.keys["send"]}
    with time_machine.travel(datetime(2026, 6, 2, 17, tzinfo=UTC)):
        done = await run_page("media.md", texting.client, values, tmp_path)
    assert len(done) == 4


async def test_twilio_gets_the_very_file(database: Database, tmp_path: Path) -> None:
    async with open_stage(database, media_dir=tmp_path / "media") as stage:
        headers = {"Authorization": f"Bearer {stage.a.api_key}"}
        async with httpx.AsyncClient(base_url=stage.runtime.settings.public_url, headers=headers) as api:
            made = await api.post(MEDIA, files={"file": ("van.jpg", JPEG)})
            assert made.status_code == 201, made.text
            body = {"to": "+14805550001", "body": "Look", "media_ids": [made.json()["id"]]}
            text = await api.post("/api/sms/send", json=body)
            assert text.status_code == 202, text.text
            async with stage.dispatching():
                await stage.until_id(text.json()["id"], "delivered")
            (message,) = stage.accepted()
            (media,) = stage.emulator._exchange.world.media_of[message.sid]
            assert (media.content_type, media.content) == ("image/jpeg", JPEG)
