"""The page about calls works line by line."""

from pathlib import Path

from tests.factories.howto import run_page
from tests.factories.telephone import Telephone


async def test_every_line_of_the_page(still: Telephone, tmp_path: Path) -> None:
    a = still.a
    values = {"URL": str(still.client.base_url), "KEY": a.company.keys["admin"], "AGENT": str(a.company.agent.id)}

    done = await run_page("calls.md", still.client, values, tmp_path)

    assert len(done) == 11
    assert len(still.stored(a, "calls")["calls"]) == 2
