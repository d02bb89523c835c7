"""The hot statements' plans on an outbox with 20,000 rows: by index, with the company in the condition, never a scan.

A plan that joins a small batch to the whole outbox is right for an empty table and ruinous for a full one; statistics
that lag behind must not bring it back, whether a plan is made for the values at hand or for all.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import TextClause

import ringfence.features.messages.model  # noqa: F401 - the outbox refers to its table
from ringfence.dispatch import outbox, statements
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.statements import registered
from tests.integration.dispatch.outbox_world import OutboxWorld

COMPANIES, SENDERS, ROWS = 10, 4, 20_000
EXPLAINED = (
    *("claim", "next_due", "drop_empty_lanes", "done", "requeue", "park", "presume_dead", "take_unknown", "rivals"),
    *("settle", "cancel", "take_back", "count_ready"),
)
NAMES = {text: name for name, text in registered().items()}


@pytest.fixture
async def crowd(outbox_world: OutboxWorld) -> tuple[OutboxWorld, UUID, list[UUID]]:
    """Ten companies with four senders each; the first company has half of all rows."""
    companies = [await outbox_world.company() for _ in range(COMPANIES)]
    senders = {company: [await outbox_world.sender(company) for _ in range(SENDERS)] for company in companies}
    weights = [companies[0]] * (COMPANIES - 1) + companies[1:]
    with psycopg.connect(outbox_world.database.admin_url, autocommit=True) as admin:
        now = utc_now()
        messages, rows, attempts = list[tuple[Any, ...]](), list[tuple[Any, ...]](), list[tuple[Any, ...]]()
        for n in range(ROWS):
            company = weights[n % len(weights)]
            message, sender = new_id(), senders[company][n // len(weights) % SENDERS]
            state = "ready" if n % 10 else ("posting", "unknown")[n // 10 % 2]
            messages.append(
                (
                    company,
                    message,
                    "outbound",
                    "queued",
                    "+16025550100",
                    "+16025559999",
                    "Hi",
                    "GSM-7",
                    1,
                    "api",
                    now,
                    now,
                )
            )
            due = now + timedelta(seconds=(n % 7 - 5) * 60)
            rows.append((company, message, sender, n % 4, 1, state, due, 1, 1, now + timedelta(hours=1), now))
            attempts.append((company, message, 1, 1, now))
        _copy(
            admin,
            "sms_messages (company_id, id, direction, status, from_number, to_number, body, encoding, num_segments,"
            " source, created_at, updated_at)",
            messages,
        )
        _copy(
            admin,
            "outbox (company_id, message_id, sender_id, priority, segments, state, due_at, attempt, fence,"
            " unknown_until, created_at)",
            rows,
        )
        _copy(admin, "send_attempt (company_id, message_id, attempt, fence, started_at)", attempts)
        admin.execute(
            "INSERT INTO lane (company_id, sender_id, next_due, segments_per_second)"
            " SELECT company_id, sender_id, min(due_at), 10 FROM outbox GROUP BY company_id, sender_id"
        )
    return outbox_world, companies[0], senders[companies[0]]


def _copy(admin: psycopg.Connection[Any], target: str, rows: list[tuple[Any, ...]]) -> None:
    with admin.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN") as copy:  # pyright: ignore
        for row in rows:
            copy.write_row(row)


def cases(world: OutboxWorld, senders: list[UUID]) -> Iterator[tuple[TextClause, dict[str, Any]]]:
    messages = [
        row["message_id"]
        for row in world.look("SELECT message_id FROM outbox WHERE sender_id = %(id)s LIMIT 100", id=senders[0])
    ]
    now = utc_now()
    attempts, due = [1] * len(messages), [now] * len(messages)
    times = {"look_after": 60.0, "give_up_after": 600.0, "presumed_dead": 40.0}
    yield (
        statements.CLAIM,
        {
            "senders": senders,
            "budgets": [25] * len(senders),
            "most": 100,
            "owner": world.lease.owner,
            "fence": world.lease.fence,
            "presumed_dead": 40.0,
        },
    )
    yield statements.NEXT_DUE, {"senders": senders, "eligible": [now] * len(senders)}
    yield statements.DROP_EMPTY_LANES, {"senders": senders}
    yield statements.DONE, {"message_ids": messages, "attempts": attempts}
    yield statements.REQUEUE, {"message_ids": messages, "attempts": attempts, "due": due}
    yield statements.PARK, {"message_ids": messages, "attempts": attempts, "look_after": 60.0, "give_up_after": 600.0}
    yield statements.PRESUME_DEAD, {"senders": senders, **times}
    yield statements.TAKE_UNKNOWN, {"senders": senders, "most": 200, "look_after": 60.0}
    yield statements.RIVALS, {"senders": senders, "taken": messages}
    yield outbox.SETTLE, {"message_ids": messages}
    yield outbox.CANCEL, {"message_id": messages[0]}
    yield outbox.TAKE_BACK, {"message_ids": messages}
    yield outbox.COUNT_READY, {"senders": senders, "most": [50] * len(senders), "priority": 3}


@pytest.mark.parametrize("analyzed", [False, True], ids=["statistics of an empty table", "fresh statistics"])
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_no_hot_statement_walks_through_the_outbox(
    crowd: tuple[OutboxWorld, UUID, list[UUID]], mode: str, *, analyzed: bool
) -> None:
    world, company, senders = crowd
    if analyzed:
        world.change("ANALYZE")
    bad: dict[str, str] = {}
    for statement, values in cases(world, senders):
        plan = explain(world, company, statement, values, mode)
        if problem := complaint(plan):
            bad[NAMES[statement.text]] = f"{problem}\n{plan}"
    assert not bad, "\n\n".join(f"{name}: {text}" for name, text in bad.items())


def explain(world: OutboxWorld, company: UUID, statement: TextClause, values: dict[str, Any], mode: str) -> str:
    """The plan as the app role gets it, from a prepared statement as the engine's connections use it."""

    def placed(clause: TextClause) -> str:
        return re.sub(r"(?<!:):(\w+)", r"%(\1)s", clause.text)

    with psycopg.connect(world.database.app_url) as app:
        app.execute(f"SET LOCAL ringfence.company_id = '{company}'")
        app.execute(f"SET LOCAL plan_cache_mode = {mode}")  # pyright: ignore
        app.prepare_threshold = 0
        rows = app.execute(
            f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {placed(statement)}",
            {"company_id": company, **values},
        ).fetchall()  # pyright: ignore
        app.rollback()
    return "\n".join(row[0] for row in rows)


def complaint(plan: str) -> str | None:
    """What is wrong with a plan, or None."""
    if re.search(r"Seq Scan on (outbox|send_attempt|sms_messages)", plan):
        return "scans a table"
    for scan in re.finditer(r"Scan using (\w+) on (outbox|send_attempt)\b.*\n\s+Index Cond: (.*)", plan):
        if "company_id" not in scan[3]:
            return f"{scan[1]} without the company"
    walked = [int(n) for n in re.findall(r"on outbox.*actual rows=(\d+)", plan)]
    removed = [int(n) for n in re.findall(r"Rows Removed by (?:Filter|Join Filter): (\d+)", plan)]
    most = max([*walked, *removed], default=0)
    return f"{most} rows touched by one node" if most > 1000 else None


def test_the_complaint_sees_a_walk_through_the_outbox() -> None:
    """The check's own control: plans as they would be without indexes or without the company."""
    assert complaint("Seq Scan on outbox o (actual rows=5 loops=1)") == "scans a table"
    assert complaint("Index Scan using pk_outbox on outbox o (actual rows=5 loops=1)\n  Index Cond: (message_id = 1)")
    assert (
        complaint("Index Scan using x on outbox o (actual rows=5000 loops=1)\n  Index Cond: (company_id = 1)")
        == "5000 rows touched by one node"
    )
    assert not complaint("Index Scan using x on outbox o (actual rows=5 loops=1)\n  Index Cond: (company_id = 1)")


def test_every_statement_of_the_engine_is_explained_or_needs_no_plan() -> None:
    """A new statement joins the cases above, or is named here with its reason."""
    by_key_or_insert = {
        "dispatch.enqueue",
        "dispatch.enqueue_many",
        # It answers every text that waits in the lanes named: what it walks is what was asked for.
        "dispatch.ready",
        "dispatch.intend",
        "dispatch.wake_lane",
        "dispatch.lock_lanes",
        "dispatch.wake_lanes",
        "dispatch.pause_lane",
        "dispatch.bring_forward",
    }
    explained = {f"dispatch.{name}" for name in EXPLAINED}
    assert {name for name in registered() if name.startswith("dispatch.")} == by_key_or_insert | explained
