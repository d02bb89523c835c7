"""The standing sweep: it finds texts whose webhook never came and statuses that nobody told, and says so."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ringfence.features.messages.actions.media_store import MediaStore
from ringfence.features.messages.jobs import FetchMediaHandler, SweepHandler
from ringfence.features.messages.values import FetchMedia, SweepMessages
from ringfence.features.sync.actions.sweeps import note_learned
from ringfence.features.sync.jobs import BeginSweepHandler
from ringfence.features.sync.values import BeginSweep
from ringfence.kit.clock import utc_now
from tests.factories.scheduling import look, scheduled
from tests.factories.syncing import LONG_AGO, Syncing, text_in, text_out
from tests.factories.texts import CUSTOMER

PICTURE = "data:image/png;base64,iVBORw0KGgpub3QgbXVjaCBvZiBhIHBpY3R1cmU="


def ago(minutes: float) -> Any:
    return utc_now() - timedelta(minutes=minutes)


async def test_a_lost_text_is_taken_in_like_a_late_real_one(syncing: Syncing, tmp_path: Path) -> None:
    line = syncing.a
    syncing.connected(line, timedelta(hours=5))
    plan = await scheduled(syncing.texting, line, cancel_if_reply=True)
    await syncing.history(
        line,
        [
            text_in(CUSTOMER, line.number, LONG_AGO, "Before the account was connected"),
            text_in(CUSTOMER, line.number, ago(90), "Did you get this?"),
            text_in(CUSTOMER, line.number, ago(80), "", media=[PICTURE]),
        ],
    )

    sweeps = await syncing.sweep(line)

    texts = await syncing.messages(line)
    assert [(text["body"], text["source"], text["num_media"]) for text in texts] == [
        ("Did you get this?", "sync", 0),
        ("", "sync", 1),
    ]
    assert texts[0]["created_at"] < ago(89).isoformat()
    thread = await syncing.thread(line)
    assert (thread["unread_count"], thread["last_preview"]) == (2, "1 attachment")
    assert (await look(syncing.texting, line, plan["id"]))["status"] == "canceled"
    timeline = await syncing.texting.timeline(line, texts[0]["id"])
    assert [(event["kind"], event["detail"]) for event in timeline] == [("received", {"late": True})]
    assert (sweeps["today"]["texts_recovered"], sweeps["today"]["in_words"]) == (2, "2 texts recovered")
    handler = FetchMediaHandler(syncing.gateway, syncing.texting.world.keyring, MediaStore(tmp_path / "files"))
    await handler(syncing.context(line), FetchMedia(message_id=texts[1]["id"]))
    assert (await syncing.texting.message(line, texts[1]["id"]))["media"][0]["status"] == "stored"

    again = await syncing.sweep(line)
    assert again["today"]["texts_recovered"] == 2
    assert (await syncing.thread(line))["unread_count"] == 2


async def test_the_webhook_that_comes_after_all_changes_nothing(syncing: Syncing) -> None:
    line = syncing.a
    syncing.connected(line, timedelta(hours=5))
    (sid,) = (await syncing.history(line, [text_in(CUSTOMER, line.number, ago(10))]))["texts"]
    await syncing.sweep(line)

    answer = await syncing.texting.inbound(line, sid=sid, body="Hi")

    assert answer.status_code == 200
    assert len(await syncing.messages(line)) == 1
    assert (await syncing.thread(line))["unread_count"] == 1


async def test_webhook_and_sweep_at_once_store_a_text_once(syncing: Syncing) -> None:
    line = syncing.a
    syncing.connected(line, timedelta(hours=5))
    past = [text_in(f"+1602555{n:04}", line.number, ago(1), f"Text {n}") for n in range(20)]
    sids = (await syncing.history(line, past))["texts"]

    async def webhooks() -> None:
        for sid, item in zip(sids, past, strict=True):
            answer = await syncing.texting.inbound(line, sid=sid, sender=item["from"], body=item["body"])
            assert answer.status_code == 200

    await asyncio.gather(webhooks(), syncing.sweep(line))

    texts = await syncing.messages(line)
    assert sorted(text["twilio_sid"] for text in texts) == sorted(sids)
    threads = (await syncing.texting.get("/api/sms/conversations", line, limit=200))["items"]
    assert [thread["unread_count"] for thread in threads] == [1] * 20


@pytest.mark.parametrize("minutes", [2, 20])
async def test_only_a_text_of_the_last_minutes_is_answered_by_itself(syncing: Syncing, minutes: float) -> None:
    line = syncing.a
    syncing.connected(line, timedelta(hours=5))
    closed = {"auto_reply": {"body": "We are closed", "open_hours": {}}}
    changed = await syncing.texting.call("PATCH", "/api/company", line, json={"texting": closed})
    assert changed.status_code == 200, changed.text
    await syncing.history(line, [text_in(CUSTOMER, line.number, ago(minutes))])

    await syncing.sweep(line)

    jobs = syncing.jobs("messages.answer_by_itself")
    assert len(jobs) == (1 if minutes == 2 else 0)


async def test_stuck_statuses_and_late_prices_are_mended_and_counted(syncing: Syncing) -> None:
    line, texting = syncing.a, syncing.texting
    syncing.connected(line, timedelta(hours=5))
    past = [
        text_out(line.number, CUSTOMER, ago(30), "One"),
        text_out(line.number, CUSTOMER, ago(20), "Two", status="undelivered", error_code=30005),
        text_out(line.number, CUSTOMER, ago(10), "By another program"),
    ]
    sids = (await syncing.history(line, past))["texts"]
    ours = [await texting.sent(line, body=body) for body in ("One", "Two")]
    for text, sid in zip(ours, sids, strict=False):
        await texting.settle(line, text["id"], sid)

    sweeps = await syncing.sweep(line)

    found = {text["body"]: text for text in await syncing.messages(line)}
    assert [found[body]["status"] for body in ("One", "Two")] == ["delivered", "undelivered"]
    assert found["Two"]["error_code"] == 30005
    assert found["By another program"]["source"] == "sync"
    assert sweeps["today"]["in_words"] == "1 text sent elsewhere added, 2 statuses fixed, 2 prices filled in"
    assert sweeps["week"] == sweeps["today"]
    assert (sweeps["runs"][0]["kind"], sweeps["runs"][0]["status"]) == ("sweep", "done")
    entries = (await texting.get("/api/audit-log", line))["items"]
    assert [entry["action"] for entry in entries if entry["action"].startswith("sync")] == ["sync.done"]


async def test_what_single_questions_mend_is_counted_too(syncing: Syncing) -> None:
    line, texting = syncing.a, syncing.texting
    (sid,) = (await syncing.history(line, [text_out(line.number, CUSTOMER, ago(10))]))["texts"]
    text = await texting.sent(line)
    await texting.settle(line, text["id"], sid)
    texting.change(
        "UPDATE sms_messages SET created_at = now() - interval '9 min', updated_at = now() - interval '9 min'"
    )
    handler = SweepHandler(syncing.gateway, texting.world.keyring, tell=note_learned)

    await handler(syncing.context(line), SweepMessages())

    assert (await texting.message(line, text["id"]))["status"] == "delivered"
    today = (await syncing.status(line))["sweeps"]["today"]
    assert (today["statuses_fixed"], today["prices_filled"]) == (1, 1)


async def test_a_sweep_waits_for_a_working_connection_and_is_one_at_a_time(syncing: Syncing) -> None:
    line = syncing.a
    syncing.texting.change("UPDATE twilio_settings SET status = 'unverified'")
    await syncing.sweep(line)
    assert syncing.runs(line) == []
    syncing.texting.change("UPDATE twilio_settings SET status = 'verified'")
    await syncing.fault("503", count=1)

    await syncing.sweep(line)
    await syncing.sweep(line)

    (run,) = syncing.runs(line)
    assert (run["state"], run["failures"]) == ("done", 0)
    assert (await syncing.ask(line)).status_code == 202
    assert len(syncing.runs(line)) == 2


async def test_sweeps_without_news_are_forgotten(syncing: Syncing) -> None:
    line = syncing.a
    syncing.connected(line, timedelta(hours=5))
    await syncing.sweep(line)
    await syncing.history(line, [text_in(CUSTOMER, line.number, ago(3))])
    await syncing.sweep(line)
    syncing.texting.change("UPDATE sync_runs SET finished_at = finished_at - interval '2 hours'")

    sweeps = await syncing.sweep(line)

    assert [run["stages"][0]["recovered"] for run in sweeps["runs"]] == [0, 1]


async def test_a_run_that_stands_still_is_moved_on(syncing: Syncing) -> None:
    line = syncing.a
    run_id = (await syncing.ask(line)).json()["id"]

    def waiting() -> int:
        return sum(job["args"]["fields"]["run_id"] == run_id for job in syncing.jobs("sync.run"))

    for since, expected in (("0 min", 0), ("3 min", 1)):
        syncing.texting.change("DELETE FROM procrastinate_jobs")
        syncing.texting.change("UPDATE sync_runs SET updated_at = now() - CAST(%s AS interval)", since)
        await BeginSweepHandler()(syncing.context(line), BeginSweep())
        assert waiting() == expected
