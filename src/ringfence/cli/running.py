"""What the commands have in common: settings, the database, a stop that signals ask for, and one line for errors."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

import uvloop

from ringfence.migrations import runner
from ringfence.runtime.build import Runtime, build, open_tenancy
from ringfence.runtime.database import Logins, database
from ringfence.settings import Settings, load_settings
from ringfence.tenancy.sessions import Tenancy

Long = Callable[[Settings, Logins, asyncio.Event], Awaitable[None]]
"""What runs until the event is set."""


@contextmanager
def ready_database(settings: Settings) -> Generator[Logins]:
    """The database's logins. The embedded one, which nobody else looks after, is brought to the newest migration."""
    with database(settings) as logins:
        if logins.embedded and logins.owner is not None:
            runner.upgrade(logins.owner)
        yield logins


def run_until_stopped(settings: Settings, long: Long) -> None:
    """Run until SIGINT or SIGTERM asks to stop in order; a second one ends the process at once."""
    with ready_database(settings) as logins:
        uvloop.run(_with_signals(lambda stop: long(settings, logins, stop)))


@asynccontextmanager
async def open_database() -> AsyncGenerator[Tenancy]:
    """The fence's sessions for a short command."""
    settings = load_settings()
    # This blocks the event loop, in which a short command has nothing else to do meanwhile.
    with ready_database(settings) as logins:
        tenancy = open_tenancy(settings, logins)
        try:
            yield tenancy
        finally:
            await tenancy.close()


@asynccontextmanager
async def open_runtime() -> AsyncGenerator[Runtime]:
    """All services of the doors for a short command."""
    settings = load_settings()
    with ready_database(settings) as logins:
        runtime = build(settings, logins)
        try:
            yield runtime
        finally:
            await runtime.close()


async def _with_signals(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask_to_stop(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask_to_stop, number)
    await work(stop)
