"""Figures of A have nothing of B in them, whatever B does and whatever A asks for."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.factories.cluster import Database
from tests.factories.texts import Line, Texting, make_texting, new_sid, texting_services
from tests.factories.world import World

PATH = "/api/sms/analytics"
DIVISIONS = ("day", "phone_number", "user", "template", "bulk_send")


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return texting_services(tmp_path / "media")


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)


async def work(texting: Texting, line: Line) -> None:
    """A little of everything that is counted."""
    made = await texting.call("POST", "/api/sms/templates", line, json={"name": "Canary", "body": "Hello"})
    await texting.inbound(line, body="A question")
    sent = await texting.sent(line, body="", template_id=made.json()["id"])
    sid = new_sid()
    await texting.settle(line, sent["id"], sid)
    await texting.status(line, sent["id"], sid, "failed", fields={"ErrorCode": "30008"})
    await texting.inbound(line, body="STOP", sender="+16025550993")


async def figures(texting: Texting, line: Line) -> list[Any]:
    shown = [await texting.get(PATH, line, by=by) for by in DIVISIONS]
    files = [(await texting.call("GET", f"{PATH}/export", line, params={"by": by})).text for by in DIVISIONS]
    return [*shown, *files]


async def test_growth_of_b_leaves_the_figures_of_a(texting: Texting) -> None:
    await work(texting, texting.a)
    before_a, before_b = await figures(texting, texting.a), await figures(texting, texting.b)

    await work(texting, texting.b)

    assert await figures(texting, texting.a) == before_a
    after_b = await figures(texting, texting.b)
    assert all(now != before for now, before in zip(after_b, before_b, strict=True))
    names = str(before_a)
    assert texting.a.number in names
    assert [secret for secret in (texting.b.number, str(texting.b.company_id)) if secret in names] == []


async def test_company_cannot_be_chosen(texting: Texting) -> None:
    await work(texting, texting.b)
    answer = await texting.call(
        "GET",
        PATH,
        texting.a,
        params={"company_id": str(texting.b.company_id)},
        headers={"X-Company-Id": str(texting.b.company_id)},
    )
    assert answer.json()["totals"]["received"] == 0
    assert (await texting.get(PATH, texting.b))["totals"]["received"] == 2


async def test_super_admin_sees_figures_only_inside_the_company(texting: Texting) -> None:
    await work(texting, texting.a)
    root = await texting.world.log_in(texting.world.super_admin)
    assert (await root.get(PATH)).json()["code"] == "platform_only"
    body = {"company_id": str(texting.a.company_id), "reason": "Figures look wrong"}
    await root.post("/api/platform/enter", json=body)
    assert (await root.get(PATH)).json()["totals"]["received"] == 2
