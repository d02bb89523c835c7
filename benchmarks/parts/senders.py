"""The two sides of the dispatch benchmark, each run as a part on the measured core.

`raw`: POSTs in a loop with aiohttp and nothing else. `dispatcher`: the send engine with everything it does for a text:
claim, gate, intent, POST, outcome, timeline. Each prints `{"texts", "seconds", "cpu_seconds"}` for one run.
"""

import asyncio
import json
import resource
import sys
import time
from urllib.parse import urlencode

import aiohttp
import uvloop
from psycopg import AsyncConnection
from yarl import URL

from ringfence.web import logs
from ringfence.worker.supervise import dispatcher
from tests.factories.cluster import Database
from tests.factories.stage import build_runtime, send_client


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def report(texts: int, started: float, used: float) -> None:
    print(json.dumps({"texts": texts, "seconds": time.monotonic() - started, "cpu_seconds": cpu() - used}), flush=True)


async def raw(port: int, texts: int, at_once: int) -> None:
    """The same form to the same address, `at_once` at a time."""
    url = URL(f"http://127.0.0.1:{port}/2010-04-01/Accounts/AC{'a1' * 16}/Messages.json")
    form = urlencode(
        {
            "To": "+14805550001",
            "From": "+16025550100",
            "Body": "Text 1",
            "StatusCallback": "http://127.0.0.1:8000/webhooks/twilio/" + "x" * 43 + "/status?message_id=" + "x" * 100,
        }
    ).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic " + "x" * 90}
    left = iter(range(texts))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:

        async def post() -> None:
            for _ in left:
                async with session.post(url, data=form, headers=headers) as answer:
                    assert json.loads(await answer.read())["sid"]

        started, used = time.monotonic(), cpu()
        await asyncio.gather(*(post() for _ in range(at_once)))
        report(texts, started, used)


async def dispatch(port: int, texts: int, at_once: int, urls: list[str]) -> None:
    """Send what waits in the outbox, until nothing does."""
    database = Database("bench", *urls)
    runtime = build_runtime(
        database,
        "http://127.0.0.1:8000",
        f"http://127.0.0.1:{port}",
        post_timeout_seconds=30.0,
        post_grace_seconds=10.0,
        unknown_lookup_seconds=60.0,
        unconfirmed_after_seconds=600.0,
        dispatcher_lease_seconds=8.0,
        dispatch_in_flight=2 * at_once,
        account_in_flight=at_once,
    )
    stop = asyncio.Event()
    async with (
        send_client(runtime.settings) as client,
        await AsyncConnection.connect(database.admin_url, autocommit=True) as admin,
    ):
        started, used = time.monotonic(), cpu()
        running = asyncio.create_task(dispatcher(runtime, client).run(stop))
        # The database says when all is done; nothing in this process knows.
        while await (await admin.execute("SELECT 1 FROM outbox LIMIT 1")).fetchone():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        report(texts, started, used)
        stop.set()
        await running
    await runtime.close()


def main() -> None:
    side, port, texts, at_once, *urls = sys.argv[1:]
    logs.configure(level="error", style="json")
    if side == "raw":
        uvloop.run(raw(int(port), int(texts), int(at_once)))
    else:
        uvloop.run(dispatch(int(port), int(texts), int(at_once), urls))
    sys.stdin.read()


if __name__ == "__main__":
    main()
