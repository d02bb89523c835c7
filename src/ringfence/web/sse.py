"""Server-sent events: how a stream is written, and an answer that streams without outliving its reader."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

log = structlog.get_logger()


def frame(*, data: str | None = None, event_id: str | None = None, retry_seconds: float | None = None) -> str:
    """One block of a stream; `data` is one line. A block without data says nothing, but its id counts."""
    lines = [
        *([] if data is not None else [": "]),
        *([] if retry_seconds is None else [f"retry: {retry_seconds * 1000:.0f}"]),
        *([] if event_id is None else [f"id: {event_id}"]),
        *([] if data is None else [f"data: {data}"]),
    ]
    return "\n".join(lines) + "\n\n"


class EventStream(Response):
    """Sends text blocks as they come, until they end or the reader is gone.

    A reader that leaves its end full for `send_seconds` is cut off. `gone` is called once when the reader has gone
    away, so that the blocks can come to their end in order; `done` is called at the very end, whatever happened.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        blocks: AsyncGenerator[str],
        *,
        send_seconds: float,
        gone: Callable[[], None],
        done: Callable[[], None],
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._blocks = blocks
        self._send_seconds = send_seconds
        self._gone = gone
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        watching = asyncio.create_task(self._watch(receive))
        try:
            async with aclosing(self._blocks) as blocks:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for block in blocks:
                    async with asyncio.timeout(self._send_seconds):
                        await send({"type": "http.response.body", "body": block.encode(), "more_body": True})
                async with asyncio.timeout(self._send_seconds):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            # The server closes a connection whose answer was not finished: the reader knows that something is missing.
            log.info("stream.cut_off", after_seconds=self._send_seconds)
        finally:
            watching.cancel()
            self._done()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone()
