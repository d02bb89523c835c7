"""`ringfence work`: one process that does background jobs and stands ready to send. Run as many as you like."""

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import structlog
from prometheus_client import start_http_server

from ringfence.dispatch.company import Deadlines
from ringfence.dispatch.engine import Dispatcher, DispatcherConfig
from ringfence.dispatch.recovery import MessageFinder
from ringfence.errors import ConfigurationError
from ringfence.features.messages.actions.dispatching import MessageTexts
from ringfence.features.outgoing_webhooks.jobs import Courier, CourierConfig
from ringfence.jobqueue.worker import JobWorker
from ringfence.migrations import runner
from ringfence.migrations.metadata import metadata
from ringfence.providers.twilio.send import SendClient
from ringfence.runtime.build import Runtime, build
from ringfence.runtime.database import Logins
from ringfence.runtime.readiness import require_sound
from ringfence.settings import Settings
from ringfence.web import metrics
from ringfence.worker.registry import handlers, periodic

log = structlog.get_logger()

# After the waits that the parts bound themselves, how long until what is left is cut off.
SPARE_SECONDS = 5.0


async def work(settings: Settings, logins: Logins, stop: asyncio.Event) -> None:
    """Do jobs and send texts until `stop`; then finish or release what is under way.

    The dispatcher sends only while this process holds the lease; the others stand by. Raises ConfigurationError
    when the server may not start, and whatever a part of it dies of: then all of it stops, for a half-alive
    worker looks alive to everybody.
    """
    async with AsyncExitStack() as stack:
        runtime = build(settings, logins)
        stack.push_async_callback(runtime.close)
        await require_sound(runtime.tenancy, metadata=metadata(), head=runner.head())
        client = SendClient(
            settings.twilio_api_url,
            timeout_seconds=settings.post_timeout_seconds,
            max_connections=settings.dispatch_in_flight,
        )
        await client.start()
        stack.push_async_callback(client.close)
        await runtime.outgoing.start()
        stack.enter_context(shown_metrics(settings))
        log.info("worker.started")
        await _run_together(
            stop,
            deadline_seconds=settings.post_timeout_seconds + settings.post_grace_seconds + SPARE_SECONDS,
            dispatcher=dispatcher(runtime, client).run(stop),
            jobs=job_worker(runtime).run(stop),
            webhooks=courier(runtime).run(stop),
        )
        log.info("worker.stopped")


@contextmanager
def shown_metrics(settings: Settings) -> Generator[None]:
    """Answer Prometheus on METRICS_PORT meanwhile: what was sent is counted in this process, not in the API's."""
    if settings.metrics_port is None:
        yield
        return
    try:
        server, thread = start_http_server(settings.metrics_port, settings.host)
    except OSError as error:
        raise ConfigurationError(
            f"RINGFENCE_METRICS_PORT: cannot listen on {settings.host}:{settings.metrics_port} ({error.strerror});"
            " each worker of a machine needs a port of its own."
        ) from None
    log.info("worker.metrics.shown", address=f"http://{settings.host}:{server.server_port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def dispatcher(runtime: Runtime, client: SendClient) -> Dispatcher:
    """The send engine over the texts room."""
    settings = runtime.settings
    return Dispatcher(
        runtime.tenancy,
        MessageTexts(runtime.keyring, settings.public_url),
        client,
        MessageFinder(settings.twilio_api_url, timeout_seconds=settings.post_timeout_seconds),
        DispatcherConfig(
            deadlines=Deadlines(
                post=settings.post_timeout_seconds,
                grace=settings.post_grace_seconds,
                look_after=settings.unknown_lookup_seconds,
                give_up_after=settings.unconfirmed_after_seconds,
            ),
            lease_seconds=settings.dispatcher_lease_seconds,
            in_flight=settings.dispatch_in_flight,
            account_in_flight=settings.account_in_flight,
        ),
    )


def job_worker(runtime: Runtime) -> JobWorker:
    """The job worker over the registry."""
    return JobWorker(
        runtime.tenancy,
        runtime.logins.platform,
        handlers(runtime),
        periodic=periodic(runtime),
        observe=lambda kind, outcome, seconds: metrics.JOBS.labels(kind, outcome).observe(seconds),
    )


def courier(runtime: Runtime) -> Courier:
    """The part that delivers outgoing webhooks; the runtime's client must be started."""
    return Courier(
        runtime.tenancy,
        runtime.keyring,
        runtime.outgoing,
        CourierConfig(timeout_seconds=runtime.settings.webhook_timeout_seconds),
        observe=lambda outcome, seconds: metrics.WEBHOOK_DELIVERIES.labels(outcome).observe(seconds),
    )


async def _run_together(stop: asyncio.Event, *, deadline_seconds: float, **parts: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(part, name=name) for name, part in parts.items()]
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        _, late = await asyncio.wait(tasks, timeout=deadline_seconds)
        for task in late:
            log.error("worker.part.late", part=task.get_name())
    finally:
        for task in (*tasks, stopping):
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
