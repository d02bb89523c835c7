"""A CSV of a million rows becomes recipients: rows per second beside `psql \\copy`, and the memory of the processes.

    python -m benchmarks.bulk_import [--rows 1000000] [--rounds 3]

The file goes up to a real `ringfence serve` and is read by a real `ringfence work`; both sides take turns in one run.
`psql` copies the same bytes into a plain table without a key, and checks and keeps nothing but the cells. Ringfence
checks each number and each row, finds doubles, keeps what it rejects, and commits every 5,000 rows.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg

from benchmarks.parts.machine import CORES, database, machine, middle, server_version, write
from ringfence.db.embedded_binaries import find_binaries
from ringfence.features.audit_log.values import COMMAND_LINE
from ringfence.features.companies import actions as companies
from ringfence.features.users import actions as users
from ringfence.runtime.build import open_tenancy
from ringfence.runtime.database import Logins
from ringfence.settings import load_settings
from tests.factories.cluster import Database
from tests.factories.processes import free_port, settings_of

NAMES = ("Zoë", "Bob", "Ann", "María", "Li", "O'Neil")


def make_file(path: Path, rows: int) -> int:
    """Numbers of two countries, three in a hundred of them twice and one in a thousand broken; its size."""
    choice = random.Random(1)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("Phone,First name,Order number\r\n")
        for n in range(rows):
            number = f"+1602{choice.randrange(10**7):07}" if n % 2 else f"+4479{choice.randrange(10**8):08}"
            file.write(f"{number if n % 1000 else 'none'},{choice.choice(NAMES)},A-{n}\r\n")
    return path.stat().st_size


@contextmanager
def server(command: str, settings: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """One `ringfence` process, on any core."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ringfence", command], env=own | settings, stdout=output, stderr=output
        )
    os.sched_setaffinity(process.pid, CORES)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def peak_megabytes(process: "subprocess.Popen[bytes]") -> float:
    """The most memory that the process has had at once (VmHWM)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmHWM"))


def wait_for(client: httpx.Client, path: str, field: str, wanted: object) -> Any:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            answer = client.get(path)
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.is_success and answer.json().get(field) == wanted:
            return answer.json()
        time.sleep(0.02)
    raise RuntimeError(f"{path} did not become {wanted}")


def copied(target: Database, path: Path) -> float:
    """The seconds that `psql \\copy` takes."""
    with psycopg.connect(target.admin_url, autocommit=True) as admin:
        admin.execute("DROP TABLE IF EXISTS plain")
        admin.execute("CREATE TABLE plain (phone text, first_name text, order_number text)")
    command = [find_binaries(None).program("psql"), target.admin_url, "-qXc", f"\\copy plain from '{path}' csv header"]
    began = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - began


def taken_over(client: httpx.Client, path: Path) -> dict[str, Any]:
    """Upload, look, start, and wait for the end; the seconds of each, and what came of it."""
    began = time.monotonic()
    with path.open("rb") as file:
        answer = client.post("/api/sms/bulk/lists", files={"file": (path.name, file)}, timeout=120)
    answer.raise_for_status()
    where = f"/api/sms/bulk/lists/{answer.json()['id']}"
    uploaded = time.monotonic()
    client.post(f"{where}/start").raise_for_status()
    done = wait_for(client, where, "status", "ready")
    ended = time.monotonic()
    counts = {name: done[name] for name in ("rows_done", "recipients_count", "duplicate_count", "bad_count")}
    client.delete(where).raise_for_status()
    return {"upload_seconds": uploaded - began, "read_seconds": ended - uploaded, **counts}


def open_company(settings: dict[str, str]) -> str:
    """A company with a key; the key."""

    async def make() -> str:
        logins = Logins(
            app=settings["RINGFENCE_APP_DATABASE_URL"], platform=settings["RINGFENCE_PLATFORM_DATABASE_URL"]
        )
        tenancy = open_tenancy(load_settings(), logins)
        async with tenancy.platform() as platform:
            company = await companies.create_company(platform, name="Cactus")
        async with tenancy.tenant(company.id) as session:
            await companies.open_company(session, actor=COMMAND_LINE)
            _, key = await users.create_api_key(session, actor=COMMAND_LINE, name="bench", scope="manage")
        await tenancy.close()
        return key

    return asyncio.run(make())


def measure(rows: int, rounds: int) -> dict[str, Any]:
    with database() as target, TemporaryDirectory(prefix="ringfence-bench-") as name:
        folder, port = Path(name), free_port()
        size = make_file(folder / "people.csv", rows)
        more = {"RINGFENCE_DATA_DIR": name, "RINGFENCE_PORT": str(port)}
        settings = settings_of(target, **more)
        key = open_company(settings)
        result: dict[str, Any] = {"machine": machine(server_version(target)), "file_bytes": size, "rounds": []}
        with (
            server("serve", settings, folder / "serve.log") as serve,
            server("work", settings, folder / "work.log") as work,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}) as client,
        ):
            wait_for(client, "/readyz", "ready", True)
            idle = {"serve": peak_megabytes(serve), "work": peak_megabytes(work)}
            for _ in range(rounds):
                copy_seconds = copied(target, folder / "people.csv")
                result["rounds"].append({"copy_seconds": copy_seconds, **taken_over(client, folder / "people.csv")})
            peaks = {"serve": peak_megabytes(serve), "work": peak_megabytes(work)}
        for one in result["rounds"]:
            assert one["rows_done"] == rows
            assert one["recipients_count"] + one["duplicate_count"] + one["bad_count"] == rows
        return result | {"idle_megabytes": idle, "peak_megabytes": peaks}


def table(result: dict[str, Any], rows: int) -> str:
    def per_second(name: str) -> float:
        return middle([rows / one[name] for one in result["rounds"]])

    ratio = middle([one["copy_seconds"] / one["read_seconds"] for one in result["rounds"]])
    first = result["rounds"][0]
    good, doubled, bad = (first[f"{kind}_count"] for kind in ("recipients", "duplicate", "bad"))
    counted = f"{good:,} recipients, {doubled:,} doubled, {bad:,} bad"
    idle, peak = result["idle_megabytes"], result["peak_megabytes"]
    return "\n".join(
        [
            f"A file of {rows:,} rows and {result['file_bytes'] / 1e6:.0f} MB: {counted} (kept, with their reasons).",
            "",
            "| | rows per second | of `\\copy` |",
            "|---|---:|---:|",
            f"| `psql \\copy` into a plain table | {per_second('copy_seconds'):,.0f} | 1.00 |",
            f"| start to ready: checked, doubles found, stored | {per_second('read_seconds'):,.0f} | {ratio:.2f} |",
            f"| upload, looked through once | {per_second('upload_seconds'):,.0f} | |",
            "",
            "| process | MB before the first file | MB at most |",
            "|---|---:|---:|",
            f"| `ringfence serve`, which takes the file in | {idle['serve']:.0f} | {peak['serve']:.0f} |",
            f"| `ringfence work`, which reads it | {idle['work']:.0f} | {peak['work']:.0f} |",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    result = measure(options.rows, options.rounds)
    command = f"python -m benchmarks.bulk_import --rows {options.rows} --rounds {options.rounds}"
    result = {"title": "A file becomes a recipient list, beside psql", "command": command, **result}
    write("bulk_import", result, table(result, options.rows))


if __name__ == "__main__":
    main()
