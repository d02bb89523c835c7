"""Where status callbacks wait for each other: what arrives while a company's transaction runs shares the next one.

Under load Twilio reports three or four times on each text. A transaction for each report would cost more than the
report, so a company's callbacks are stored many at a time, and every one of them still before its own 200.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from ringfence.errors import BusyError
from ringfence.features.messages.actions.callbacks import Callback, Taken, take_in
from ringfence.features.twilio_settings.errors import WebhookRefusedError
from ringfence.features.twilio_settings.queries import credentials_for
from ringfence.features.twilio_settings.values import StoredCredentials
from ringfence.kit.keyring import Keyring
from ringfence.tenancy.sessions import Tenancy

OpenCallback = Callable[[StoredCredentials | None], Callback]
"""Proves a callback with the company's credentials and reads it; raises WebhookRefusedError."""

MOST_AT_ONCE: Final = 200
MOST_WAITING: Final = 5_000
_MOST_TRANSACTIONS: Final = 3


@dataclass(frozen=True, slots=True)
class _Waiting:
    open_callback: OpenCallback
    answer: "asyncio.Future[Taken]"


class CallbackIntake:
    """One per process. At most `most_at_once` callbacks of a company share a transaction, and `most_waiting` wait."""

    def __init__(
        self,
        tenancy: Tenancy,
        keyring: Keyring,
        *,
        most_at_once: int = MOST_AT_ONCE,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._tenancy = tenancy
        self._keyring = keyring
        self._most_at_once = most_at_once
        self._most_waiting = most_waiting
        self._waiting: dict[UUID, deque[_Waiting]] = {}
        self._count = 0
        self._turns = asyncio.Semaphore(_MOST_TRANSACTIONS)
        self._emptying: set[asyncio.Task[None]] = set()

    async def take_in(self, company_id: UUID, open_callback: OpenCallback) -> Taken:
        """What came of a callback, once it is stored.

        Raises WebhookRefusedError for one that its company's credentials do not prove, BusyError when too many wait.
        """
        if self._count >= self._most_waiting:
            raise BusyError
        item = _Waiting(open_callback, asyncio.get_running_loop().create_future())
        queue = self._waiting.get(company_id)
        if queue is None:
            queue = self._waiting[company_id] = deque()
            emptying = asyncio.create_task(self._empty(company_id, queue))
            self._emptying.add(emptying)
            emptying.add_done_callback(self._emptying.discard)
        queue.append(item)
        self._count += 1
        return await item.answer

    async def _empty(self, company_id: UUID, queue: deque[_Waiting]) -> None:
        """One transaction after the other, until nothing waits."""
        while queue:
            async with self._turns:
                batch = [queue.popleft() for _ in range(min(len(queue), self._most_at_once))]
                self._count -= len(batch)
                await self._answer(company_id, batch)
        del self._waiting[company_id]

    async def _answer(self, company_id: UUID, batch: Sequence[_Waiting]) -> None:
        """Store a batch. If that fails, nothing of it was stored, and one's fault must not cost the others their 200:
        each is tried once more by itself, and what goes wrong then goes to whoever asked.
        """
        if await self._try(company_id, batch) is None:
            return
        for item in batch:
            if not item.answer.done() and (error := await self._try(company_id, [item])) is not None:
                _fail(item, error)

    async def _try(self, company_id: UUID, batch: Sequence[_Waiting]) -> BaseException | None:
        (error,) = await asyncio.gather(self._store(company_id, batch), return_exceptions=True)
        return error

    async def _store(self, company_id: UUID, batch: Sequence[_Waiting]) -> None:
        opened: list[tuple[_Waiting, Callback]] = []
        async with self._tenancy.tenant(company_id) as session:
            credentials = await credentials_for(session, self._keyring)
            for item in batch:
                try:
                    opened.append((item, item.open_callback(credentials)))
                except WebhookRefusedError as refusal:
                    _fail(item, refusal)
            taken = await take_in(session, [callback for _, callback in opened]) if opened else []
        for (item, _), came_of_it in zip(opened, taken, strict=True):
            if not item.answer.done():
                item.answer.set_result(came_of_it)


def _fail(item: _Waiting, error: BaseException) -> None:
    # Whoever asked may have hung up.
    if not item.answer.done():
        item.answer.set_exception(error)
