"""Pure ASGI middleware: request ids, size limits, and refusal of paths and queries that no column can store."""

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ringfence.kit.ids import new_id
from ringfence.web.problems import problem

MAX_BODY_BYTES = 1 << 20
_REQUEST_ID = re.compile(rb"^[A-Za-z0-9._-]{8,64}$")


class RequestContext:
    """Gives each request an id (the caller's `X-Request-Id` if sane), binds it to the logs and answers with it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"")
        request_id = given.decode() if _REQUEST_ID.match(given) else new_id().hex
        scope["request_id"] = request_id

        async def with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self.app(scope, receive, with_id)


class Limits:
    """Refuses bodies over the limit (413) and targets with NUL or invalid UTF-8 (400) before anything reads them."""

    def __init__(self, app: ASGIApp, *, uploads: Mapping[str, int] | None = None) -> None:
        """`uploads` is path → bytes, for the few addresses that take more than MAX_BODY_BYTES."""
        self.app = app
        self.uploads = uploads or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not _is_clean(scope.get("raw_path") or b"") or not _is_clean(scope["query_string"]):
            await problem(400, "bad_target", "The address contains NUL or invalid UTF-8.")(scope, receive, send)
            return
        limit = self.uploads.get(scope["path"], MAX_BODY_BYTES)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > limit:
            await problem(413, "too_large", f"The body is over {limit} bytes.")(scope, receive, send)
            return
        await self.app(scope, _Counter(receive, limit).receive, send)


class _Counter:
    """Counts a body that came without a length."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            # FastAPI passes an HTTPException of the receive channel on; anything else it would call a bad body.
            raise HTTPException(413)
        return message


def _is_clean(raw: bytes) -> bool:
    plain = unquote_to_bytes(raw.replace(b"+", b" "))
    try:
        return b"\x00" not in plain and bool(plain.decode() or True)
    except UnicodeDecodeError:
        return False
