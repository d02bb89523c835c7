"""Things that happen later: one heap and one timer for all messages, instead of a task for each."""

import asyncio
import heapq
from collections.abc import Callable

Action = Callable[[], None]


class Timeline:
    """Runs actions after a delay, in the order of their due times. Nothing runs after `clear`."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Action]] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def after(self, seconds: float, action: Action) -> None:
        """Run `action` once, `seconds` from now, on the event loop."""
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        self._count += 1
        heapq.heappush(self._due, (when, self._count, action))
        if self._timer is None or when < self._timer.when():
            self._arm(loop)

    def clear(self) -> None:
        """Forget everything that is still to come."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._due[0][0], self._run) if self._due else None

    def _run(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
        self._arm(loop)
