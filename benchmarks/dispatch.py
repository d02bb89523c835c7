"""How much of a bare POST loop the dispatcher keeps, with all it does for each text.

    python -m benchmarks.dispatch [--rounds 5] [--texts 3000]

A and B take turns in one run on one core; stub and database are on the other. Medians of CPU seconds and, with a
latency of 100 ms, of throughput against Little's law (POSTs at once / latency).
"""

import argparse
import asyncio
import subprocess
from decimal import Decimal
from typing import Any

from benchmarks.parts.machine import (
    MEASURED,
    OTHERS,
    database,
    machine,
    middle,
    process,
    said,
    server_version,
    tell,
    write,
)
from ringfence.dispatch import outbox
from ringfence.features.messages.model import Message
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from tests.factories.cluster import Database
from tests.factories.stage import SEEDS, Line, build_runtime, make_line

AT_ONCE = 100
LATENCY = 0.1
RATE = Decimal(50_000)


async def hand_in(line: Line, target: Database, count: int) -> None:
    """Texts with their outbox rows, spread over the company's senders."""
    runtime = build_runtime(target, "http://127.0.0.1:8000", "http://127.0.0.1:1")
    for start in range(0, count, 500):
        now, made = utc_now(), [(new_id(), n % len(line.senders), n) for n in range(start, min(start + 500, count))]
        async with runtime.tenancy.tenant(line.company_id) as session:
            session.add_all(
                Message(
                    id=message_id,
                    conversation_id=None,
                    phone_number_id=line.senders[sender],
                    direction="outbound",
                    status="queued",
                    from_number=line.numbers[sender],
                    to_number=f"+1480555{n % 10_000:04}",
                    body=f"Text {n}",
                    encoding="GSM-7",
                    num_segments=1,
                    source="api",
                    created_at=now,
                    updated_at=now,
                )
                for message_id, sender, n in made
            )
            await session.flush()
            for message_id, sender, _ in made:
                await outbox.enqueue(
                    session,
                    message_id=message_id,
                    sender_id=line.senders[sender],
                    priority=3,
                    segments=1,
                    due_at=now,
                    segments_per_second=RATE,
                )
    await runtime.close()


async def connect(target: Database) -> list[Line]:
    runtime = build_runtime(target, "http://127.0.0.1:8000", "http://127.0.0.1:1")
    lines = [await make_line(runtime.tenancy, runtime.keyring, seed) for seed in SEEDS]
    await runtime.close()
    return lines


def run(side: str, port: int, texts: int, target: Database) -> dict[str, Any]:
    urls = [target.admin_url, target.owner_url, target.app_url, target.platform_url]
    with process(MEASURED, "benchmarks.parts.senders", side, str(port), str(texts), str(AT_ONCE), *urls) as part:
        return said(part)


def steady_rate(stub: "subprocess.Popen[str]", latency: float) -> float:
    """Answers a second over the middle of a run, when limits have opened and nothing runs dry yet."""
    tell(stub, latency=latency)
    seen = said(stub)
    times = seen["times"]
    first, last = times[len(times) // 2], times[-2]
    return (len(times) - 2 - len(times) // 2) * (seen["answered"] // 20) / (last - first)


def measure(rounds: int, texts: int) -> dict[str, Any]:
    with database() as target, process(OTHERS, "benchmarks.parts.stub_twilio") as stub:
        port, lines = said(stub)["port"], asyncio.run(connect(target))
        result: dict[str, Any] = {"machine": machine(server_version(target)), "no_latency": [], "latency": []}
        for latency, name in ((0.0, "no_latency"), (LATENCY, "latency")):
            tell(stub, latency=latency)
            said(stub)
            for _ in range(rounds):
                pair: dict[str, Any] = {}
                for side in ("raw", "dispatcher"):
                    if side == "dispatcher":
                        # Without latency both companies send; with it one, whose limit is what Little's law speaks of.
                        for line in lines if latency == 0.0 else lines[:1]:
                            asyncio.run(hand_in(line, target, texts // (2 if latency == 0.0 else 1)))
                    pair[side] = run(side, port, texts, target)
                    pair[side]["steady_per_second"] = steady_rate(stub, latency)
                result[name].append(pair)
    return result


def table(result: dict[str, Any]) -> str:
    def per_cpu(name: str, side: str) -> float:
        return middle([pair[side]["texts"] / pair[side]["cpu_seconds"] for pair in result[name]])

    def of_raw(name: str) -> float:
        return middle(
            [
                (pair["dispatcher"]["texts"] / pair["dispatcher"]["cpu_seconds"])
                / (pair["raw"]["texts"] / pair["raw"]["cpu_seconds"])
                for pair in result[name]
            ]
        )

    law = AT_ONCE / LATENCY
    rows = ["| | raw aiohttp loop | dispatcher | dispatcher / raw |", "|---|---:|---:|---:|"]
    for name, label in (
        ("no_latency", "texts per CPU second, 0 ms"),
        ("latency", "texts per CPU second, 100 ms"),
    ):
        raw, ours = per_cpu(name, "raw"), per_cpu(name, "dispatcher")
        rows.append(f"| {label} | {raw:,.0f} | {ours:,.0f} | {of_raw(name):.2f} |")
    raw, ours = (
        middle([pair[side]["steady_per_second"] for pair in result["latency"]]) for side in ("raw", "dispatcher")
    )
    rows.append(f"| texts per second, 100 ms, {AT_ONCE} at once | {raw:,.0f} | {ours:,.0f} | {ours / raw:.2f} |")
    rows.append(f"| … of Little's law ({law:,.0f}/s) | {raw / law:.2f} | {ours / law:.2f} | |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=3000)
    options = parser.parse_args()
    result = measure(options.rounds, options.texts)
    command = f"python -m benchmarks.dispatch --rounds {options.rounds} --texts {options.texts}"
    result = {"title": "Dispatch: texts per CPU second", "command": command, **result}
    write("dispatch", result, table(result))


if __name__ == "__main__":
    main()
