"""Events appended per second, beside a bare INSERT, and delivered to streams.

    python -m benchmarks.events [--events 2000] [--streams 20]

One company, durable commits. Server and clients of the streams share one process, the database is on the other core.
"""

import argparse
import asyncio
import logging
import time
from typing import Any
from urllib.parse import urlsplit

import psycopg
import structlog

from benchmarks.parts.machine import MEASURED, database, machine, pin, server_version
from ringfence.api.app import create_app
from ringfence.db.engine import create_engine
from ringfence.features.events.actions import emit, number
from ringfence.features.live.actions.hub import Hub
from ringfence.kit.ids import new_id
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import Tenancy
from ringfence.wakeup.announcer import Announcer
from tests.factories.cluster import Database
from tests.factories.people import CompanyWithPeople, cheap_hasher, make_company
from tests.factories.streams import serving
from tests.factories.world import SECRET_KEY, policy

INSERT = "INSERT INTO events (company_id, id, kind, subject_id, created_at) VALUES (%s, %s, 'sync.progress', %s, now())"
IN_ONE = 500


async def append(tenancy: Tenancy, company: CompanyWithPeople, count: int) -> None:
    async with tenancy.tenant(company.company_id) as session:
        for _ in range(count):
            emit(session, kind="sync.progress", subject_id=new_id())


async def bare(target: Database, company: CompanyWithPeople, count: int) -> None:
    """The least that can be done: a prepared statement on one connection, one row a transaction, under the fence."""
    async with await psycopg.AsyncConnection.connect(target.app_url) as connection:
        for _ in range(count):
            await connection.execute(f"SET LOCAL ringfence.company_id = '{company.company_id}'")
            await connection.execute(INSERT, [company.company_id, new_id(), new_id()], prepare=True)
            await connection.commit()


async def listen(url: str, key: str, count: int, begun: asyncio.Event) -> None:
    """A client that does nothing but count, so that what is measured is the server."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"GET /api/events HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {key}\r\n\r\n"
    writer.write(head.encode())
    heard = -1
    while heard < count:
        heard += (await reader.read(1 << 20)).count(b"\ndata: ")
        begun.set()
    writer.close()


async def timed(work: Any) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def measure(target: Database, events: int, streams: int) -> dict[str, Any]:
    pin(MEASURED)
    platform = create_engine(target.platform_url, pool_size=10, application_name="bench-platform")
    announcer = Announcer(platform)
    engine = create_engine(target.app_url, pool_size=10, application_name="bench-app")
    tenancy = Tenancy(engine, platform, on_news=announcer.tell)
    hasher = cheap_hasher()
    company = await make_company(tenancy, "Cactus Plumbing", await hasher.hash("bench"))
    figures: dict[str, Any] = {"machine": machine(server_version(target))}
    figures["bare_insert_per_second"] = round(events / await timed(bare(target, company, events)))

    async def one_by_one() -> None:
        for _ in range(events):
            await append(tenancy, company, 1)

    figures["emit_one_a_transaction_per_second"] = round(events / await timed(one_by_one()))
    batched = await timed(append(tenancy, company, IN_ONE))
    figures[f"emit_{IN_ONE}_a_transaction_per_second"] = round(IN_ONE / batched)

    async def give_places() -> None:
        async with tenancy.tenant(company.company_id) as session:
            await number(session)

    figures["numbered_per_second"] = round((2 * events + IN_ONE) / await timed(give_places()))
    app = create_app(tenancy, Keyring([SECRET_KEY]), hasher, policy(), Hub(tenancy, target.platform_url))
    async with serving(app) as url:
        keys = list(company.keys.values())
        signs = [asyncio.Event() for _ in range(streams)]
        listeners = [
            asyncio.create_task(listen(url, keys[place % len(keys)], events, sign)) for place, sign in enumerate(signs)
        ]
        await asyncio.gather(*(sign.wait() for sign in signs))
        started, before = time.perf_counter(), time.process_time()
        for _ in range(0, events, IN_ONE):
            await append(tenancy, company, IN_ONE)
        await asyncio.gather(*listeners)
        seconds, cpu = time.perf_counter() - started, time.process_time() - before
    figures |= {
        "streams": streams,
        "delivered_per_second": round(events * streams / seconds),
        "delivered_per_cpu_second": round(events * streams / cpu),
    }
    await announcer.close()
    await tenancy.close()
    return figures


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=2000)
    arguments.add_argument("--streams", type=int, default=20)
    chosen = arguments.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with database() as target:
        figures = asyncio.run(measure(target, chosen.events, chosen.streams))
    for name, figure in figures.items():
        print(f"{name}: {figure}")


if __name__ == "__main__":
    main()
