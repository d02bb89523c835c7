"""What the gate says to many new texts at once, and which texts belong to a bulk send."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from ringfence.dispatch.outbox import Entry
from ringfence.features.consent import queries as consent
from ringfence.features.messages.model import Message
from ringfence.features.messages.queries import facts, gate
from ringfence.features.messages.queries.timing import Timed, timings
from ringfence.features.messages.values import DUPLICATE_SECONDS, NOT_SENT
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A text that is not stored yet; `at` is when it would be handed in, `sender_id` an active number's."""

    id: UUID
    to_number: str
    body: str = field(repr=False)
    sender_id: UUID
    segments: int
    at: datetime
    retry_of: UUID | None = None


async def ask_many(
    session: TenantSession, candidates: Sequence[Candidate], *, rehearsal: bool = False
) -> dict[UUID, gate.Answer]:
    """What the gate says to each of these texts, by id. What one takes of the budget, those after it do not find.

    In a `rehearsal` it does not matter what went out just now: by the time of the texts that will be long ago.
    """
    state = await facts.standing(session)
    blocks = await consent.find_blocks(session, [item.to_number for item in candidates])
    timing = await timings(session, [_timed(item) for item in candidates], rules=state.rules, home=state.home)
    duplicates = set[UUID]() if rehearsal else await _duplicates(session, candidates)
    answers: dict[UUID, gate.Answer] = {}
    taken = 0
    for item in candidates:
        timed = timing.get(item.id)
        answers[item.id] = answer = gate.ask(
            gate.Facts(
                connection=state.connection,
                sender_refusal=None,
                opted_out=blocks.cover(item.to_number, item.sender_id),
                duplicate=item.id in duplicates,
                timing=replace(timed, spent=timed.spent + taken) if timed else None,
                blocked_country=facts.blocked_country(state.rules, item.to_number),
            )
        )
        if answer is None and timed is not None and timed.budget is not None:
            taken += timed.cost
    return answers


async def of_bulk(session: TenantSession, bulk_send_id: UUID, message_ids: Sequence[UUID]) -> list[UUID]:
    """Which of these texts belong to a bulk send."""
    return list(
        await session.scalars(
            select(Message.id).where(
                Message.company_id == session.company_id,
                Message.id.in_(message_ids),
                Message.bulk_send_id == bulk_send_id,
            )
        )
    )


async def entries(session: TenantSession, message_ids: Sequence[UUID]) -> list[Entry]:
    """What the outbox needs to know of these texts."""
    rows = await session.execute(
        select(Message.id, Message.phone_number_id, Message.num_segments).where(
            Message.company_id == session.company_id, Message.id.in_(message_ids)
        )
    )
    return [Entry(row.id, row.phone_number_id, row.num_segments) for row in rows if row.phone_number_id is not None]


async def _duplicates(session: TenantSession, candidates: Sequence[Candidate]) -> set[UUID]:
    """Those whose body has gone (or waits to go) to the same number within the last seconds."""
    rows = await session.execute(
        select(Message.id, Message.to_number, Message.body).where(
            Message.company_id == session.company_id,
            Message.to_number.in_([item.to_number for item in candidates]),
            Message.created_at > utc_now() - timedelta(seconds=DUPLICATE_SECONDS),
            Message.direction == "outbound",
            Message.num_media == 0,
            Message.status.not_in(NOT_SENT),
            Message.deleted_at.is_(None),
        )
    )
    recent = {(row.to_number, row.body): row.id for row in rows}
    return {item.id for item in candidates if recent.get((item.to_number, item.body)) not in {None, item.retry_of}}


def _timed(item: Candidate) -> Timed:
    return Timed(
        id=item.id,
        to_number=item.to_number,
        conversation_id=None,
        source="bulk",
        segments=item.segments,
        at=item.at,
    )
