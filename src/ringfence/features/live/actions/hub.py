"""Who watches which company in this process, and waking them when the company has news."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from ringfence.errors import BusyError
from ringfence.features.events.actions import number
from ringfence.features.events.queries import Head
from ringfence.features.live import queries
from ringfence.features.live.errors import TooManyStreamsError
from ringfence.features.live.queries import Batch
from ringfence.features.live.values import BATCH, MOST_OF_CALLER, MOST_OF_COMPANY, MOST_OF_PROCESS
from ringfence.kit.clock import monotonic_seconds
from ringfence.tenancy.sessions import Tenancy
from ringfence.wakeup.listener import Listener
from ringfence.web.caller import Caller, Level

log = structlog.get_logger()

Result = TypeVar("Result")

# Without being told of news, companies that are watched are looked at so often.
_LOOK_SECONDS: Final = 5.0
_LOOK_DEAF_SECONDS: Final = 0.5
# Of a busy company's news its streams hear together, so that all streams read a hundred times a second at most.
_SHORTEST_PAUSE_SECONDS: Final = 0.05
_PAUSE_PER_STREAM_SECONDS: Final = 0.01
_LONGEST_PAUSE_SECONDS: Final = 2.0
# Streams leave most of the pool's connections to requests.
_CONNECTIONS: Final = 3


@dataclass(eq=False, slots=True)
class Watcher:
    """One stream's place in the hub. `news` is set when there may be something to read, or the end has come."""

    company_id: UUID
    caller_id: UUID
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """The streams of one process. It works only while there are any."""

    def __init__(self, tenancy: Tenancy, database_url: str | None = None) -> None:
        """`database_url` is a login to listen with; without one, watched companies are looked at all the time."""
        self._tenancy = tenancy
        self._listener = Listener(database_url, self._hear) if database_url else None
        self._watchers: dict[UUID, set[Watcher]] = {}
        self._heads: dict[UUID, int] = {}
        self._to_look_at: set[UUID] = set()
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.is_closing = False
        self._turn = asyncio.Semaphore(_CONNECTIONS)

    @property
    def count(self) -> int:
        """How many streams are open."""
        return sum(len(watchers) for watchers in self._watchers.values())

    @property
    def hears(self) -> bool:
        """Whether this process is told of news."""
        return self._listener is not None and self._listener.is_connected

    def enter(self, company_id: UUID, caller_id: UUID) -> Watcher:
        """A stream begins; `leave` must follow. Raises TooManyStreamsError."""
        others = self._watchers.get(company_id, set())
        if self.count >= MOST_OF_PROCESS:
            raise TooManyStreamsError("of this server")
        if len(others) >= MOST_OF_COMPANY:
            raise TooManyStreamsError("of your company")
        if Counter(other.caller_id for other in others)[caller_id] >= MOST_OF_CALLER:
            raise TooManyStreamsError("of yours")
        watcher = Watcher(company_id, caller_id)
        self._watchers.setdefault(company_id, set()).add(watcher)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._look())]
            if self._listener is not None:
                self._tasks.append(asyncio.create_task(self._listener.run()))
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """A stream has ended; saying so twice changes nothing."""
        watchers = self._watchers.get(watcher.company_id, set())
        watchers.discard(watcher)
        if not watchers:
            self._watchers.pop(watcher.company_id, None)
            self._heads.pop(watcher.company_id, None)
        if not self._watchers:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    def close(self) -> None:
        """End all streams in order: each says what it still has to say, and stops."""
        self.is_closing = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.news.set()

    async def in_turn(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Do something with the database when it is this one's turn. Raises BusyError while the database is away."""
        async with self._turn:
            try:
                return await work()
            except (OperationalError, InterfaceError, OSError):
                raise BusyError from None

    async def number_all(self, company_id: UUID) -> Head:
        """Give all events that wait their places; how far the company has come. Raises BusyError."""

        async def work() -> Head:
            async with self._tenancy.tenant(company_id) as session:
                return await number(session)

        return await self.in_turn(work)

    async def read(self, caller: Caller, seq: int) -> Batch:
        """What comes after a place for a caller. Raises BusyError."""

        async def work() -> Batch:
            async with self._tenancy.tenant(caller.company_id) as session:
                manages = caller.level >= Level.MANAGE
                return await queries.after(session, seq, user_id=caller.user_id, manages=manages, limit=BATCH)

        return await self.in_turn(work)

    def _hear(self, company_id: UUID) -> None:
        if company_id in self._watchers:
            self._to_look_at.add(company_id)
            self._woken.set()

    async def _look(self) -> None:
        """Look at companies with news at once, and at all of them from time to time."""
        looked = monotonic_seconds()
        while True:
            wait = self._look_seconds() - (monotonic_seconds() - looked)
            if wait <= 0:
                looked = monotonic_seconds()
                self._to_look_at |= self._watchers.keys()
            elif not self._to_look_at:
                await _within(self._woken, wait)
            self._woken.clear()
            chosen, self._to_look_at = self._to_look_at, set()
            if chosen:
                await asyncio.gather(*(self._look_at(company_id) for company_id in chosen))
                pause = self.count * _PAUSE_PER_STREAM_SECONDS
                await asyncio.sleep(min(max(pause, _SHORTEST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS))

    def _look_seconds(self) -> float:
        return _LOOK_SECONDS if self.hears else _LOOK_DEAF_SECONDS

    async def _look_at(self, company_id: UUID) -> None:
        try:
            head = (await self.number_all(company_id)).last_seq
        except BusyError:
            log.warning("events.not_numbered")
            return
        if head != self._heads.get(company_id):
            self._heads[company_id] = head
            self._wake(self._watchers.get(company_id, ()))

    @staticmethod
    def _wake(watchers: Iterable[Watcher]) -> None:
        for watcher in watchers:
            watcher.news.set()


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
