"""Receivers of outgoing webhooks: real HTTP servers of the loopback that write down what they get."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks.webhooks import Webhook

from tests.factories.waiting import eventually


@dataclass
class Got:
    """One request as it came in; `body` has been verified if the receiver knew the secret."""

    id: str
    headers: dict[str, str]
    raw: bytes = field(repr=False)
    body: dict[str, Any]


@dataclass
class Receiver:
    """Answers with `status` unless `behave` is set, which may answer otherwise, or never."""

    url: str = ""
    status: int = 200
    secret: str | None = None
    behave: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    got: list[Got] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    @property
    def ids(self) -> list[str]:
        return [item.id for item in self.got]

    async def receives(self, count: int, *, within: float = 20.0) -> list[Got]:
        """What it got, once that is at least so much."""

        async def enough() -> bool:
            return len(self.got) >= count

        await eventually(enough, within=within)
        return self.got

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            raw = await request.read()
            headers = {name.lower(): value for name, value in request.headers.items()}
            body = verify(self.secret, raw, headers) if self.secret else await request.json()
            self.got.append(Got(headers["webhook-id"], headers, raw, body))
            if self.behave is not None:
                return await self.behave(request)
            return web.Response(status=self.status, text="seen")
        finally:
            self.under_way -= 1


def verify(secret: str, raw: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """The body, after the check that any receiver makes with the reference library; raises when it is not genuine."""
    return dict(Webhook(secret).verify(raw, headers))


@asynccontextmanager
async def receiving(**settings: Any) -> AsyncIterator[Receiver]:
    """A receiver that listens on a free port."""
    receiver = Receiver(**settings)
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"http://127.0.0.1:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def hang(_request: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")
