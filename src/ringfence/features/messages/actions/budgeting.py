"""The day's budget, as texts go out one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from ringfence.features.messages.model import BudgetUse
from ringfence.features.messages.queries import facts
from ringfence.features.messages.queries.facts import Claimed
from ringfence.features.messages.queries.gate import Facts
from ringfence.kit.clock import utc_now
from ringfence.kit.hours import local_day
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

# Whoever spends reads first what is spent: two at once would both find the last segment.
_ONE_SPENDER = register(
    "messages.one_spender",
    "SELECT pg_advisory_xact_lock(hashtextextended('budget ' || CAST(:company_id AS text), 0))",
)
_KEPT = timedelta(days=3)


async def in_turn(session: TenantSession, message_ids: Sequence[UUID]) -> list[Claimed]:
    """The claimed texts with their facts; while the company has a budget, nobody else spends until the commit."""
    state = await facts.standing(session)
    if state.rules.daily_budget is not None:
        await session.execute(_ONE_SPENDER, {"company_id": session.company_id})
    return await facts.claimed(session, message_ids, state)


@dataclass(slots=True)
class Spending:
    """What a batch of texts takes, text by text. Nothing while the company has no budget."""

    taken: int = 0
    uses: list[tuple[UUID, date, int]] = field(default_factory=list[tuple[UUID, date, int]])

    def before(self, facts: Facts) -> Facts:
        """The facts of the next text: what the batch has let out counts as spent."""
        timing = facts.timing
        if timing is None or timing.budget is None:
            return facts
        return replace(facts, timing=replace(timing, spent=timing.spent + self.taken))

    def let_out(self, item: Claimed) -> None:
        """The text goes out: it takes its part."""
        timing = item.facts.timing
        if timing is not None and timing.budget is not None:
            self.taken += timing.cost
            self.uses.append((item.text.message_id, local_day(timing.now, timing.home), item.segments))

    async def save(self, session: TenantSession) -> None:
        """Write down what was taken. A text that comes back unsent and goes out again is counted once, for its day."""
        if not self.uses:
            return
        company = session.company_id
        rows = [
            {"company_id": company, "message_id": message_id, "day": day, "segments": segments}
            for message_id, day, segments in self.uses
        ]
        statement = insert(BudgetUse).values(rows)
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["company_id", "message_id"], set_={"day": statement.excluded.day}
            )
        )


async def forget_old(session: TenantSession) -> None:
    """Delete what was taken of days that are over in every zone."""
    day = (utc_now() - _KEPT).date()
    await session.execute(delete(BudgetUse).where(BudgetUse.company_id == session.company_id, BudgetUse.day < day))
