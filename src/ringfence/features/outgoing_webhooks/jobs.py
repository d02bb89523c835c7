"""The courier, which makes the deliveries, and the job that forgets old ones.

The courier is a part of the worker beside the job queue: a receiver may take many seconds to answer, and the queue's
few places must not stand waiting for it.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from ringfence.dispatch.recorder import DATABASE_TROUBLE
from ringfence.errors import BusyError
from ringfence.features.events.actions import number
from ringfence.features.outgoing_webhooks.actions.claiming import Claimed, claim
from ringfence.features.outgoing_webhooks.actions.outcomes import Outcome, report
from ringfence.features.outgoing_webhooks.actions.planning import plan
from ringfence.features.outgoing_webhooks.actions.trimming import TRIM_BATCH, forget, trim
from ringfence.features.outgoing_webhooks.queries.due import due_companies
from ringfence.features.outgoing_webhooks.values.jobs import TrimWebhooks
from ringfence.features.outgoing_webhooks.values.signing import seal_context, signed_headers
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.clock import monotonic_seconds, utc_now
from ringfence.kit.keyring import Keyring, SealBrokenError
from ringfence.providers.outgoing.client import Answered, OutgoingClient
from ringfence.tenancy.sessions import Tenancy

log = structlog.get_logger()

_DATABASE_TROUBLE: Final = (*DATABASE_TROUBLE, BusyError)
_MOST_COMPANIES: Final = 100
# Together less than half of a worker's connections: jobs and the dispatcher need theirs.
_TURNS_AT_ONCE: Final = 2
_REPORTS_AT_ONCE: Final = 2
_REST_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CourierConfig:
    """How deliveries are made. `grace_seconds` is how long after the client's deadline a claim is taken for dead."""

    timeout_seconds: float
    grace_seconds: float = 5.0
    poll_seconds: float = 0.5
    in_flight: int = 200
    company_in_flight: int = 20


class Courier:
    """Takes what is due, posts it, writes down what came of it. Any number of processes may do so at once."""

    def __init__(
        self,
        tenancy: Tenancy,
        keyring: Keyring,
        client: OutgoingClient,
        config: CourierConfig,
        *,
        observe: Callable[[str, float], None],
    ) -> None:
        """`observe` is told of each attempt: `delivered` or `failed`, and the seconds it took."""
        self._tenancy = tenancy
        self._keyring = keyring
        self._client = client
        self._config = config
        self._observe = observe
        self._turns = asyncio.Semaphore(_TURNS_AT_ONCE)
        self._reports = asyncio.Semaphore(_REPORTS_AT_ONCE)
        self._in_flight: dict[UUID, int] = {}
        self._turning: set[UUID] = set()
        self._freed: set[UUID] = set()
        self._resting: dict[UUID, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then finish the requests under way, each of which has a deadline."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._wake.clear()
                try:
                    await self._round()
                except _DATABASE_TROUBLE as error:
                    log.warning("courier.round.failed", error=type(error).__name__)
                woken = asyncio.create_task(self._wake.wait())
                pause = self._config.poll_seconds * random.uniform(0.8, 1.2)
                await asyncio.wait([woken, stopping], timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._config.timeout_seconds + self._config.grace_seconds)
        finally:
            stopping.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _round(self) -> None:
        """Give each company that has something due, or room again, a turn: as far as there is room."""
        freed, self._freed = self._freed, set()
        async with self._tenancy.platform() as session:
            due = await due_companies(session, hinted=freed, most=_MOST_COMPANIES)
        now = monotonic_seconds()
        self._resting = {company: until for company, until in self._resting.items() if until > now}
        for company_id in due:
            room = min(
                self._config.in_flight - sum(self._in_flight.values()),
                self._config.company_in_flight - self._in_flight.get(company_id, 0),
            )
            if company_id in self._turning or company_id in self._resting or room <= 0:
                continue
            self._turning.add(company_id)
            self._reserve(company_id, room)
            self._spawn(self._turn(company_id, room))

    async def _turn(self, company_id: UUID, room: int) -> None:
        used = 0
        # Until it is known to have gone well: a fault in one company's data must not become a storm.
        self._resting[company_id] = monotonic_seconds() + _REST_SECONDS
        try:
            lease = timedelta(seconds=self._config.timeout_seconds + self._config.grace_seconds)
            async with self._turns:
                async with self._tenancy.tenant(company_id) as session:
                    await number(session)
                async with self._tenancy.tenant(company_id) as session:
                    more_news = await plan(session)
                    batch = await claim(session, most=room, lease=lease)
            del self._resting[company_id]
            used = len(batch.claimed)
            if more_news:
                self._come_back(company_id)
            for claimed in batch.claimed:
                self._spawn(self._attempt(company_id, claimed, has_more=batch.has_more))
        except _DATABASE_TROUBLE as error:
            log.warning("courier.turn.failed", company_id=str(company_id), error=type(error).__name__)
        finally:
            self._turning.discard(company_id)
            self._reserve(company_id, used - room)

    async def _attempt(self, company_id: UUID, claimed: Claimed, *, has_more: bool) -> None:
        """Post once and report. Whatever keeps it from reporting, the end of the claim brings the next attempt."""
        try:
            outcome = await self._post(claimed)
            self._observe("delivered" if outcome.is_success else "failed", outcome.took.total_seconds())
            async with self._reports, self._tenancy.tenant(company_id) as session:
                await report(session, claimed, outcome)
        except _DATABASE_TROUBLE as error:
            log.warning("courier.report.failed", company_id=str(company_id), error=type(error).__name__)
        finally:
            self._reserve(company_id, -1)
            if has_more:
                self._come_back(company_id)

    async def _post(self, claimed: Claimed) -> Outcome:
        context = seal_context(claimed.endpoint_id)
        secrets: list[str] = []
        for sealed in claimed.sealed_secrets:
            with suppress(SealBrokenError):
                secrets.append(self._keyring.open(sealed, context=context))
        if not secrets:
            return Outcome(status=None, excerpt=None, failure="secret_unreadable", took=timedelta())
        headers = signed_headers(secrets, event_id=claimed.event_id, at=utc_now(), body=claimed.body)
        answer = await self._client.post(
            claimed.url,
            headers={**headers, "Content-Type": "application/json", "User-Agent": "Ringfence-Webhooks"},
            body=claimed.body,
        )
        took = timedelta(seconds=answer.seconds)
        if isinstance(answer, Answered):
            return Outcome(status=answer.status, excerpt=answer.excerpt, failure=None, took=took)
        return Outcome(status=None, excerpt=None, failure=answer.reason, took=took)

    def _come_back(self, company_id: UUID) -> None:
        self._freed.add(company_id)
        self._wake.set()

    def _reserve(self, company_id: UUID, slots: int) -> None:
        left = self._in_flight.get(company_id, 0) + slots
        if left:
            self._in_flight[company_id] = left
        else:
            self._in_flight.pop(company_id, None)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("courier.task.failed", error=type(error).__name__, exc_info=error)


async def trim_webhooks(context: JobContext, _job: TrimWebhooks) -> None:
    """Do `TrimWebhooks`, a batch a transaction."""
    now = utc_now()
    while True:
        async with context.tenancy.tenant(context.company_id) as session:
            gone = await trim(session, now)
        if gone < TRIM_BATCH:
            break
    async with context.tenancy.tenant(context.company_id) as session:
        await forget(session, now)
