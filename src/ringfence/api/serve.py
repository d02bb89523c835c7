"""`ringfence serve`: checks that the server may start, listens, and stops without cutting answers short."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator, Sequence
from urllib.parse import urlsplit

import structlog
import uvicorn
from fastapi import FastAPI

import ringfence
from ringfence.api.app import create_app
from ringfence.api.health import Release
from ringfence.api.site import Landing, Link
from ringfence.errors import ConfigurationError
from ringfence.migrations import runner
from ringfence.migrations.metadata import metadata
from ringfence.runtime.build import Runtime, build
from ringfence.runtime.database import Logins
from ringfence.runtime.readiness import require_sound
from ringfence.settings import Settings

log = structlog.get_logger()

# Beyond this many requests at once the answer is 503: work that waits in memory helps nobody.
MOST_REQUESTS = 1000
DRAIN_SECONDS = 15
_BACKLOG = 1024


async def serve(settings: Settings, logins: Logins, stop: asyncio.Event) -> None:
    """Answer requests until `stop`; then finish those under way, within 15 s. Raises ConfigurationError."""
    listener = _listen(settings.host, settings.port)
    runtime = build(settings, logins)
    try:
        await require_sound(runtime.tenancy, metadata=metadata(), head=runner.head())
        host, port = listener.getsockname()[:2]
        log.info("server.started", address=f"http://{host}:{port}", public_url=settings.public_url)
        await _answer(application(runtime), listener, stop, settings.trusted_proxies, ending=runtime.hub.close)
        log.info("server.stopped")
    finally:
        listener.close()
        await runtime.close()


def application(runtime: Runtime) -> FastAPI:
    """The application over a runtime's services."""
    return create_app(
        *runtime.services,
        Release(ringfence.__version__, runner.head()),
        Landing(_demo_links(runtime.settings.twilio_api_url)),
    )


def _demo_links(twilio_api_url: str) -> tuple[Link, ...]:
    """Where the local Twilio shows its phones, if that is what this server talks to."""
    if urlsplit(twilio_api_url).hostname not in {"127.0.0.1", "localhost", "::1"}:
        return ()
    return (
        Link("Customers' phones", f"{twilio_api_url}/phones", "The texts that arrived, and a place to answer."),
        Link("Mailbox", f"{twilio_api_url}/mailbox", "Mails that this server wrote, such as invitations."),
    )


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the command has them, and stops everything in order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def _answer(
    app: FastAPI,
    listener: socket.socket,
    stop: asyncio.Event,
    trusted_proxies: Sequence[str],
    *,
    ending: Callable[[], None],
) -> None:
    """`ending` is called when the stop is asked for: what would go on for ever has to end by itself."""
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            # Whoever a request says it comes from is believed only where a proxy that we know says so.
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            lifespan="off",
            ws="none",
            limit_concurrency=MOST_REQUESTS,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )

    async def stop_server() -> None:
        await stop.wait()
        ending()
        server.should_exit = True

    stopping = asyncio.create_task(stop_server())
    try:
        await server.serve(sockets=[listener])
    finally:
        stopping.cancel()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ConfigurationError(
            f"RINGFENCE_HOST, RINGFENCE_PORT: cannot listen on {host}:{port} ({error.strerror});"
            " choose another port or stop what uses it."
        ) from None
    listener.setblocking(False)
    return listener
