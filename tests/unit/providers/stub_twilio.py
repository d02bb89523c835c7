"""A small stand-in for Twilio's REST API: answers what a test put there and keeps what was asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
OTHER_ACCOUNT_SID = "AC" + "f" * 32
ROOT = f"/2010-04-01/Accounts/{ACCOUNT_SID}"


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    form: list[tuple[str, str]]
    headers: dict[str, str]


Answer = Callable[[Asked], web.StreamResponse]


@dataclass
class StubTwilio:
    """`answers` maps "METHOD path" to an answer; anything else is Twilio's 404."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    asked: list[Asked] = field(default_factory=list[Asked])
    hang: bool = False
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def on(self, method_and_path: str, answer: Answer) -> None:
        self.answers[method_and_path] = answer

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            form=parse_qsl(await request.text(), keep_blank_values=True),
            headers={name.lower(): value for name, value in request.headers.items()},
        )
        self.asked.append(asked)
        self.arrived.set()
        if self.hang:
            await asyncio.Event().wait()
        answer = self.answers.get(f"{request.method} {request.path}")
        return answer(asked) if answer else refusal(404, 20404)(asked)


@asynccontextmanager
async def stub_twilio() -> AsyncIterator[StubTwilio]:
    stub = StubTwilio()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stub.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stub
    finally:
        await runner.cleanup()


def json_answer(body: object, *, status: int = 200) -> Answer:
    return lambda _: web.json_response(body, status=status)


def refusal(status: int, code: int | None, headers: dict[str, str] | None = None) -> Answer:
    """Twilio's error body; its message repeats a number, as real ones do."""
    body: dict[str, Any] = {"message": "The 'To' number +16025550123 is wrong", "status": status}
    if code is not None:
        body["code"] = code
    return lambda _: web.json_response(body, status=status, headers=headers)


def paged(key: str, path: str, records: list[dict[str, Any]]) -> Answer:
    """A v2010 list over these records, by PageSize and an opaque token."""

    def answer(asked: Asked) -> web.Response:
        size = int(asked.query.get("PageSize", "50"))
        start = int(asked.query.get("PageToken", "PA0").removeprefix("PA"))
        following = start + size
        more = following < len(records)
        return web.json_response(
            {
                key: records[start:following],
                "page": start // size,
                "page_size": size,
                "start": start,
                "end": min(following, len(records)),
                "uri": f"{path}?PageSize={size}",
                "first_page_uri": f"{path}?PageSize={size}&Page=0",
                "previous_page_uri": None,
                "next_page_uri": f"{path}?PageSize={size}&Page=1&PageToken=PA{following}" if more else None,
            }
        )

    return answer
