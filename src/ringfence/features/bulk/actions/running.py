"""A bulk send under way: its lanes are filled from a cursor, a batch of recipients a transaction.

Cursor, recipients, texts, outbox rows and counts are one commit under a lock of the send's row: whoever dies leaves
whole batches, two workers at once take turns, and the key of a recipient lets it have one text only.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, cast
from uuid import UUID

from sqlalchemy import insert

from ringfence.dispatch import outbox
from ringfence.dispatch.ports import Hold, Refuse
from ringfence.features.audit_log.values import Actor, ActorKind
from ringfence.features.bulk.actions.counting import add_up, by_status, note_recipients
from ringfence.features.bulk.actions.guarding import own_trouble, watch
from ringfence.features.bulk.actions.stopping import pause_by_itself
from ringfence.features.bulk.model.sends import BulkRecipient, BulkSend
from ringfence.features.bulk.queries import sends
from ringfence.features.bulk.queries.composing import Letter, compose
from ringfence.features.bulk.values.lists import Recipient
from ringfence.features.bulk.values.sends import Count, lane_rows
from ringfence.features.events.actions import emit
from ringfence.features.messages.actions import batching
from ringfence.features.messages.actions.batching import Bulk, BulkDraft
from ringfence.features.messages.queries.gate import Answer
from ringfence.features.messages.values import BULK
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

BATCH: Final = 250

# For recipients that were put off before: the row is there.
_SETTLE = register(
    "bulk.settle_waiting",
    """
    UPDATE bulk_recipients r SET state = u.state, message_id = u.message_id, code = u.code, reason = u.reason,
           not_before = u.not_before, updated_at = :now
    FROM unnest(
        CAST(:positions AS int[]), CAST(:states AS text[]), CAST(:message_ids AS uuid[]), CAST(:codes AS text[]),
        CAST(:reasons AS text[]), CAST(:not_before AS timestamptz[])
    ) AS u(position, state, message_id, code, reason, not_before)
    WHERE r.company_id = :company_id AND r.bulk_send_id = :bulk_send_id AND r.position = u.position
    """,
)


@dataclass(slots=True)
class Lanes:
    """How much room is left in each sender's lane."""

    senders: Mapping[UUID, PhoneNumber]
    room: dict[UUID, int]

    @property
    def total(self) -> int:
        """How many more texts fit in."""
        return sum(self.room.values())

    @property
    def numbers(self) -> dict[UUID, str]:
        """The senders' own numbers."""
        return {sender.id: sender.phone_number for sender in self.senders.values()}

    @property
    def rates(self) -> dict[UUID, Decimal]:
        """The senders' segments a second."""
        return {sender.id: sender.segments_per_second for sender in self.senders.values()}

    def choose(self, known: UUID | None) -> UUID | None:
        """The sender that somebody knows, else the one with the most room; None when that has no room left."""
        chosen = known or max(self.room, key=lambda sender: (self.room[sender], sender))
        if self.room[chosen] <= 0:
            return None
        self.room[chosen] -= 1
        return chosen


async def top_up(session: TenantSession, bulk_send_id: UUID) -> bool:
    """Deal with one batch of recipients of a running bulk send. Whether it is worth coming back at once."""
    bulk = await sends.take(session, bulk_send_id, status="running")
    if bulk is None:
        return False
    now = utc_now()
    bulk.topped_up_at = bulk.updated_at = now
    counts = await add_up(session, bulk.id)
    senders = await sends.senders_of(session, bulk.id)
    trouble = await own_trouble(session, senders) or await watch(session, bulk, counts, now=now)
    if trouble is not None:
        await pause_by_itself(session, bulk, code=trouble.code, reason=trouble.reason)
        return False
    lanes = await _lanes(session, senders)
    # One or the other: whoever holds lanes already must not wait for the turns of more numbers.
    waiting = await sends.waiting(session, bulk.id, now=now, limit=min(BATCH, lanes.total))
    if waiting:
        went_on = await _put_off(session, bulk, waiting, lanes, now=now)
    else:
        went_on = await _next(session, bulk, lanes, now=now)
    if not went_on:
        await _finish_if_through(session, bulk, counts, now=now)
    await session.flush()
    return went_on


async def _lanes(session: TenantSession, senders: Sequence[PhoneNumber]) -> Lanes:
    most = {sender.id: lane_rows(float(sender.segments_per_second)) for sender in senders}
    filled = await outbox.count_ready(session, most, priority=BULK)
    room = {sender: max(0, limit - filled.get(sender, 0)) for sender, limit in most.items()}
    return Lanes({sender.id: sender for sender in senders}, room)


async def _put_off(
    session: TenantSession, bulk: BulkSend, rows: Sequence[BulkRecipient], lanes: Lanes, *, now: datetime
) -> bool:
    """Recipients whose instant has come, and texts that a pause took back."""
    taken_back = [row for row in rows if row.message_id is not None]
    if taken_back:
        await _put_in_again(session, bulk, taken_back, lanes)
        return True
    codes = {row.position: row.code or "" for row in rows}
    recipients = await sends.recipients_at(session, bulk.list_id, list(codes))
    chosen = await _with_senders(session, recipients, lanes)
    outcomes = await _deal_with(session, bulk, chosen, lanes)
    await _store_again(session, bulk, outcomes, codes, now=now)
    return any(outcome.state != "waiting" for outcome in outcomes)


async def _put_in_again(session: TenantSession, bulk: BulkSend, rows: Sequence[BulkRecipient], lanes: Lanes) -> None:
    ids = [row.message_id for row in rows if row.message_id is not None]
    for row in rows:
        row.state, row.not_before, row.updated_at = "handed_in", None, utc_now()
    await session.flush()
    stranded = await batching.put_in_again(session, ids, lanes.rates)
    # Their sender was taken out of the bulk send meanwhile: they begin anew with another one.
    for row in rows:
        if row.message_id in stranded:
            row.state, row.message_id, row.not_before, row.code = "waiting", None, utc_now(), "sender_changed"
    await session.flush()
    if stranded:
        moved = len(stranded)
        await note_recipients(session, bulk.id, {("waiting", "sender_changed"): moved, ("canceled", ""): -moved})


async def _next(session: TenantSession, bulk: BulkSend, lanes: Lanes, *, now: datetime) -> bool:
    """The next recipients behind the cursor, as many as lanes (and a canary) have room for."""
    limit = min(BATCH, lanes.total, bulk.recipients_count - bulk.taken)
    if bulk.canary == "sending":
        limit = min(limit, bulk.canary_size - bulk.taken)
    if limit <= 0:
        return False
    recipients = await sends.next_recipients(session, bulk, bulk.position, limit)
    if len(recipients) < limit:
        # Of a retry: some of what had failed has arrived after all, or was sent again by hand.
        bulk.recipients_count = bulk.taken + len(recipients)
    chosen = await _with_senders(session, recipients, lanes)
    if not chosen:
        return False
    bulk.position, bulk.taken = chosen[-1][0].position, bulk.taken + len(chosen)
    await session.flush()
    outcomes = await _deal_with(session, bulk, chosen, lanes)
    await _store(session, bulk, outcomes, now=now)
    return any(outcome.state != "waiting" for outcome in outcomes)


async def _with_senders(
    session: TenantSession, recipients: Sequence[Recipient], lanes: Lanes
) -> list[tuple[Recipient, UUID]]:
    """Each recipient's sender, up to the first one whose sender has no room: the number that they know, if any."""
    known: Mapping[str, UUID] = {}
    if len(lanes.senders) > 1:
        numbers = [recipient.phone_number for recipient in recipients]
        known = await sends.own_threads(session, list(lanes.senders), numbers)
    chosen: list[tuple[Recipient, UUID]] = []
    for recipient in recipients:
        sender_id = lanes.choose(known.get(recipient.phone_number))
        if sender_id is None:
            break
        chosen.append((recipient, sender_id))
    return chosen


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a recipient."""

    position: int
    to_number: str
    state: str
    message_id: UUID | None = None
    code: str | None = None
    reason: str | None = None
    not_before: datetime | None = None


async def _deal_with(
    session: TenantSession, bulk: BulkSend, chosen: Sequence[tuple[Recipient, UUID]], lanes: Lanes
) -> list[Outcome]:
    """Hand in what can be; the outcome of each recipient."""
    letters = await compose(session, bulk, chosen, lanes.numbers)
    old: Mapping[int, UUID] = {}
    if bulk.retry_of is not None:
        old = await sends.old_texts(session, bulk.retry_of, [letter.recipient.position for letter in letters])
    drafts = {
        letter.recipient.position: BulkDraft(
            id=new_id(),
            to_number=letter.recipient.phone_number,
            body=letter.body,
            sender_id=letter.sender_id,
            sender_number=lanes.numbers[letter.sender_id],
            contact_id=letter.contact_id,
            retry_of=old.get(letter.recipient.position),
        )
        for letter in letters
        if letter.body is not None
    }
    answers: Mapping[UUID, Answer] = {}
    if drafts:
        common = Bulk(id=bulk.id, template_id=bulk.template_id, actor=_actor_of(bulk), rates=lanes.rates)
        answers = await batching.hand_in_many(session, list(drafts.values()), common)
    return [_outcome(letter, drafts.get(letter.recipient.position), answers) for letter in letters]


def _outcome(letter: Letter, draft: BulkDraft | None, answers: Mapping[UUID, Answer]) -> Outcome:
    position, number = letter.recipient.position, letter.recipient.phone_number
    if draft is None:
        return Outcome(position, number, "skipped", code=letter.code, reason=letter.reason)
    match answers[draft.id]:
        case None:
            return Outcome(position, number, "handed_in", message_id=draft.id)
        case Refuse(code=code, reason=reason):
            return Outcome(position, number, "skipped", code=code, reason=reason)
        case Hold(until=until, code=code, reason=reason):
            return Outcome(position, number, "waiting", code=code, reason=reason, not_before=until)


async def _store(session: TenantSession, bulk: BulkSend, outcomes: Sequence[Outcome], *, now: datetime) -> None:
    rows = [
        {
            "company_id": session.company_id,
            "bulk_send_id": bulk.id,
            "position": outcome.position,
            "state": outcome.state,
            "to_number": outcome.to_number,
            "message_id": outcome.message_id,
            "code": outcome.code,
            "reason": outcome.reason,
            "not_before": outcome.not_before,
            "updated_at": now,
        }
        for outcome in outcomes
    ]
    await session.execute(insert(BulkRecipient), rows)
    await note_recipients(session, bulk.id, _without_text(outcomes))


async def _store_again(
    session: TenantSession, bulk: BulkSend, outcomes: Sequence[Outcome], before: Mapping[int, str], *, now: datetime
) -> None:
    await session.execute(
        _SETTLE,
        {
            "company_id": session.company_id,
            "bulk_send_id": bulk.id,
            "now": now,
            "positions": [outcome.position for outcome in outcomes],
            "states": [outcome.state for outcome in outcomes],
            "message_ids": [outcome.message_id for outcome in outcomes],
            "codes": [outcome.code for outcome in outcomes],
            "reasons": [outcome.reason for outcome in outcomes],
            "not_before": [outcome.not_before for outcome in outcomes],
        },
    )
    moves = _without_text(outcomes)
    for outcome in outcomes:
        moves["waiting", before[outcome.position]] -= 1
    await note_recipients(session, bulk.id, moves)


def _without_text(outcomes: Sequence[Outcome]) -> Counter[tuple[str, str]]:
    """Recipients without a text, by state and code; those with one are counted by their text."""
    return Counter((outcome.state, outcome.code or "") for outcome in outcomes if outcome.message_id is None)


async def _finish_if_through(session: TenantSession, bulk: BulkSend, counts: Sequence[Count], *, now: datetime) -> None:
    """Everybody was dealt with, and nothing waits for Twilio any more: receipts may still come."""
    stand = by_status(counts)
    if bulk.taken < bulk.recipients_count or stand["queued"] + stand["held"] > 0:
        return
    if not await sends.someone_waits(session, bulk.id):
        bulk.status, bulk.finished_at = "done", now
        emit(session, kind="bulk.progress", subject_id=bulk.id)


def _actor_of(bulk: BulkSend) -> Actor:
    return Actor(kind=cast("ActorKind", bulk.actor_kind), id=bulk.actor_id, name=bulk.actor_name)
