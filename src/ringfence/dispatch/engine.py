"""The dispatcher: one active process turns outbox rows into POSTs, at each sender's rate, in fair turns.

The loop only plans. Each company is claimed by a task of its own, each text is POSTed by a task of its own, and
outcomes are gathered and written in batches per company. What the loop keeps in memory (rates, limits, turns) is
rebuilt from nothing at a take-over; what matters is in the database.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from ringfence.dispatch import statements
from ringfence.dispatch.company import Claim, Claimed, CompanyWork, Deadlines, Right, eligible_at
from ringfence.dispatch.lease import Lease
from ringfence.dispatch.outcomes import note_outcome
from ringfence.dispatch.pacing import AccountLimit, SenderRate, Share, Turns
from ringfence.dispatch.ports import Texts
from ringfence.dispatch.recorder import DATABASE_TROUBLE, Recorder
from ringfence.dispatch.recovery import MessageFinder, recover
from ringfence.kit.clock import monotonic_seconds
from ringfence.providers.twilio.outcome import NotProcessed, Outcome, Unknown
from ringfence.providers.twilio.send import SendClient, SendRequest
from ringfence.tenancy.sessions import Tenancy
from ringfence.web import metrics

log = structlog.get_logger()

POLL_SECONDS = 0.1
# A turn costs a query: after a wake-up, a few more answers may gather.
GATHER_SECONDS = 0.02
MOST_LANES = 5000
# A claimed text whose POST did not begin within this time goes back: the process was stopped or starved.
STALE_CLAIM_SECONDS = 5.0
# A company whose claim failed, or found due work that it could not take, is left alone for a moment.
REST_AFTER_FAILURE_SECONDS = 1.0
REST_AFTER_NOTHING_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class DispatcherConfig:
    """How the dispatcher works: deadlines in seconds, and limits of POSTs and transactions under way."""

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
        self._busy: set[UUID] = set()
        self._claiming: set[UUID] = set()
        self._claims = asyncio.Semaphore(config.claims_at_once)
        self._resting: dict[UUID, float] = {}
        self._recovering: set[UUID] = set()
        self._recoveries = asyncio.Semaphore(config.claims_at_once)
        self._recorder = Recorder(self._work, at_once=config.claims_at_once)
        self._in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._lookups: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    @property
    def active(self) -> bool:
        """Whether this process is the one that sends."""
        return self._lease.held

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish what is in flight, record it, and release the lease.

        Raises whatever ends the renewing of the lease or the recording for good: without them nothing is sent.
        """
        background = [asyncio.create_task(self._renew()), asyncio.create_task(self._recorder.run())]
        try:
            while not stop.is_set():
                soonest = await self._turn_safely()
                await self._sleep(stop, min(POLL_SECONDS, soonest))
                for task in background:
                    if task.done():
                        task.result()
            await self._drain()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self._release()

    # The loop.

    async def _turn_safely(self) -> float:
        """One turn; returns the seconds until the next lane is due, if that is soon."""
        try:
            return await self._turn() if self._lease.held else POLL_SECONDS
        except DATABASE_TROUBLE as error:
            log.warning("dispatcher.turn.failed", error=type(error).__name__)
            await asyncio.sleep(REST_AFTER_FAILURE_SECONDS)
            return POLL_SECONDS

    async def _turn(self) -> float:
        async with self._tenancy.platform() as session:
            lanes = (await session.execute(statements.DUE_LANES, {"most": MOST_LANES, "ahead": POLL_SECONDS})).all()
        due = [lane for lane in lanes if lane.due_in <= 0]
        metrics.LANES_DUE.set(len(due))
        now = monotonic_seconds()
        self._resting = {company: until for company, until in self._resting.items() if until > now}
        waiting: dict[UUID, dict[UUID, int]] = {}
        for lane in due:
            if lane.company_id not in self._claiming and lane.company_id not in self._resting:
                rate = self._rate(lane.sender_id, float(lane.segments_per_second), now)
                waiting.setdefault(lane.company_id, {})[lane.sender_id] = 0 if lane.paused else rate.budget(now)
        for share in self._turns.shares(
            waiting,
            {company: self._limit(company).room for company in waiting},
            held={company: self._limits[company].in_flight for company in self._busy},
            free=self._config.in_flight - self._in_flight,
            total=self._config.in_flight,
        ):
            self._claiming.add(share.company_id)
            self._reserve(share.company_id, share.slots)
            self._spawn(self._claim(share, waiting[share.company_id]))
        return min((lane.due_in for lane in lanes if lane.due_in > 0), default=POLL_SECONDS)

    async def _claim(self, share: Share, senders: dict[UUID, int]) -> None:
        """Claim within a share whose slots are already reserved; give back the slots that no text uses."""
        company_id, used = share.company_id, 0
        try:
            async with self._claims:
                claim = await self._take(share, senders)
            used = len(claim.texts)
            for claimed in claim.texts:
                self._spawn(self._post(company_id, claimed))
            self._recover(company_id, claim.alarmed)
            if not claim.texts and not claim.emptied:
                self._resting[company_id] = monotonic_seconds() + REST_AFTER_NOTHING_SECONDS
        except DATABASE_TROUBLE as error:
            log.warning("dispatcher.claim.failed", company_id=str(company_id), error=type(error).__name__)
            self._resting[company_id] = monotonic_seconds() + REST_AFTER_FAILURE_SECONDS
        except BaseException:
            # A mistake in one company's data must not turn the loop into a storm of failures.
            self._resting[company_id] = monotonic_seconds() + REST_AFTER_FAILURE_SECONDS
            raise
        finally:
            self._give_back(company_id, share.slots - used)
            self._claiming.discard(company_id)

    async def _take(self, share: Share, senders: dict[UUID, int]) -> Claim:
        fence = self._lease.fence
        if fence is None or not self._lease.held:
            return Claim((), {}, emptied=False)
        now = monotonic_seconds()
        most = min(share.slots, share.segments)
        budgets = {sender: min(budget, most) for sender, budget in senders.items()}
        claim = await self._work(share.company_id).claim(
            Right(self._lease.owner, fence),
            budgets,
            {sender: eligible_at(self._rates[sender].ready_in(now, after=n)) for sender, n in budgets.items()},
            share.slots,
        )
        # Counted from when the POSTs begin: after a slow claim the next one must not follow too soon.
        begun = monotonic_seconds()
        for sender, segments in claim.spent.items():
            self._rates[sender].spend(segments, begun)
        self._turns.took(share.company_id, sum(claim.spent.values()), emptied=claim.emptied)
        return claim

    async def _post(self, company_id: UUID, claimed: Claimed) -> None:
        try:
            outcome = await self._send(claimed)
        except asyncio.CancelledError:
            note_outcome(self._recorder.results_of(company_id), claimed, Unknown("timeout"))
            raise
        finally:
            self._give_back(company_id, 1)
        if outcome is None:
            # Not even tried: that says nothing about what the account bears.
            outcome = NotProcessed("not_sent")
        else:
            self._adapt(self._limit(company_id), outcome)
        metrics.SENDS.labels(note_outcome(self._recorder.results_of(company_id), claimed, outcome)).inc()
        self._recorder.noted()

    def _adapt(self, limit: AccountLimit, outcome: Outcome) -> None:
        """Fewer POSTs at once for an account that says it has too many or leaves us waiting; more if all is well."""
        if isinstance(outcome, NotProcessed) or (isinstance(outcome, Unknown) and outcome.reason == "timeout"):
            limit.shrink(monotonic_seconds())
        elif not isinstance(outcome, Unknown):
            limit.grow()

    async def _send(self, claimed: Claimed) -> Outcome | None:
        """One POST; None if it may not begin any more."""
        if monotonic_seconds() - claimed.claimed_at > STALE_CLAIM_SECONDS or not self._lease.held:
            return None
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

    # Recovery.

    def _recover(self, company_id: UUID, senders: Sequence[UUID]) -> None:
        if senders and company_id not in self._recovering:
            self._recovering.add(company_id)
            self._spawn(self._recover_company(company_id, senders), self._lookups)

    async def _recover_company(self, company_id: UUID, senders: Sequence[UUID]) -> None:
        try:
            async with self._recoveries:
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

    async def _sleep(self, stop: asyncio.Event, seconds: float) -> None:
        self._wake.clear()
        waits = [asyncio.ensure_future(self._wake.wait()), asyncio.ensure_future(stop.wait())]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if self._wake.is_set() and not stop.is_set():
            await asyncio.sleep(GATHER_SECONDS)

    async def _drain(self) -> None:
        """Let POSTs finish (each has a deadline) and write their outcomes; recovery would find the rest."""
        if self._in_flight:
            log.info("dispatcher.draining", in_flight=self._in_flight)
        for lookup in self._lookups:
            lookup.cancel()
        deadlines = self._config.deadlines
        limit = monotonic_seconds() + deadlines.presumed_dead
        while (tasks := self._tasks | self._lookups) and (left := limit - monotonic_seconds()) > 0:
            await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        await self._recorder.finish(within=deadlines.grace)

    async def _release(self) -> None:
        try:
            await self._lease.release()
        except DATABASE_TROUBLE as error:
            log.warning("dispatcher.release.failed", error=type(error).__name__)

    def _spawn(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]] | None = None) -> None:
        among = self._tasks if tasks is None else tasks
        task = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("dispatcher.task.failed", error=type(error).__name__, exc_info=error)

    def _reserve(self, company_id: UUID, slots: int) -> None:
        self._in_flight += slots
        limit = self._limit(company_id)
        limit.in_flight += slots
        if limit.in_flight > 0:
            self._busy.add(company_id)
        else:
            self._busy.discard(company_id)
        metrics.DISPATCH_IN_FLIGHT.set(self._in_flight)

    def _give_back(self, company_id: UUID, slots: int) -> None:
        self._reserve(company_id, -slots)
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
