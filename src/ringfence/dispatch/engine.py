"""The dispatcher: one active process turns outbox rows into POSTs, at each sender's rate, in fair turns.

The loop only plans. Each company is claimed by a task of its own, each text is POSTed by a task of its own, and
outcomes are gathered and written in batches per company. What the loop keeps in memory (rates, limits, turns) is
rebuilt from nothing at a take-over; what matters is in the database.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ringfence.dispatch import statements
from ringfence.dispatch.company import Claimed, CompanyWork, Deadlines, Results, Right, eligible_at
from ringfence.dispatch.lease import Lease
from ringfence.dispatch.outcomes import note_outcome
from ringfence.dispatch.pacing import AccountLimit, SenderRate, Share, Turns
from ringfence.dispatch.ports import Texts
from ringfence.dispatch.recovery import MessageFinder, recover
from ringfence.kit.clock import monotonic_seconds
from ringfence.providers.twilio.outcome import NotProcessed, Outcome, Unknown
from ringfence.providers.twilio.send import SendClient, SendRequest
from ringfence.tenancy.sessions import Tenancy
from ringfence.web import metrics

log = structlog.get_logger()

DATABASE_TROUBLE = (DBAPIError, InterfaceError, PoolTimeoutError, OSError)
POLL_SECONDS = 0.1
FLUSH_SECONDS = 0.02
FLUSH_TEXTS = 200
MOST_LANES = 5000
# A claimed text whose POST did not begin within this time goes back: the process was stopped or starved.
STALE_CLAIM_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DispatcherConfig:
    """How the dispatcher works: deadlines in seconds, and limits of POSTs under way."""

    deadlines: Deadlines
    lease_seconds: float
    in_flight: int
    account_in_flight: int
    claims_at_once: int = 4


class Dispatcher:
    """Sends what is in the outbox, as long as this process holds the lease."""

    def __init__(
        self,
        tenancy: Tenancy,
        texts: Texts,
        client: SendClient,
        finder: MessageFinder,
        config: DispatcherConfig,
    ) -> None:
        self._tenancy = tenancy
        self._texts = texts
        self._client = client
        self._finder = finder
        self._config = config
        self._lease = Lease(tenancy, life_seconds=config.lease_seconds)
        self._turns = Turns()
        self._rates: dict[UUID, SenderRate] = {}
        self._limits: dict[UUID, AccountLimit] = {}
        self._claiming: set[UUID] = set()
        self._recovering: set[UUID] = set()
        self._results: dict[UUID, Results] = {}
        self._flushing: set[UUID] = set()
        self._in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._posts: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._results_wait = asyncio.Event()

    @property
    def active(self) -> bool:
        """Whether this process is the one that sends."""
        return self._lease.held

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish what is in flight, record it, and release the lease."""
        renewing = asyncio.create_task(self._renew())
        flushing = asyncio.create_task(self._flush_forever())
        try:
            while not stop.is_set():
                await self._turn_safely()
                await self._sleep(stop)
            await self._drain()
        finally:
            for task in (renewing, flushing):
                task.cancel()
            await asyncio.gather(renewing, flushing, return_exceptions=True)
            await self._release()

    # The loop.

    async def _turn_safely(self) -> None:
        try:
            if self._lease.held:
                await self._turn()
        except DATABASE_TROUBLE as error:
            log.warning("dispatcher.turn.failed", error=type(error).__name__)

    async def _turn(self) -> None:
        async with self._tenancy.platform() as session:
            lanes = (await session.execute(statements.DUE_LANES, {"most": MOST_LANES})).all()
        metrics.LANES_DUE.set(len(lanes))
        waiting: dict[UUID, dict[UUID, int]] = {}
        now = monotonic_seconds()
        for lane in lanes:
            rate = self._rate(lane.sender_id, float(lane.segments_per_second), now)
            budget = 0 if lane.paused else rate.budget(now)
            waiting.setdefault(lane.company_id, {})[lane.sender_id] = budget
        idle = {c: senders for c, senders in waiting.items() if c not in self._claiming}
        rooms = {company: self._limit(company).room for company in idle}
        free = self._config.in_flight - self._in_flight
        for share in self._turns.shares(idle, rooms, free=free, total=self._config.in_flight):
            self._claiming.add(share.company_id)
            self._in_flight += share.slots
            self._limit(share.company_id).in_flight += share.slots
            self._spawn(self._claim(share, idle[share.company_id]))

    async def _claim(self, share: Share, senders: dict[UUID, int]) -> None:
        """Claim within a share whose slots are already reserved; give back the slots that no text uses."""
        used = 0
        try:
            fence = self._lease.fence
            if fence is None or not self._lease.held:
                return
            now = monotonic_seconds()
            most = min(share.slots, share.segments)
            budgets = {sender: min(budget, most) for sender, budget in senders.items()}
            claim = await self._work(share.company_id).claim(
                Right(self._lease.owner, fence),
                budgets,
                {sender: eligible_at(self._rates[sender].ready_in(now, after=n)) for sender, n in budgets.items()},
                share.slots,
            )
            for sender, segments in claim.spent.items():
                self._rates[sender].spend(segments, now)
            self._turns.took(share.company_id, sum(claim.spent.values()), emptied=claim.emptied)
            used = len(claim.texts)
            for claimed in claim.texts:
                post = asyncio.create_task(self._post(share.company_id, claimed))
                self._posts.add(post)
                post.add_done_callback(self._posts.discard)
        except DATABASE_TROUBLE as error:
            log.warning("dispatcher.claim.failed", company_id=str(share.company_id), error=type(error).__name__)
        finally:
            self._give_back(share.company_id, share.slots - used)
            self._claiming.discard(share.company_id)
        self._recover(share.company_id, list(senders))

    async def _post(self, company_id: UUID, claimed: Claimed) -> None:
        try:
            outcome = await self._send(claimed)
        except asyncio.CancelledError:
            note_outcome(self._results_of(company_id), claimed, Unknown("timeout"))
            raise
        finally:
            self._give_back(company_id, 1)
        limit = self._limit(company_id)
        if isinstance(outcome, NotProcessed | Unknown):
            limit.shrink(monotonic_seconds())
        else:
            limit.grow()
        note_outcome(self._results_of(company_id), claimed, outcome)
        self._results_wait.set()

    async def _send(self, claimed: Claimed) -> Outcome:
        if monotonic_seconds() - claimed.claimed_at > STALE_CLAIM_SECONDS or not self._lease.held:
            return NotProcessed("not_sent")
        text, credentials = claimed.text, claimed.credentials
        return await self._client.send(
            SendRequest(
                account_sid=credentials.account_sid,
                auth_user=credentials.account_sid,
                auth_secret=credentials.auth_token,
                to=text.to_number,
                from_number=text.from_number,
                body=text.body,
                media_urls=text.media_urls,
                status_callback=self._texts.status_callback(credentials, text.message_id, claimed.attempt),
            )
        )

    # Outcomes.

    def _results_of(self, company_id: UUID) -> Results:
        return self._results.setdefault(company_id, Results())

    async def _flush_forever(self) -> None:
        while True:
            await self._results_wait.wait()
            self._results_wait.clear()
            if max((len(results) for results in self._results.values()), default=0) < FLUSH_TEXTS:
                await asyncio.sleep(FLUSH_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        """Write every company's outcomes; what cannot be written stays and is tried again."""
        for company_id in list(self._results):
            if company_id not in self._flushing:
                self._flushing.add(company_id)
                self._spawn(self._flush_company(company_id))

    async def _flush_company(self, company_id: UUID) -> None:
        results = self._results.pop(company_id, Results())
        try:
            if fence := results.fence:
                await self._work(company_id).record(results, fence)
                for outcome, count in results.outcomes.items():
                    metrics.SENDS.labels(outcome).inc(count)
        except DATABASE_TROUBLE as error:
            log.warning("dispatcher.record.failed", company_id=str(company_id), error=type(error).__name__)
            self._results[company_id] = results.merge(self._results.get(company_id))
            await asyncio.sleep(1.0)
        finally:
            self._flushing.discard(company_id)
            if company_id in self._results:
                self._results_wait.set()
            self._wake.set()

    # Recovery.

    def _recover(self, company_id: UUID, senders: list[UUID]) -> None:
        if company_id not in self._recovering:
            self._recovering.add(company_id)
            self._spawn(self._recover_company(company_id, senders))

    async def _recover_company(self, company_id: UUID, senders: list[UUID]) -> None:
        try:
            await recover(self._work(company_id), senders, self._finder)
        except DATABASE_TROUBLE as error:
            log.warning("dispatcher.recovery.failed", company_id=str(company_id), error=type(error).__name__)
        finally:
            self._recovering.discard(company_id)

    # Housekeeping.

    async def _renew(self) -> None:
        while True:
            was_held = self._lease.held
            try:
                held = await self._lease.take()
                if held != was_held:
                    log.info("dispatcher.lease.taken" if held else "dispatcher.lease.elsewhere")
                if held and not was_held:
                    self._wake.set()
            except DATABASE_TROUBLE as error:
                log.warning("dispatcher.lease.failed", error=type(error).__name__)
            await asyncio.sleep(self._lease.renew_every if self._lease.held else min(1.0, self._lease.renew_every))

    async def _sleep(self, stop: asyncio.Event) -> None:
        self._wake.clear()
        waits = [asyncio.ensure_future(self._wake.wait()), asyncio.ensure_future(stop.wait())]
        await asyncio.wait(waits, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        # A turn costs a query: after a wake-up, let a few more answers gather.
        if not stop.is_set():
            await asyncio.sleep(FLUSH_SECONDS)

    async def _drain(self) -> None:
        """Let POSTs finish (each has a deadline) and write their outcomes; recovery would find the rest."""
        if self._posts or self._claiming:
            log.info("dispatcher.draining", in_flight=len(self._posts))
        limit = monotonic_seconds() + self._config.deadlines.post + self._config.deadlines.grace
        while (self._posts or self._tasks or self._results) and monotonic_seconds() < limit:
            await self._flush()
            pending = {*self._posts, *self._tasks}
            if pending:
                await asyncio.wait(pending, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)

    async def _release(self) -> None:
        try:
            await self._lease.release()
        except DATABASE_TROUBLE as error:
            log.warning("dispatcher.release.failed", error=type(error).__name__)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("dispatcher.task.failed", error=type(error).__name__, exc_info=error)

    def _give_back(self, company_id: UUID, slots: int) -> None:
        self._in_flight -= slots
        self._limit(company_id).in_flight -= slots
        metrics.DISPATCH_IN_FLIGHT.set(self._in_flight)
        if slots:
            self._wake.set()

    def _rate(self, sender_id: UUID, per_second: float, now: float) -> SenderRate:
        rate = self._rates.get(sender_id)
        if rate is None:
            rate = self._rates[sender_id] = SenderRate(per_second, now)
        rate.rate = per_second
        return rate

    def _limit(self, company_id: UUID) -> AccountLimit:
        limit = self._limits.get(company_id)
        if limit is None:
            limit = self._limits[company_id] = AccountLimit(self._config.account_in_flight)
        return limit

    def _work(self, company_id: UUID) -> CompanyWork:
        return CompanyWork(self._tenancy, self._texts, company_id, self._config.deadlines)
