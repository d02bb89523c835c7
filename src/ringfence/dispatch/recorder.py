"""Outcomes on their way to the database: gathered per company, written in batches, kept until they are written."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ringfence.dispatch.company import CompanyWork, Results

log = structlog.get_logger()

DATABASE_TROUBLE = (DBAPIError, InterfaceError, PoolTimeoutError, OSError)
FLUSH_SECONDS = 0.02
FLUSH_TEXTS = 200
RETRY_SECONDS = 1.0


class Recorder:
    """Writes what became of POSTs. `at_once` bounds its transactions under way."""

    def __init__(self, work: Callable[[UUID], CompanyWork], *, at_once: int) -> None:
        self._work = work
        self._slots = asyncio.Semaphore(at_once)
        self._results: dict[UUID, Results] = {}
        self._writing: dict[UUID, asyncio.Task[None]] = {}
        self._noted = asyncio.Event()

    def results_of(self, company_id: UUID) -> Results:
        """Where a company's next outcome goes; call `noted` after adding one."""
        return self._results.setdefault(company_id, Results())

    def noted(self) -> None:
        """Something was added: it is written within a moment."""
        self._noted.set()

    async def run(self) -> None:
        """Write in batches for ever: after 20 ms, or at once when a batch is full."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            if max((len(results) for results in self._results.values()), default=0) < FLUSH_TEXTS:
                await asyncio.sleep(FLUSH_SECONDS)
            self._begin()

    async def finish(self, *, within: float) -> None:
        """Write what is left, for at most so many seconds; recovery would find the rest."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while (self._results or self._writing) and (left := deadline - loop.time()) > 0:
            self._begin()
            await asyncio.wait(self._writing.values(), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        for task in self._writing.values():
            task.cancel()

    def _begin(self) -> None:
        for company_id in self._results:
            if company_id not in self._writing:
                task = asyncio.create_task(self._write(company_id))
                self._writing[company_id] = task
                task.add_done_callback(lambda done, company_id=company_id: self._written(company_id, done))

    def _written(self, company_id: UUID, task: asyncio.Task[None]) -> None:
        self._writing.pop(company_id, None)
        if company_id in self._results:
            self._noted.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("dispatcher.record.broken", company_id=str(company_id), exc_info=error)

    async def _write(self, company_id: UUID) -> None:
        async with self._slots:
            results = self._results.pop(company_id)
            try:
                await self._work(company_id).record(results)
            except (IntegrityError, DataError) as error:
                log.warning("dispatcher.record.refused", company_id=str(company_id), error=type(error).__name__)
                await self._write_singly(company_id, results)
            except DATABASE_TROUBLE as error:
                log.warning("dispatcher.record.failed", company_id=str(company_id), error=type(error).__name__)
                self._put_back(company_id, results)
                await asyncio.sleep(RETRY_SECONDS)

    async def _write_singly(self, company_id: UUID, results: Results) -> None:
        """One bad outcome must not hold up the others; its row stays, and recovery asks Twilio about it."""
        for single in results.singles():
            try:
                await self._work(company_id).record(single)
            except (IntegrityError, DataError):
                log.exception("dispatcher.outcome.refused", company_id=str(company_id))
            except DATABASE_TROUBLE:
                self._put_back(company_id, single)

    def _put_back(self, company_id: UUID, results: Results) -> None:
        self._results[company_id] = results.merge(self._results.get(company_id))
