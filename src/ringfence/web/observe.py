"""Pure ASGI middleware: counts and logs every request by its route template, never by its address."""

from collections.abc import Mapping
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ringfence.kit.clock import monotonic_seconds
from ringfence.web import metrics

log = structlog.get_logger()

UNMATCHED = "unmatched"
_QUIET_ROUTES = {"/healthz", "/readyz", "/metrics"}
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Observe:
    """Feeds `metrics.REQUESTS` and the access log. Addresses hold ids and secrets, so only templates are noted.

    `templates` leads from each route's endpoint to its whole template: the route itself knows only the part after
    the prefix under which its router was included.
    """

    def __init__(self, app: ASGIApp, templates: Mapping[Any, str]) -> None:
        self.app = app
        self.templates = templates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = monotonic_seconds()
        status = 0

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note_status)
        finally:
            seconds = monotonic_seconds() - started
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = self.templates.get(scope.get("endpoint"), UNMATCHED)
            metrics.REQUESTS.labels(method, route, str(status)).observe(seconds)
            if route not in _QUIET_ROUTES:
                log.info("request.done", method=method, route=route, status=status, milliseconds=round(seconds * 1000))
