"""The lines of docs/howto/live-events.md, as they stand there."""

import itertools
import re
import shlex
from pathlib import Path

from tests.factories.howto import lines_of, run_line
from tests.factories.streams import Listener
from tests.factories.texts import Texting
from tests.integration.live.conftest import Live


def stream_of(line: str, known: dict[str, str]) -> Listener:
    words = shlex.split(re.sub(r"\$([A-Z]+)", lambda found: known[found.group(1)], line))
    assert words[:2] == ["curl", "-N"]
    headers = dict(word.split(": ", 1) for option, word in itertools.pairwise(words) if option == "-H")
    return Listener(words[2], headers, comes_back=False)


async def test_the_page_of_live_events(live: Live, texting: Texting, tmp_path: Path) -> None:
    known = {"URL": live.url, "KEY": live.world.a.keys["send"]}
    begin, send, resume = lines_of("live-events.md")

    first = stream_of(begin, known)
    await first.start()
    await run_line(send, texting.client, {**known, "URL": ""}, tmp_path)
    await first.until(lambda: first.kinds == ["message.created"])
    told = await live.happen(live.world.a)
    again = stream_of(resume, {**known, "LAST": first.events[0]["id"]})
    await again.start()
    await again.until(lambda: again.subjects == told)

    assert first.about == ["stream.started"]
    assert again.about == []
    await first.stop()
    await again.stop()
