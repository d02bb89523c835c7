"""Uploads stay inside their company, and with whoever uploaded them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError

from ringfence.features.messages.actions.links import link
from ringfence.features.messages.model import MediaUpload
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.files import JPEG, MEDIA, post_file, uploaded
from tests.factories.texts import Texting, make_texting, texting_services
from tests.factories.world import World


@pytest.fixture
def more_services(tmp_path: Path) -> tuple[object, ...]:
    return texting_services(tmp_path)


@pytest.fixture
async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    return await make_texting(world, client, database)


async def test_another_companys_upload_is_like_none(texting: Texting) -> None:
    theirs, ours = await uploaded(texting, texting.a), await uploaded(texting, texting.b)
    before = texting.stored(texting.a)
    unknown = str(new_id())
    for media_id, status in ((theirs, 404), (unknown, 404), (ours, 200)):
        assert (await texting.call("GET", f"{MEDIA}/{media_id}", texting.b)).status_code == status
    for path, extra in (
        ("/api/sms/send", {}),
        ("/api/sms/schedule", {"scheduled_at": (datetime.now(UTC) + timedelta(days=30)).isoformat()}),
    ):
        answers = {}
        for media_id in (theirs, unknown, ours):
            body = {"to": "+16025550990", "body": "Look", "media_ids": [media_id], **extra}
            answers[media_id] = await texting.call("POST", path, texting.b, json=body)
        assert answers[theirs].status_code == 422
        assert answers[theirs].content == answers[unknown].content
        assert answers[ours].status_code in {201, 202}, answers[ours].text
    # A link that names the own company and another one's file, even signed by this server.
    signed = link(texting.world.keyring, "", texting.b.company_id, theirs, 99_999_999_999)  # pyright: ignore
    assert (await texting.client.get(signed)).status_code == 404
    own = link(texting.world.keyring, "", texting.a.company_id, theirs, 99_999_999_999)  # pyright: ignore
    assert (await texting.client.get(own)).content == JPEG
    assert texting.stored(texting.a) == before
    foreign = await post_file(texting, texting.b, data={"company_id": str(texting.a.company_id)})
    assert foreign.status_code in {400, 422}


async def test_who_may_upload_and_look(texting: Texting, world: World) -> None:
    assert (await texting.client.post(MEDIA, files={"file": ("a", JPEG)})).status_code == 401
    assert (await post_file(texting, texting.a, scope="read")).status_code == 403
    root = await world.log_in(world.super_admin)
    assert (await root.post(MEDIA, files={"file": ("a", JPEG)})).status_code == 403
    agent, manager = await world.log_in(world.a.agent), await world.log_in(world.a.manager)
    made = await agent.post(MEDIA, files={"file": ("a", JPEG)})
    assert made.status_code == 201, made.text
    path = f"{MEDIA}/{made.json()['id']}"
    assert (await agent.get(path)).status_code == 200
    assert (await manager.get(path)).status_code == 200
    assert (await texting.call("GET", path, texting.a, scope="send")).status_code == 404
    assert (await root.get(path)).status_code == 403


async def test_the_table_is_fenced(texting: Texting, world: World) -> None:
    await uploaded(texting, texting.a)
    async with world.tenancy.tenant(texting.b.company_id) as session:
        rows = await session.scalars(select(MediaUpload.id).where(MediaUpload.company_id == session.company_id))
        assert rows.all() == []
    async with world.tenancy.platform() as session:
        context = text("SELECT set_config('ringfence.company_id', :company_id, true)")
        await session.execute(context, {"company_id": str(texting.a.company_id)})
        with pytest.raises(ProgrammingError, match="permission denied"):
            await session.scalars(select(MediaUpload.id))
        await session.rollback()
