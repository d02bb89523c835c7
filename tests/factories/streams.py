"""A server that streams, and clients that listen as browsers do: they come back to where they left off."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from tests.factories.waiting import eventually


@dataclass
class Listener:
    """One client's stream over all its connections. `events` are those of the company, `about` those of the stream."""

    url: str
    headers: Mapping[str, str]
    cookies: Mapping[str, str] = field(default_factory=dict[str, str])
    last_id: str | None = None
    comes_back: bool = True
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    about: list[str] = field(default_factory=list[str])
    statuses: list[int] = field(default_factory=list[int])
    is_connected: bool = False
    raw: str = ""
    heartbeats: int = 0
    _task: asyncio.Task[None] | None = None

    @property
    def subjects(self) -> list[str]:
        return [event["subject_id"] for event in self.events]

    @property
    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.events]

    @property
    def has_ended(self) -> bool:
        return self._task is None or self._task.done()

    async def start(self) -> None:
        """Connect, and be told that the stream has begun."""
        self._task = asyncio.create_task(self._listen())

        async def begun() -> bool:
            return bool(self.statuses) or self.has_ended

        await eventually(begun)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def lose(self) -> None:
        """The connection breaks; the client comes back."""
        await self.stop()
        self.is_connected = False
        self._task = asyncio.create_task(self._listen())

    async def until(self, happened: Callable[[], object], *, within: float = 15.0) -> None:
        async def ask() -> bool:
            return bool(happened())

        try:
            await eventually(ask, within=within)
        except AssertionError:
            raise AssertionError(
                f"heard {len(self.events)}: {self.kinds[-5:]}, {self.about}, {self.statuses}"
            ) from None

    async def _listen(self) -> None:
        async with httpx.AsyncClient(timeout=httpx.Timeout(30), cookies=dict(self.cookies)) as client:
            while True:
                with suppress(httpx.HTTPError, httpx.StreamError):
                    await self._connect(client)
                if not self.comes_back or (self.statuses and self.statuses[-1] != 200):
                    return
                await asyncio.sleep(0.05)

    async def _connect(self, client: httpx.AsyncClient) -> None:
        more = {"Last-Event-ID": self.last_id} if self.last_id else {}
        async with client.stream("GET", self.url, headers={**self.headers, **more}) as response:
            if response.status_code != 200:
                self.statuses.append(response.status_code)
                return
            block: list[str] = []
            async for line in response.aiter_lines():
                self.raw += line + "\n"
                if line:
                    block.append(line)
                    continue
                self._take(block)
                if any(line.startswith("retry") for line in block):
                    self.statuses.append(response.status_code)
                    self.is_connected = True
                block = []

    def _take(self, block: list[str]) -> None:
        fields = dict(line.split(": ", 1) for line in block if not line.startswith(":"))
        self.last_id = fields.get("id", self.last_id)
        if "data" not in fields:
            self.heartbeats += 1
            return
        said = json.loads(fields["data"])
        if said["kind"].startswith("stream."):
            self.about.append(said["kind"])
        else:
            self.events.append({**said, "id": fields["id"]})


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """The application behind a real server of this process; its address."""
    config = uvicorn.Config(
        app, port=0, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=3
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running
