"""Real `ringfence` processes: started with settings of their own, watched by their log, stopped or killed."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.factories.cluster import Database
from tests.factories.waiting import eventually

KEY = "tests-process-key-of-32-characters-or-more"


def free_port() -> int:
    """A TCP port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_of(database: Database, **more: str) -> dict[str, str]:
    """The environment of a server on a test's database."""
    return {
        "RINGFENCE_APP_DATABASE_URL": database.app_url,
        "RINGFENCE_PLATFORM_DATABASE_URL": database.platform_url,
        "RINGFENCE_SECRET_KEYS": KEY,
        "RINGFENCE_TWILIO_API_URL": "http://127.0.0.1:1",
        **more,
    }


class Running:
    """One process and what it has written so far."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    async def says(self, words: str, *, within: float = 90.0) -> None:
        """Wait until its log has the words; fails at once when it ends without."""

        async def said() -> bool:
            ended = self._process.returncode is not None
            if words in self.log:
                return True
            assert not ended, f"ended with {self._process.returncode}: {self.log}"
            return False

        await eventually(said, within=within)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self, *, within: float = 90.0) -> int:
        """Wait for its end; returns the exit code."""
        return await asyncio.wait_for(self._process.wait(), within)


@asynccontextmanager
async def running(command: str, settings: Mapping[str, str], folder: Path) -> AsyncIterator[Running]:
    """`ringfence COMMAND` with these settings and no others, in a folder; killed at the end if it still runs."""
    # Compiling the whole tree anew would make most of a short command's time.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("RINGFENCE_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    log = folder / f"{command.split(maxsplit=1)[0]}-{free_port()}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ringfence",
            *command.split(),
            env={**inherited, **settings},
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield Running(process, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def run(command: str, settings: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """Run a command to its end: exit code and all it wrote."""
    async with running(command, settings, folder) as process:
        return await process.ended(), process.log


async def answers(url: str, *, status: int = 200, within: float = 90.0) -> httpx.Response:
    """The first answer of an address that has the wanted status."""
    async with httpx.AsyncClient(timeout=5) as client:

        async def ask() -> httpx.Response | None:
            try:
                answer = await client.get(url)
            except httpx.TransportError:
                return None
            return answer if answer.status_code == status else None

        found = await eventually(ask, within=within)
    assert found is not None
    return found
