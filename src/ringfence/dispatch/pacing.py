"""Pure rules of when and how much: sender rates, in-flight limits per account, fair turns between companies."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from uuid import UUID

BURST_SECONDS = 0.25


@dataclass(slots=True)
class SenderRate:
    """GCRA for one sender: `rate` segments a second on average, at most a quarter of a second ahead of it.

    `arrival` is the theoretical arrival time: when the sender has caught up with what it has sent. A fresh one starts
    caught up, so a take-over may send too little for a moment but never too much. Times are monotonic seconds.
    """

    rate: float
    arrival: float

    def budget(self, now: float) -> int:
        """Segments that may be sent now: none until the last ones are paid for, then at least one."""
        ahead = max(self.arrival, now) - now
        burst = max(1.0, self.rate * BURST_SECONDS)
        room = burst - ahead * self.rate
        return int(room + 1e-9) if room >= 1.0 - 1e-9 else 0

    def spend(self, segments: int, now: float) -> None:
        """Count segments that were taken. One text may cost more than the budget: the sender then waits longer."""
        self.arrival = max(self.arrival, now) + segments / self.rate

    def ready_in(self, now: float, *, after: int = 0) -> float:
        """Seconds until at least one segment may be sent, once `after` more have been."""
        burst = max(1.0, self.rate * BURST_SECONDS)
        ahead = max(self.arrival, now) - now + after / self.rate
        return max(0.0, ahead - (burst - 1.0) / self.rate)


@dataclass(slots=True)
class AccountLimit:
    """AIMD limit of POSTs under way for one company's Twilio account: its concurrency limit is not published."""

    ceiling: int
    limit: float = 16.0
    in_flight: int = 0
    lowered_at: float = field(default=float("-inf"))

    @property
    def room(self) -> int:
        """How many more POSTs may begin now."""
        return max(0, int(self.limit) - self.in_flight)

    def grow(self) -> None:
        """A POST was answered normally: about one more per round of answers."""
        self.limit = min(float(self.ceiling), self.limit + 1.0 / max(self.limit, 1.0))

    def shrink(self, now: float) -> None:
        """Twilio said 429, or did not answer: halve, but once a second for all answers of one burst."""
        if now - self.lowered_at >= 1.0:
            self.limit = max(1.0, self.limit / 2)
            self.lowered_at = now


@dataclass(frozen=True, slots=True)
class Share:
    """What one company may claim now: texts (slots of POSTs) and segments (its deficit)."""

    company_id: UUID
    slots: int
    segments: int


class Turns:
    """Deficit round robin over companies, in segments: each turn adds a quantum to every company that has work.

    A company that asks for little keeps no credit; one that sends long texts takes fewer of them, as long as others
    wait. One company holds at most its share of all POSTs under way, and one more share stays free for a newcomer:
    so no company waits for another one's slow answers.
    """

    def __init__(self, *, quantum: int = 20, least_slots: int = 4) -> None:
        self._quantum = quantum
        self._most = 10 * quantum
        self._least_slots = least_slots
        self._deficit: dict[UUID, int] = {}
        self._last: UUID | None = None

    def shares(
        self,
        waiting: Collection[UUID],
        rooms: Mapping[UUID, int],
        *,
        held: Mapping[UUID, int],
        free: int,
        total: int,
    ) -> list[Share]:
        """Split `free` of `total` slots over the waiting companies, beginning after the one served last.

        `rooms` is what each one's account allows, `held` the slots each company (waiting or not) holds already.
        """
        fair = max(self._least_slots, ceil(total / (len({*waiting, *held}) + 1)))
        able = {company: min(rooms[company], fair - held.get(company, 0)) for company in waiting}
        ring = self._ring(sorted(company for company, slots in able.items() if slots > 0))
        quanta = self._quanta(ring)
        shares: list[Share] = []
        for position, company in enumerate(ring):
            if free <= 0:
                break
            deficit = min(self._deficit.get(company, 0) + quanta, self._most)
            self._deficit[company] = deficit
            slots = min(able[company], max(1, ceil(free / (len(ring) - position))), free)
            if deficit > 0:
                shares.append(Share(company, slots, deficit))
                free -= slots
                self._last = company
        return shares

    def took(self, company_id: UUID, segments: int, *, emptied: bool) -> None:
        """Count what a company claimed; an emptied queue keeps its debt but no credit for later."""
        deficit = self._deficit.get(company_id, 0) - segments
        self._deficit[company_id] = min(deficit, 0) if emptied else deficit

    def _quanta(self, ring: Sequence[UUID]) -> int:
        """What a turn adds: a quantum, or as many as let one company go. Without contention there are no debts."""
        if len(ring) == 1:
            return self._most - self._deficit.get(ring[0], 0)
        best = max((self._deficit.get(company, 0) for company in ring), default=0)
        return self._quantum * max(1, -best // self._quantum + 1)

    def _ring(self, companies: list[UUID]) -> list[UUID]:
        if self._last is None:
            return companies
        after = [company for company in companies if company > self._last]
        return after + [company for company in companies if company <= self._last]


def backoff_seconds(attempt: int, *, least: float | None = None) -> float:
    """How long a text that was proved unsent waits: 0.5 s doubling to 30 s, or what Twilio asked for if longer."""
    return max(min(0.5 * 2 ** min(attempt, 10), 30.0), least or 0.0)
