"""STOP and START in texts of the past: what was said last counts, in whatever order they are found."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from ringfence.kit.clock import utc_now
from tests.factories.syncing import LONG_AGO, Syncing, text_in
from tests.factories.texts import CUSTOMER, Line


async def opt_outs(syncing: Syncing, line: Line) -> list[dict[str, Any]]:
    return (await syncing.texting.get("/api/sms/opt-outs", line))["items"]


def after(hours: int) -> datetime:
    return LONG_AGO + timedelta(hours=hours)


async def test_an_old_stop_without_a_later_start_blocks_from_now_on(syncing: Syncing) -> None:
    line = syncing.a
    await syncing.history(
        line,
        [
            text_in(CUSTOMER, line.number, after(0), "START"),
            text_in(CUSTOMER, line.number, after(1), "stop "),
            text_in(CUSTOMER, line.number, after(2), "Please stop by at noon"),
        ],
    )

    await syncing.sync(line)

    (found,) = await opt_outs(syncing, line)
    assert (found["outside_number"], found["source"], found["ended_at"]) == (CUSTOMER, "keyword", None)
    assert datetime.fromisoformat(found["created_at"]) == after(1)
    assert (await syncing.texting.send(line)).json()["code"] == "opted_out"
    assert (await syncing.texting.send(syncing.b)).status_code == 202


@pytest.mark.parametrize("page_size", [1, 20])
async def test_a_stop_that_was_taken_back_is_kept_as_evidence_and_blocks_nothing(
    syncing: Syncing, page_size: int
) -> None:
    line = syncing.a
    await syncing.history(
        line,
        [text_in(CUSTOMER, line.number, after(0), "STOP"), text_in(CUSTOMER, line.number, after(1), "Unstop")],
    )

    await syncing.sync(line, page_size=page_size)
    await syncing.sync(line, whole=True)

    (found,) = await opt_outs(syncing, line)
    assert datetime.fromisoformat(found["ended_at"]) == after(1)
    assert (await syncing.texting.send(line)).status_code == 202


async def test_an_old_stop_does_not_undo_what_staff_decided_later(syncing: Syncing) -> None:
    line, texting = syncing.a, syncing.texting
    body = {"outside_number": CUSTOMER, "evidence": "asked by telephone"}
    added = await texting.call("POST", "/api/sms/opt-outs", line, json=body)
    assert added.status_code == 201, added.text
    ended = await texting.call(
        "DELETE", f"/api/sms/opt-outs/{added.json()['id']}", line, json={"evidence": "signed a form"}
    )
    assert ended.is_success, ended.text
    await syncing.history(line, [text_in(CUSTOMER, line.number, after(0), "STOP")])

    await syncing.sync(line)

    assert (await texting.send(line)).status_code == 202


async def test_a_lost_stop_that_a_start_followed_does_not_block(syncing: Syncing) -> None:
    """The STOP's webhook was lost, the START's was not."""
    line = syncing.a
    syncing.connected(line, timedelta(hours=5))
    past = [text_in(CUSTOMER, line.number, utc_now() - timedelta(minutes=9), "STOP")]
    lost_one = [text_in("+16025550991", line.number, utc_now() - timedelta(minutes=8), "STOP")]
    await syncing.history(line, past + lost_one)
    assert (await syncing.texting.inbound(line, body="START")).status_code == 200

    await syncing.sweep(line)

    assert (await syncing.texting.send(line)).status_code == 202
    assert (await syncing.texting.send(line, to="+16025550991")).json()["code"] == "opted_out"
