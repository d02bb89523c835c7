"""The audit log as a chain: sealed in batches, checked by command, and every kind of tampering named."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from ringfence.errors import ConfigurationError
from ringfence.features.audit_log import actions
from ringfence.features.audit_log.model import AuditEntry, AuditSeal
from ringfence.features.audit_log.values import ENTRY_FIELDS, LATE, START, SYSTEM, entry_digest, link_digest
from ringfence.kit.ids import new_id
from ringfence.migrations.metadata import metadata
from ringfence.tenancy import selfcheck
from ringfence.tenancy.sessions import Tenancy
from tests.factories.cluster import Database
from tests.factories.world import World
from tests.integration.audit.chain_world import Command, act, as_owner, links, seal, tamper

SOME_LINK = 4
INSERT_BACKDATED = """
    INSERT INTO audit_log (company_id, id, at, actor_kind, actor_name, action, target_kind)
    SELECT %(c)s, gen_random_uuid(), min(at) - interval '2 hours', 'system', 'nobody', 'never.happened', 'test'
    FROM audit_log WHERE company_id = %(c)s
"""
RENUMBER = "UPDATE audit_seals SET seq = seq {} WHERE company_id = %(c)s AND seq {}"


@pytest.fixture
def ringfence(database: Database) -> Command:
    return Command(database)


@pytest.fixture
async def sealed(world: World) -> World:
    """Both companies have a sealed log of ten links and more."""
    for company in (world.a, world.b):
        await act(world.tenancy, company.company_id, "test.one", "test.two", "test.three")
        await seal(world.tenancy, company.company_id)
    return world


async def test_chain_holds_and_grows(sealed: World, database: Database, ringfence: Command) -> None:
    company_id = sealed.a.company_id
    exit_code, fields = await ringfence.log(company_id)
    found = await links(database, company_id)
    head = f"{len(found)}:{found[-1]['hash'].hex()}"
    assert (exit_code, fields) == (0, ["holds", f"{len(found)} sealed, 0 waiting", f"head {head}"])
    assert [link["seq"] for link in found] == list(range(1, len(found) + 1))

    await act(sealed.tenancy, company_id, "test.four")
    assert (await ringfence.log(company_id))[1][1] == f"{len(found)} sealed, 1 waiting"
    await seal(sealed.tenancy, company_id)
    await seal(sealed.tenancy, company_id)
    assert (await ringfence.log(company_id, "--head", head))[1][1] == f"{len(found) + 1} sealed, 0 waiting"


async def test_the_whole_server_is_checked_company_by_company(
    sealed: World, database: Database, ringfence: Command
) -> None:
    await tamper(database, sealed.b.company_id, "DELETE FROM audit_log WHERE company_id = %(c)s")

    result = await ringfence("log")

    lines = {line.split("\t")[0]: line.split("\t")[1] for line in result.stdout.splitlines()}
    assert (result.exit_code, lines) == (
        1,
        {str(sealed.a.company_id): "holds", str(sealed.b.company_id): "BROKEN"},
    )
    root = await sealed.log_in(sealed.super_admin)
    await root.patch(f"/api/platform/companies/{sealed.b.company_id}", json={"status": "suspended"})
    assert (await ringfence("log")).exit_code == 1, "a suspended company is checked too"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--company", new_id()), "No company has the id"),
        (("--head", "1:" + "a" * 64), "give --company too"),
        (("--company", new_id(), "--head", "nonsense"), "is the head that"),
    ],
)
async def test_what_cannot_be_checked_is_not_called_broken(
    sealed: World, ringfence: Command, arguments: tuple[object, ...], reason: str
) -> None:
    result = await ringfence("log", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr
    assert (await ringfence("log")).exit_code == 0


async def test_a_database_that_does_not_answer_is_not_called_broken(sealed: World, database: Database) -> None:
    absent = Database("x", "", "", *(f"{url}_absent" for url in (database.app_url, database.platform_url)))
    result = await Command(absent)("log")
    assert result.exit_code == 2
    assert "does not answer" in result.stderr
    assert (await Command(database)("log")).exit_code == 0


TAMPERING = {
    "an entry's name": (
        "changed",
        ["UPDATE audit_log SET actor_name = 'x' WHERE company_id = %(c)s AND id = %(e)s"],
    ),
    "an entry's time": ("changed", ["UPDATE audit_log SET at = at + interval '1 ms' WHERE id = %(e)s"]),
    "an entry's detail": ("changed", ["UPDATE audit_log SET after = '{}' WHERE id = %(e)s"]),
    "a link's time": ("changed", ["UPDATE audit_seals SET sealed_at = now() WHERE entry_id = %(e)s"]),
    "a link's hash": ("changed", ["UPDATE audit_seals SET hash = decode('00', 'hex') WHERE entry_id = %(e)s"]),
    "a link's reach": (
        "changed",
        ["UPDATE audit_seals SET latest_at = latest_at + interval '1 day' WHERE entry_id = %(e)s"],
    ),
    "entry deleted": ("missing", ["DELETE FROM audit_log WHERE id = %(e)s"]),
    "entry and link deleted": (
        "missing",
        ["DELETE FROM audit_seals WHERE entry_id = %(e)s", "DELETE FROM audit_log WHERE id = %(e)s"],
    ),
    "deleted and numbers closed up": (
        "missing",
        [
            "DELETE FROM audit_seals WHERE entry_id = %(e)s",
            "DELETE FROM audit_log WHERE id = %(e)s",
            RENUMBER.format("+ 1000", f"> {SOME_LINK}"),
            RENUMBER.format("- 1001", "> 1000"),
        ],
    ),
    "links swapped": (
        "reordered",
        [
            RENUMBER.format("+ 1000", f"IN ({SOME_LINK}, {SOME_LINK + 1})"),
            RENUMBER.format("- 999", f"= {SOME_LINK + 1000}"),
            RENUMBER.format("- 1001", f"= {SOME_LINK + 1001}"),
        ],
    ),
    "entries swapped between links": (
        "reordered",
        [
            "ALTER TABLE audit_seals DROP CONSTRAINT uq_audit_seals_company_id_entry_id",
            f"""UPDATE audit_seals s SET entry_id = o.entry_id FROM audit_seals o
                WHERE s.company_id = %(c)s AND o.company_id = %(c)s AND s.seq IN ({SOME_LINK}, {SOME_LINK + 1})
                  AND o.seq = {2 * SOME_LINK + 1} - s.seq""",
        ],
    ),
    "link moved to the end": (
        "missing",
        [RENUMBER.format("+ 1000", f"= {SOME_LINK}")],
    ),
}


@pytest.mark.parametrize("name", TAMPERING)
async def test_tampering_is_named(sealed: World, database: Database, ringfence: Command, name: str) -> None:
    kind, statements = TAMPERING[name]
    company_id = sealed.a.company_id
    assert (await ringfence.log(company_id))[0] == 0
    entry_id = (await links(database, company_id))[SOME_LINK - 1]["entry_id"]
    async with as_owner(database) as connection:
        for statement in statements:
            await connection.execute(statement, {"c": company_id, "e": entry_id})

    exit_code, (verdict, found, place) = await ringfence.log(company_id)

    assert (exit_code, verdict, found) == (1, "BROKEN", kind), place
    assert place.startswith(f"link {SOME_LINK}")
    assert (await ringfence.log(sealed.b.company_id))[0] == 0


async def test_first_link_and_whole_front_are_missed(sealed: World, database: Database, ringfence: Command) -> None:
    await tamper(database, sealed.a.company_id, "DELETE FROM audit_seals WHERE company_id = %(c)s AND seq < 3")
    assert (await ringfence.log(sealed.a.company_id))[1][1:] == ["missing", "link 1: link 1 was taken out"]


async def test_entry_put_in_with_an_old_time_is_never_sealed(
    sealed: World, database: Database, ringfence: Command
) -> None:
    company_id = sealed.a.company_id
    await tamper(database, company_id, INSERT_BACKDATED)
    for _ in range(2):
        exit_code, (verdict, kind, place) = await ringfence.log(company_id)
        assert (exit_code, verdict, kind) == (1, "BROKEN", "inserted")
        assert place.startswith("no link, entry ")
        await seal(sealed.tenancy, company_id)


async def test_entry_put_in_with_a_link_of_its_own_is_found(
    sealed: World, database: Database, ringfence: Command
) -> None:
    company_id = sealed.a.company_id
    before = await links(database, company_id)
    neighbour = before[SOME_LINK - 1]
    async with as_owner(database) as connection:
        await connection.execute(RENUMBER.format("+ 1000", f"> {SOME_LINK}"), {"c": company_id})
        await connection.execute(RENUMBER.format("- 999", "> 1000"), {"c": company_id})
        await forge_link(connection, company_id, neighbour, at=neighbour["latest_at"])

    exit_code, (verdict, kind, place) = await ringfence.log(company_id)

    assert (exit_code, verdict, kind) == (1, "BROKEN", "inserted")
    assert place.startswith(f"link {SOME_LINK + 1}, ")


async def test_entry_put_in_before_all_others_is_found(sealed: World, database: Database, ringfence: Command) -> None:
    company_id = sealed.a.company_id
    async with as_owner(database) as connection:
        await connection.execute(RENUMBER.format("+ 1000", "> 0"), {"c": company_id})
        await connection.execute(RENUMBER.format("- 999", "> 1000"), {"c": company_id})
        nothing = {"seq": 0, "hash": START, "latest_at": datetime(2026, 1, 1, tzinfo=UTC)}
        await forge_link(connection, company_id, nothing, at=nothing["latest_at"])

    assert (await ringfence.log(company_id))[1][1] == "inserted"


async def forge_link(
    connection: psycopg.AsyncConnection, company_id: UUID, previous: dict[str, Any], *, at: datetime
) -> None:
    """An entry that never was and a link for it behind another one, every digest right."""
    entry = AuditEntry(
        company_id=company_id,
        id=new_id(),
        at=at,
        actor_kind="system",
        actor_name="nobody",
        action="never.happened",
        target_kind="test",
    )
    names = [name for name in ENTRY_FIELDS if name not in {"before", "after"}]
    await connection.execute(
        f"INSERT INTO audit_log ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})",
        [getattr(entry, name) for name in names],
    )
    facts = {
        "company_id": company_id,
        "seq": previous["seq"] + 1,
        "entry_id": entry.id,
        "entry_hash": entry_digest(entry),
        "previous_hash": previous["hash"],
        "latest_at": max(previous["latest_at"], at),
        "sealed_at": previous["latest_at"],
    }
    link = {**facts, "hash": link_digest(**facts)}
    await connection.execute(
        f"INSERT INTO audit_seals ({', '.join(link)}) VALUES ({', '.join(['%s'] * len(link))})", [*link.values()]
    )


async def test_old_entry_with_a_link_at_the_end_is_found(sealed: World, database: Database, ringfence: Command) -> None:
    company_id = sealed.a.company_id
    last = (await links(database, company_id))[-1]
    async with as_owner(database) as connection:
        await forge_link(connection, company_id, last, at=last["latest_at"] - LATE - timedelta(seconds=1))

    exit_code, (_, kind, place) = await ringfence.log(company_id)
    assert (exit_code, kind) == (1, "inserted")
    assert place.startswith(f"link {last['seq'] + 1}, ")


async def test_only_a_noted_head_shows_that_a_chain_was_rebuilt_or_cut_off(
    sealed: World, database: Database, ringfence: Command
) -> None:
    company_id = sealed.a.company_id
    noted = (await ringfence.log(company_id))[1][2].removeprefix("head ")
    assert (await ringfence.log(company_id, "--head", noted))[0] == 0
    last = (await links(database, company_id))[-1]
    await tamper(database, company_id, f"DELETE FROM audit_seals WHERE company_id = %(c)s AND seq = {last['seq']}")
    assert (await ringfence.log(company_id))[0] == 0
    assert (await ringfence.log(company_id, "--head", noted))[1][1] == "missing"

    await tamper(
        database,
        company_id,
        "UPDATE audit_log SET actor_name = 'x' WHERE company_id = %(c)s",
        "DELETE FROM audit_seals WHERE company_id = %(c)s",
    )
    await seal(sealed.tenancy, company_id)
    assert (await ringfence.log(company_id))[0] == 0
    exit_code, (_, kind, place) = await ringfence.log(company_id, "--head", noted)
    assert (exit_code, kind) == (1, "changed")
    assert "rebuilt" in place


async def test_a_late_transaction_joins_the_chain(world: World, ringfence: Command) -> None:
    """An act that began first and was committed last is sealed behind later ones, and nothing is wrong with that."""
    company_id = world.a.company_id
    async with world.tenancy.tenant(company_id) as slow:
        actions.record(slow, actor=SYSTEM, action="test.slow", target_kind="test", target_id=None)
        await slow.flush()
        await act(world.tenancy, company_id, "test.quick")
        await seal(world.tenancy, company_id)
    await seal(world.tenancy, company_id)

    exit_code, (verdict, counts, _) = await ringfence.log(company_id)
    assert (exit_code, verdict) == (0, "holds")
    assert counts.endswith(" 0 waiting")


async def test_a_long_backlog_is_sealed_whatever_its_age(world: World, database: Database, ringfence: Command) -> None:
    """A server whose worker stood still for days, and batches smaller than the backlog."""
    company_id = world.a.company_id
    await tamper(database, company_id, "UPDATE audit_log SET at = at - interval '9 days' WHERE company_id = %(c)s")
    await act(world.tenancy, company_id, "test.today")
    batches = 0
    while True:
        async with world.tenancy.tenant(company_id) as session:
            if await actions.seal(session, limit=2) < 2:
                break
        batches += 1
    assert batches >= 3
    exit_code, (_, counts, _) = await ringfence.log(company_id)
    assert exit_code == 0
    assert counts.endswith(" 0 waiting")


async def test_two_sealers_at_once_make_one_chain(world: World, ringfence: Command, database: Database) -> None:
    company_id = world.a.company_id
    await act(world.tenancy, company_id, *(f"test.{number}" for number in range(20)))

    await asyncio.gather(*(seal(world.tenancy, company_id) for _ in range(4)))

    assert (await ringfence.log(company_id))[0] == 0
    assert await links(database, world.b.company_id) == []


async def test_the_app_role_adds_and_reads_only(sealed: World, database: Database) -> None:
    async with await psycopg.AsyncConnection.connect(database.app_url) as connection:
        for table in ("audit_log", "audit_seals"):
            for change in ("UPDATE {} SET company_id = company_id", "DELETE FROM {}", "TRUNCATE {}"):
                async with connection.transaction(force_rollback=True):
                    await connection.execute(f"SET LOCAL ringfence.company_id = '{sealed.a.company_id}'")
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        await connection.execute(change.format(table))
            async with connection.transaction():
                await connection.execute(f"SET LOCAL ringfence.company_id = '{sealed.a.company_id}'")
                counted = await (await connection.execute(f"SELECT count(*) FROM {table}")).fetchone()
                assert counted is not None
                assert counted[0] > 0


@pytest.mark.parametrize("grant", ["GRANT UPDATE (actor_name) ON audit_log", "GRANT DELETE ON audit_seals"])
async def test_the_server_does_not_start_when_the_log_can_be_changed(
    tenancy: Tenancy, database: Database, grant: str
) -> None:
    await selfcheck.check(tenancy.app_engine, tenancy.platform_engine, metadata())
    async with await psycopg.AsyncConnection.connect(database.owner_url) as connection:
        await connection.execute(f"{grant} TO ringfence_app")

    with pytest.raises(ConfigurationError, match="may change or delete what was written"):
        await selfcheck.check(tenancy.app_engine, tenancy.platform_engine, metadata())


def test_every_column_of_an_entry_is_under_its_digest() -> None:
    assert set(ENTRY_FIELDS) == set(AuditEntry.__table__.columns.keys())
    assert {"company_id", "seq", "entry_id", "latest_at", "sealed_at", "entry_hash", "previous_hash", "hash"} == set(
        AuditSeal.__table__.columns.keys()
    )


async def test_digests_can_be_computed_from_the_description_alone(sealed: World, database: Database) -> None:
    """As docs/howto/audit-log.md describes them, without our code."""
    link = (await links(database, sealed.a.company_id))[-1]
    async with as_owner(database) as connection:
        entry = await (await connection.execute("SELECT * FROM audit_log WHERE id = %s", [link["entry_id"]])).fetchone()
    assert entry is not None
    assert described({"format": "ringfence-audit-entry-1", **entry}) == link["entry_hash"]
    assert (
        described({"format": "ringfence-audit-link-1", **{k: v for k, v in link.items() if k != "hash"}})
        == (link["hash"])
    )


def described(values: dict[str, Any]) -> bytes:
    def plain(value: object) -> object:
        if isinstance(value, datetime):
            return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return value.hex() if isinstance(value, bytes) else str(value)

    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":"), default=plain).encode()).digest()
