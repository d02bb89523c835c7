"""The rehearsal: what a bulk send would do, a batch of recipients a transaction, without sending anything.

What was counted so far is stored with each batch, so a rehearsal that is broken off goes on where it stopped, and a
list of a million takes no more memory than one of a thousand.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Final, cast
from uuid import UUID

from ringfence.dispatch.ports import Hold, Refuse
from ringfence.errors import NotFoundError
from ringfence.features.bulk.model.sends import BulkSend
from ringfence.features.bulk.queries import sends
from ringfence.features.bulk.queries.composing import Letter, compose
from ringfence.features.events.actions import emit
from ringfence.features.messages.queries.batches import Candidate, ask_many
from ringfence.features.messages.values import body_units
from ringfence.features.templates import queries as templates
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.phone import region_of
from ringfence.kit.segments import count_segments
from ringfence.tenancy.sessions import TenantSession

_BATCH: Final = 1000
_COUNTERS: Final = frozenset({"skipped", "waits", "texts_by_country", "segments_by_country", "encodings"})
# In the North American plan the area code decides the country (elsewhere it may be any digit), and reading a number
# costs 50 µs.
_NANP_PREFIX: Final = 5
_ANY_SUBSCRIBER: Final = "2345678"


@dataclass(slots=True)
class Found:
    """What was counted so far. Countries are ISO 3166, `unknown` where the number plan names none."""

    looked_at: int = 0
    will_send: int = 0
    segments: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])
    waits: Counter[str] = field(default_factory=Counter[str])
    texts_by_country: Counter[str] = field(default_factory=Counter[str])
    segments_by_country: Counter[str] = field(default_factory=Counter[str])
    encodings: Counter[str] = field(default_factory=Counter[str])
    longest: dict[str, Any] | None = None

    @classmethod
    def read(cls, stored: Mapping[str, Any] | None) -> "Found":
        """What an earlier batch stored, or nothing yet."""
        values = dict(stored or {})
        for name in _COUNTERS & values.keys():
            values[name] = Counter[str](values[name])
        return cls(**values)

    def written(self) -> dict[str, Any]:
        """What `read` reads."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def add(self, letter: Letter, segments: int, encoding: str) -> None:
        """One more text that would be sent."""
        body, number = cast("str", letter.body), letter.recipient.phone_number
        country = _country(number)
        self.will_send += 1
        self.segments += segments
        self.texts_by_country[country] += 1
        self.segments_by_country[country] += segments
        self.encodings[encoding] += 1
        length = (segments, body_units(body))
        if self.longest is None or length > (self.longest["segments"], self.longest["characters"]):
            position = letter.recipient.position
            self.longest = {"position": position, "segments": segments, "characters": length[1], "body": body}


async def rehearse_batch(session: TenantSession, bulk_send_id: UUID) -> bool:
    """Count one batch; False when there is no more to do, or somebody else does it."""
    bulk = await sends.take(session, bulk_send_id, status="rehearsing")
    if bulk is None:
        return False
    if bulk.rehearsed == 0 and not await _take_template(session, bulk):
        return False
    found = Found.read(bulk.rehearsal)
    recipients = await sends.next_recipients(session, bulk, bulk.rehearsed, _BATCH)
    senders = await sends.senders_of(session, bulk.id)
    if recipients:
        numbers = {sender.id: sender.phone_number for sender in senders}
        first = senders[0].id
        await _count(session, found, await compose(session, bulk, [(item, first) for item in recipients], numbers))
        bulk.rehearsed = recipients[-1].position
        found.looked_at += len(recipients)
    bulk.rehearsal, bulk.updated_at = found.written(), utc_now()
    if len(recipients) < _BATCH:
        bulk.status, bulk.rehearsed_at, bulk.recipients_count = "ready", utc_now(), found.looked_at
    emit(session, kind="bulk.progress", subject_id=bulk.id)
    await session.flush()
    return len(recipients) == _BATCH


async def _take_template(session: TenantSession, bulk: BulkSend) -> bool:
    """What is rehearsed is what will be sent, whatever becomes of the template."""
    if bulk.template_id is None:
        return True
    try:
        bulk.body = (await templates.get_template(session, bulk.template_id)).body
    except NotFoundError:
        bulk.status, bulk.code, bulk.reason = "draft", "template_gone", "Its template has been deleted."
        await session.flush()
        return False
    return True


async def _count(session: TenantSession, found: Found, letters: Sequence[Letter]) -> None:
    now = utc_now()
    candidates: dict[UUID, tuple[Letter, int, str]] = {}
    asked: list[Candidate] = []
    for letter in letters:
        if letter.body is None:
            found.skipped[letter.code or ""] += 1
            continue
        count, key = count_segments(letter.body), new_id()
        candidates[key] = (letter, count.segments, count.encoding)
        asked.append(
            Candidate(
                id=key,
                to_number=letter.recipient.phone_number,
                body=letter.body,
                sender_id=letter.sender_id,
                segments=count.segments,
                at=now,
            )
        )
    for key, answer in (await ask_many(session, asked, rehearsal=True)).items():
        if isinstance(answer, Refuse):
            found.skipped[answer.code] += 1
            continue
        if isinstance(answer, Hold):
            found.waits[answer.code] += 1
        found.add(*candidates[key])


def _country(number: str) -> str:
    return _north_american(number[:_NANP_PREFIX]) if number.startswith("+1") else region_of(number) or "unknown"


@lru_cache(maxsize=1000)
def _north_american(prefix: str) -> str:
    return region_of(f"{prefix}{_ANY_SUBSCRIBER}") or "unknown"
