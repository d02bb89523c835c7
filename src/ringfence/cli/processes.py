"""Child processes of a command: started with their own log file, stopped politely, never left behind."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import Self

from ringfence.errors import ConfigurationError


class Child:
    """One `ringfence COMMAND` of ours."""

    def __init__(self, command: str, process: Process, log: Path) -> None:
        self.command = command
        self.log = log
        self._process = process

    @classmethod
    async def start(cls, command: str, environment: dict[str, str], *, log: Path) -> Self:
        """Start `ringfence COMMAND` with RINGFENCE_* of this environment only; its output goes to the log file.

        It gets a session of its own, so that Ctrl-C in the terminal reaches only its parent, which stops it in order.
        """
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "ringfence",
                command,
                env=inherited | environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return cls(command, process, log)

    async def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        return await self._process.wait()

    def require_running(self) -> None:
        """Raise ConfigurationError with the last line of its log when it has ended."""
        if self._process.returncode is not None:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["no output"]
            raise ConfigurationError(f"`ringfence {self.command}` ended: {lines[-1]} (log: {self.log})")

    async def stop(self, *, timeout_seconds: float) -> None:
        """SIGTERM, and SIGKILL for one that does not end in time."""
        if self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), timeout_seconds)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
