"""The inbox with five million texts of 1,000 companies: the tenant role under row security against no row security.

    python -m benchmarks.conversations [--texts 5000000] [--pages 300]

Two companies have a tenth of all texts each. Both sides run the product's own queries, a transaction a page, and take
turns; the one without row security is the administrator, and saves the round trip that sets the company. Words are
stored for one text in ten.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from statistics import median, quantiles
from typing import Any, cast
from uuid import UUID

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from benchmarks.parts.machine import MEASURED, database, machine, pin, server_version, write
from ringfence.db.engine import create_engine
from ringfence.features.conversations.queries import Filters, count_threads, list_threads
from ringfence.features.conversations.values import THE_COMPANY, Viewer
from ringfence.features.messages.queries import messages
from ringfence.features.messages.queries.search import search
from ringfence.tenancy.sessions import Tenancy, TenantSession
from ringfence.web.paging import Position
from tests.factories.cluster import Database

COMPANIES, TEXTS_IN_A_THREAD, BODIES = 1000, 10, 2000
# A thread's company: one in ten is the first company's, one in ten the second's, the others are everybody's.
OWNER = "CASE t % 10 WHEN 0 THEN 1 WHEN 1 THEN 2 ELSE 3 + (t / 10) % ({companies} - 2) END"
LOAD = (
    "CREATE FUNCTION c(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$SELECT md5('c' || n)::uuid$$",
    "CREATE FUNCTION t(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$SELECT md5('t' || n)::uuid$$",
    # Ids of texts are ordered by time, as the product's are.
    """
    CREATE FUNCTION m(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$SELECT (lpad(to_hex(n), 12, '0') || left(md5('m' || n), 20))::uuid$$
    """,
    """
    INSERT INTO companies (id, name, created_at)
    SELECT c(n), 'Company ' || n, now() FROM generate_series(1, {companies}) n
    """,
    """
    INSERT INTO users (company_id, id, email, email_norm, name, role, password_hash, created_at, updated_at)
    SELECT c(n), c(n), n || '@a.example', n || '@a.example', 'Ana', 'agent', '', now(), now()
    FROM generate_series(1, {companies}) n
    """,
    """
    INSERT INTO phone_numbers (company_id, id, account_sid, phone_number, friendly_name, sms, mms, voice, created_at,
        updated_at)
    SELECT c(n), c(n), 'AC', '+1602' || n, '', true, true, true, now(), now() FROM generate_series(1, {companies}) n
    """,
    """
    INSERT INTO conversations (company_id, id, phone_number_id, outside_number, state, assigned_to, last_message_at,
        last_inbound_at, last_direction, last_preview, unread_count, created_at)
    SELECT c(n), t(t), c(n), '+1480' || t,
        CASE WHEN t / 10 % 10 < 3 THEN 'open' WHEN t / 10 % 10 = 3 THEN 'snoozed' ELSE 'done' END,
        CASE WHEN t / 100 % 2 = 0 THEN c(n) END, now() - t * interval '1 second', now() - t * interval '1 second',
        'inbound', 'See you then', t % 3, now() - interval '1 year'
    FROM (SELECT t, {owner} AS n FROM generate_series(1, {threads}) t) threads
    """,
    """
    CREATE TABLE bodies AS SELECT b, (
        SELECT string_agg('w' || floor(20000 * power(random(), 4))::int, ' ') FROM generate_series(1, 9) WHERE b = b
    ) || CASE WHEN b % 50 = 0 THEN ' invoice' ELSE '' END AS body FROM generate_series(0, {bodies} - 1) b
    """,
    """
    INSERT INTO sms_messages (company_id, id, conversation_id, phone_number_id, direction, status, from_number,
        to_number, body, encoding, num_segments, source, created_at, updated_at)
    SELECT c(n), m(g), t(t), c(n), 'inbound', 'received', '+1480' || t, '+1602' || n, body, 'GSM-7', 1,
        'webhook', at, at
    FROM (
        SELECT g, t, {owner} AS n, now() - ({texts} - g) * interval '1 second' AS at
        FROM (SELECT g, 1 + g % {threads} AS t FROM generate_series(1, {texts}) g) texts
    ) texts JOIN bodies ON b = g % {bodies}
    """,
    """
    INSERT INTO message_words (company_id, term, at, message_id)
    SELECT c(n), term, at, m(g)
    FROM (
        SELECT g, {owner} AS n, now() - ({texts} - g) * interval '1 second' AS at
        FROM (SELECT g, 1 + g % {threads} AS t FROM generate_series(1, {texts}) g WHERE g / 10 % 10 = 0) texts
    ) texts JOIN (SELECT DISTINCT b, unnest(string_to_array(body, ' ')) AS term FROM bodies) words ON b = g % {bodies}
    ORDER BY 1, 2, 3
    """,
)
TABLES = ("sms_messages", "message_words", "conversations")


class Plain(AsyncSession):
    """A session of the same shape without row security, and without a company to set."""

    def __init__(self, engine: AsyncEngine, company_id: UUID) -> None:
        super().__init__(engine, expire_on_commit=False)
        self.company_id = company_id


Page = Callable[[TenantSession, Viewer, UUID, Position], Awaitable[object]]


def pages() -> dict[str, Page]:
    """What is measured: each gets a session, an agent who sees their own and nobody's, a thread and a place."""

    async def first(session: TenantSession, _agent: Viewer, _thread: UUID, _place: Position) -> object:
        return await list_threads(session, THE_COMPANY, filters=Filters(state="open"), after=None, limit=50)

    async def later(session: TenantSession, _agent: Viewer, _thread: UUID, place: Position) -> object:
        return await list_threads(session, THE_COMPANY, filters=Filters(), after=place, limit=50)

    async def narrow(session: TenantSession, agent: Viewer, _thread: UUID, _place: Position) -> object:
        return await list_threads(session, agent, filters=Filters(state="open"), after=None, limit=50)

    async def unread(session: TenantSession, agent: Viewer, _thread: UUID, _place: Position) -> object:
        return await list_threads(session, agent, filters=Filters(state="open", unread=True), after=None, limit=50)

    async def counts(session: TenantSession, agent: Viewer, _thread: UUID, _place: Position) -> object:
        return await count_threads(session, agent)

    async def texts(session: TenantSession, _agent: Viewer, thread: UUID, _place: Position) -> object:
        filters = messages.Filters(conversation_id=thread)
        return await messages.list_messages(session, THE_COMPANY, filters=filters, after=None, limit=50)

    async def word(session: TenantSession, _agent: Viewer, _thread: UUID, _place: Position) -> object:
        return await search(session, THE_COMPANY, "invoice ", after=None, limit=50)

    async def words(session: TenantSession, agent: Viewer, _thread: UUID, _place: Position) -> object:
        return await search(session, agent, "w0 inv", after=None, limit=50)

    return {
        "open conversations, first page": first,
        "all conversations, a later page": later,
        "open ones, an agent's own and nobody's": narrow,
        "… of these the unread ones": unread,
        "counts of all tabs": counts,
        "texts of a conversation": texts,
        "search, one word": word,
        "search, a frequent word and a beginning": words,
    }


def load(target: Database, texts: int) -> dict[str, float]:
    """The data; what each part took, in seconds. Indexes are built after it, as a restore would."""
    values = {
        "texts": texts,
        "threads": texts // TEXTS_IN_A_THREAD,
        "companies": COMPANIES,
        "bodies": BODIES,
        "owner": OWNER.format(companies=COMPANIES),
    }
    took: dict[str, float] = {}
    with psycopg.connect(target.admin_url, autocommit=True) as admin:
        admin.execute("SET session_replication_role = replica")
        admin.execute("SET maintenance_work_mem = '256MB'")
        admin.execute("SET synchronous_commit = off")
        rebuilt = admin.execute(
            "SELECT pg_get_indexdef(indexrelid), indexrelid::regclass::text FROM pg_index"
            " WHERE indrelid = ANY(%s::regclass[]) AND NOT indisprimary AND NOT indisunique",
            [list(TABLES)],
        ).fetchall()
        for _, name in rebuilt:
            admin.execute(f"DROP INDEX {name}")  # pyright: ignore[reportArgumentType]
        for number, statement in enumerate(LOAD):
            began = time.monotonic()
            admin.execute(statement.format(**values))  # pyright: ignore[reportArgumentType]
            took[f"load {number}"] = round(time.monotonic() - began, 1)
        began = time.monotonic()
        for definition, _ in rebuilt:
            admin.execute(definition)
        for table in (*TABLES, "users", "phone_numbers"):
            admin.execute(f"VACUUM ANALYZE {table}")  # pyright: ignore[reportArgumentType]
        took["indexes"] = round(time.monotonic() - began, 1)
    return took


async def measure_pages(target: Database, texts: int, count: int) -> dict[str, Any]:
    tenancy = Tenancy(
        create_engine(target.app_url, pool_size=1, application_name="bench-tenant"),
        create_engine(target.platform_url, pool_size=1, application_name="bench-platform"),
    )
    plain = create_engine(target.admin_url, pool_size=1, application_name="bench-plain")
    with psycopg.connect(target.admin_url) as admin:
        rows = admin.execute(
            "SELECT company_id, id, last_message_at FROM conversations WHERE company_id IN (c(1), c(2))"
            " OR company_id < '08000000-0000-0000-0000-000000000000' ORDER BY md5(id::text) LIMIT 2000"
        ).fetchall()
    chance = random.Random(7)

    async def tenant_side(page: Page, company: UUID, agent: Viewer, thread: UUID, place: Position) -> None:
        async with tenancy.tenant(company) as session:
            await page(session, agent, thread, place)

    async def plain_side(page: Page, company: UUID, agent: Viewer, thread: UUID, place: Position) -> None:
        async with Plain(plain, company) as session:
            await page(cast("TenantSession", session), agent, thread, place)
            await session.commit()

    measured: dict[str, Any] = {}
    for name, page in pages().items():
        times: dict[str, list[float]] = {"plain": [], "tenant": []}
        for n in range(count + 20):
            company, thread, at = chance.choice(rows)
            agent, place = Viewer(user_id=company, sees_all=False), Position(at, thread)
            for side, run in (
                (("plain", plain_side), ("tenant", tenant_side))
                if n % 2
                else (
                    ("tenant", tenant_side),
                    ("plain", plain_side),
                )
            ):
                began = time.perf_counter()
                await run(page, company, agent, thread, place)
                # The first ones fill caches of plans, statements and pages.
                if n >= 20:
                    times[side].append((time.perf_counter() - began) * 1000)
        measured[name] = {
            side: {"p50_ms": median(values), "p99_ms": quantiles(values, n=100)[98]} for side, values in times.items()
        }
    await tenancy.close()
    await plain.dispose()
    return measured


def measure(texts: int, count: int) -> dict[str, Any]:
    with database() as target:
        took = load(target, texts)
        pin(MEASURED)
        return {
            "machine": machine(server_version(target)),
            "seconds_to_load": took,
            "pages": asyncio.run(measure_pages(target, texts, count)),
        }


def table(result: dict[str, Any]) -> str:
    lines = [
        "| p50 / p99 in ms | no row security | tenant role | ratio |",
        "|---|---:|---:|---:|",
    ]
    for name, sides in result["pages"].items():
        plain, tenant = sides["plain"], sides["tenant"]
        p50, p99 = tenant["p50_ms"] / plain["p50_ms"], tenant["p99_ms"] / plain["p99_ms"]
        times = (f"{side['p50_ms']:.1f} / {side['p99_ms']:.1f}" for side in (plain, tenant))
        lines.append(f"| {name} | {' | '.join(times)} | {p50:.2f} / {p99:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=5_000_000)
    parser.add_argument("--pages", type=int, default=300)
    options = parser.parse_args()
    result = measure(options.texts, options.pages)
    command = f"python -m benchmarks.conversations --texts {options.texts} --pages {options.pages}"
    result = {"title": "The inbox under row security", "command": command, **result}
    write("conversations", result, table(result))


if __name__ == "__main__":
    main()
