"""The server as it runs in earnest: API, workers and the local Twilio, each a process that can be killed."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
from psycopg.rows import dict_row

from ringfence.runtime.build import Runtime
from tests.factories.cluster import Database
from tests.factories.stage import SECRET_KEY, SEEDS, Line, build_runtime, make_line
from tests.factories.waiting import eventually


def without_settings() -> dict[str, str]:
    """The environment without anybody else's settings of the server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}


class Running:
    """One process of ours, with its log."""

    def __init__(self, log: Path, *command: str, environment: dict[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=without_settings() | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def says(self, event: str) -> bool:
        """Whether the log has this event; fails if the process has ended."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        assert self.process.poll() is None, f"{self.log.name} ended:\n{text[-2000:]}"
        return event in text

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()


class Worker:
    """A forked `ringfence work`, with its log; see `forking`."""

    def __init__(self, process_id: int, log: Path) -> None:
        self.id, self.log = process_id, log

    @property
    def lives(self) -> bool:
        try:
            os.kill(self.id, 0)
        except ProcessLookupError:
            return False
        return True

    def says(self, event: str) -> bool:
        """Whether the log has this event; fails if the process has ended."""
        lives = self.lives
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        assert lives, f"{self.log.name} ended:\n{text[-2000:]}"
        return event in text

    async def end(self, how: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        os.kill(self.id, how)

        async def gone() -> bool:
            return not self.lives

        await eventually(gone, within=60)


@dataclass
class Site:
    """A whole server. `settings` are the RINGFENCE_* variables of its processes."""

    folder: Path
    database: Database
    runtime: Runtime
    settings: dict[str, str]
    twilio: httpx.AsyncClient
    api: httpx.AsyncClient
    a: Line
    b: Line
    forking: "subprocess.Popen[str]"
    servers: list[Running]
    workers: list[Worker] = field(default_factory=list[Worker])

    def start_worker(self) -> Worker:
        """One more `ringfence work`."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        assert self.forking.stdin is not None
        assert self.forking.stdout is not None
        self.forking.stdin.write(f"{log}\n")
        self.forking.stdin.flush()
        worker = Worker(int(self.forking.stdout.readline()), log)
        self.workers.append(worker)
        return worker

    def start_server(self, port: int) -> Running:
        """One more `ringfence serve`, on a port of its own."""
        log = self.folder / f"api-{len(self.servers)}.log"
        server = Running(log, "ringfence", "serve", environment=self.settings | {"RINGFENCE_PORT": str(port)})
        self.servers.append(server)
        return server

    async def received(self) -> int:
        """How many POSTs reached the local Twilio so far."""
        return (await self.twilio.get("/emulator/creates", params={"message_id": "none"})).json()["received"]

    async def creates(self) -> dict[UUID, dict[str, Any]]:
        """What the local Twilio counted for each text."""
        report = (await self.twilio.get("/emulator/creates")).json()
        assert report["without_id"]["received"] == 0
        return {UUID(key): tally for key, tally in report["creates"].items()}

    async def fault(self, kind: str, probability: float, **more: Any) -> None:
        answer = await self.twilio.post("/emulator/faults", json={"kind": kind, "probability": probability, **more})
        assert answer.status_code == 201, answer.text

    async def fired(self) -> dict[str, int]:
        faults = (await self.twilio.get("/emulator/faults")).json()["faults"]
        return {fault["kind"]: fault["fired"] for fault in faults}

    async def look(self, query: str) -> list[dict[str, Any]]:
        async with await psycopg.AsyncConnection.connect(
            self.database.admin_url, autocommit=True, row_factory=dict_row
        ) as admin:
            return await (await admin.execute(query)).fetchall()  # pyright: ignore

    async def until(self, worker: Running | Worker, event: str, *, within: float = 60.0) -> None:
        async def said() -> bool:
            return worker.says(event)

        await eventually(said, within=within)


@asynccontextmanager
async def open_site(database: Database, folder: Path, **settings: object) -> AsyncIterator[Site]:
    """API and local Twilio, two companies connected, and no worker yet."""
    seeds, ready = folder / "accounts.json", folder / "emulator.json"
    seeds.write_text(json.dumps([asdict(seed) for seed in SEEDS], default=list))
    emulator = Running(
        folder / "emulator.log",
        "ringfence.emulator",
        "--accounts",
        str(seeds),
        "--ready-file",
        str(ready),
        "--seed",
        "7",
    )
    running = [emulator]
    try:

        async def emulator_is_ready() -> bool:
            assert emulator.process.poll() is None, emulator.log.read_text()
            return ready.exists()

        await eventually(emulator_is_ready, within=60)
        twilio_url = json.loads(ready.read_text())["base_url"]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        api_url = f"http://127.0.0.1:{port}"
        environment = {
            "RINGFENCE_APP_DATABASE_URL": database.app_url,
            "RINGFENCE_PLATFORM_DATABASE_URL": database.platform_url,
            "RINGFENCE_SECRET_KEYS": SECRET_KEY,
            "RINGFENCE_PUBLIC_URL": api_url,
            "RINGFENCE_TWILIO_API_URL": twilio_url,
            "RINGFENCE_PORT": str(port),
            "RINGFENCE_DATA_DIR": str(folder / "data"),
            **{f"RINGFENCE_{name.upper()}": str(value) for name, value in settings.items()},
        }
        server = Running(folder / "api.log", "ringfence", "serve", environment=environment)
        running.append(server)
        forking = subprocess.Popen(  # noqa: ASYNC220 - a test that waits for a fork has nothing else to do
            [sys.executable, "-m", "tests.acceptance.forking"],
            env=without_settings() | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        runtime = build_runtime(database, api_url, twilio_url)
        async with (
            httpx.AsyncClient(base_url=twilio_url, timeout=60) as twilio,
            httpx.AsyncClient(base_url=api_url, timeout=60) as api,
        ):
            lines = [await make_line(runtime.tenancy, runtime.keyring, seed) for seed in SEEDS]
            site = Site(folder, database, runtime, environment, twilio, api, *lines, forking, [server])
            await site.until(server, "server.started")
            try:
                yield site
            finally:
                for worker in site.workers:
                    if worker.lives:
                        await worker.end(signal.SIGKILL)
                for process in site.servers:
                    process.kill()
                forking.communicate()
        await runtime.close()
    finally:
        for process in reversed(running):
            process.kill()
