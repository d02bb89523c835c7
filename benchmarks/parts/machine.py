"""Where a measurement ran, and how its parts are kept apart."""

import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from ringfence.db.embedded import EmbeddedPostgres
from ringfence.migrations import runner
from ringfence.tenancy.provision import provision
from tests.factories.cluster import PASSWORDS, Database

RESULTS = Path(__file__).parents[1] / "results"
CORES = sorted(os.sched_getaffinity(0))
MEASURED, OTHERS = CORES[0], CORES[-1]


@contextmanager
def database() -> Iterator[Database]:
    """A migrated database on a server of its own, with durable commits, away from the measured core."""
    with TemporaryDirectory(prefix="ringfence-bench-") as folder:
        pin(OTHERS)
        server = EmbeddedPostgres(Path(folder) / "data", settings={"max_connections": "100", "shared_buffers": "256MB"})
        server.start()
        try:
            provision(server.admin_url, database="bench", passwords=PASSWORDS)

            def url(role: str, password: str) -> str:
                return server.url(user=role, password=password, database="bench")

            database = Database(
                "bench",
                admin_url(server),
                url("ringfence_owner", PASSWORDS.owner),
                url("ringfence_app", PASSWORDS.app),
                url("ringfence_platform", PASSWORDS.platform),
            )
            runner.upgrade(database.owner_url)
            yield database
        finally:
            server.stop()


def admin_url(server: EmbeddedPostgres) -> str:
    info = psycopg.conninfo.conninfo_to_dict(server.admin_url)
    return server.url(user=str(info["user"]), password=str(info["password"]), database="bench")


def pin(core: int) -> None:
    """Keep this process, and those it starts from now on, on one core where the system lets us."""
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {core})


@contextmanager
def process(core: int, module: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A part of a measurement in a process of its own; it prints JSON lines and ends when its input closes."""
    part = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with contextlib.suppress(OSError):
        os.sched_setaffinity(part.pid, {core})
    try:
        yield part
    finally:
        if part.stdin is not None:
            part.stdin.close()
        if part.wait(60) != 0:
            raise RuntimeError(f"{module} ended with {part.returncode}")


def said(part: "subprocess.Popen[str]") -> dict[str, Any]:
    """The next line of a part."""
    assert part.stdout is not None
    line = part.stdout.readline()
    if not line:
        raise RuntimeError("a part of the measurement ended early")
    return json.loads(line)


def tell(part: "subprocess.Popen[str]", **order: Any) -> None:
    """Tell a part what to do."""
    assert part.stdin is not None
    part.stdin.write(json.dumps(order) + "\n")
    part.stdin.flush()


def middle(values: Sequence[float]) -> float:
    """The median."""
    return median(values)


def machine(version: str) -> dict[str, Any]:
    """What the figures depend on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown",
    )
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": len(CORES),
        "cpu": model,
        "load_at_start": os.getloadavg()[0],
        "python": platform.python_version(),
        "postgresql": version,
        "packages": packages("aiohttp", "uvloop", "sqlalchemy", "psycopg", "uvicorn", "fastapi"),
    }


def packages(*names: str) -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in names}


def server_version(database: Database) -> str:
    with psycopg.connect(database.admin_url) as admin:
        row = admin.execute("SHOW server_version").fetchone()
        return str(row[0]) if row else "unknown"


def write(name: str, result: dict[str, Any], table: str) -> None:
    """Keep the raw figures and a page to read."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    facts = result["machine"]
    lines = [
        f"# {result['title']}",
        "",
        f"`{result['command']}`, {facts['at']}, {facts['cores']} cores {facts['cpu']},"
        f" load {facts['load_at_start']:.1f} at the start (where other work shared the cores, trust ratios and CPU"
        " seconds, not the clock),"
        f" Python {facts['python']}, PostgreSQL {facts['postgresql']}, "
        + ", ".join(f"{package} {number}" for package, number in facts["packages"].items())
        + ".",
        "",
        table,
        "",
    ]
    (RESULTS / f"{name}.md").write_text("\n".join(lines))
    print("\n".join(lines))
