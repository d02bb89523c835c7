"""The page about outgoing webhooks works line by line."""

from pathlib import Path

from tests.factories.hooks import Hooks
from tests.factories.howto import run_page
from tests.factories.receivers import receiving


async def test_every_line_of_the_page(hooks: Hooks, tmp_path: Path) -> None:
    async with receiving() as receiver, hooks.couriering():
        key = hooks.a.company.keys["admin"]
        values = {"URL": str(hooks.texting.client.base_url), "KEY": key, "CRM": receiver.url}
        done = await run_page("outgoing-webhooks.md", hooks.texting.client, values, tmp_path)
        [got] = await receiver.receives(1)

    assert len(done) == 9
    assert got.body["type"] == "ping"
