"""Keeping the words of texts for the search, in the transaction that stores or deletes the text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from ringfence.features.messages.queries.search import to_index
from ringfence.features.messages.values import IndexTexts
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.words import words_of
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register
from ringfence.web.paging import Position

_ADD = register(
    "messages.add_words",
    """
    INSERT INTO message_words (company_id, term, at, message_id)
    SELECT :company_id, word.term, word.at, word.message_id
    FROM unnest(CAST(:terms AS text[]), CAST(:ats AS timestamptz[]), CAST(:message_ids AS uuid[]))
         AS word(term, at, message_id)
    ON CONFLICT DO NOTHING
    """,
)
_REMOVE = register(
    "messages.remove_words",
    """
    DELETE FROM message_words w
    USING unnest(CAST(:terms AS text[]), CAST(:ats AS timestamptz[]), CAST(:message_ids AS uuid[]))
          AS word(term, at, message_id)
    WHERE w.company_id = :company_id AND w.term = word.term AND w.at = word.at AND w.message_id = word.message_id
    """,
)
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Said:
    """A text, as far as the search looks at it; `at` is when it was made."""

    id: UUID
    at: datetime
    body: str = field(repr=False)


async def index(session: TenantSession, texts: Sequence[Said]) -> None:
    """Have these texts found by their words; again changes nothing."""
    rows = _rows(texts)
    if rows:
        await session.execute(_ADD, _columns(session, rows))


async def forget(session: TenantSession, texts: Sequence[Said]) -> None:
    """Have these texts found no more; they are given with the bodies they had."""
    rows = _rows(texts)
    if rows:
        await session.execute(_REMOVE, _columns(session, rows))


async def index_past(session: TenantSession, after: Position | None) -> None:
    """Index a batch of texts that were stored before there was a search, the newest first, and order the next batch."""
    batch = await to_index(session, after=after, limit=_BATCH)
    await index(session, [Said(text.id, text.created_at, text.body) for text in batch])
    if len(batch) == _BATCH:
        await enqueue(session, IndexTexts(after_at=batch[-1].created_at, after_id=batch[-1].id))


def _rows(texts: Sequence[Said]) -> list[tuple[str, datetime, UUID]]:
    # In one order, so that two transactions that write the same words never wait for each other crosswise.
    return sorted((term, text.at, text.id) for text in texts for term in set(words_of(text.body)))


def _columns(session: TenantSession, rows: Sequence[tuple[str, datetime, UUID]]) -> dict[str, object]:
    terms, ats, ids = zip(*rows, strict=True)
    return {"company_id": session.company_id, "terms": list(terms), "ats": list(ats), "message_ids": list(ids)}
