"""Finding texts by their words: all of them, the last one also by its beginning, the newest text first.

The words are rows of their own (docs/decisions: search under row security), so each step is a scan of one index. One
request looks at `_LOOKED_THROUGH` texts of the rarest word at most; where that is not enough for a page, the answer
says where to go on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select, tuple_

from ringfence.features.conversations.queries import in_visible_thread
from ringfence.features.conversations.values import Viewer
from ringfence.features.messages.model import Message
from ringfence.kit.words import ends_in_word, words_of
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register
from ringfence.web.paging import Position

_LOOKED_THROUGH: Final = 500
_MOST_WORDS: Final = 10
_MOST_ENDINGS: Final = 20
_COUNTED_UP_TO: Final = 1000

# From one word to the next greater one, a single row of each: however often a word occurs, it is one step.
_ENDINGS = register(
    "messages.endings",
    """
    WITH RECURSIVE found(term, n) AS (
        (SELECT w.term, 1 FROM message_words w
         WHERE w.company_id = :company_id AND w.term >= :first AND w.term < :beyond ORDER BY w.term LIMIT 1)
        UNION ALL
        SELECT (SELECT w.term FROM message_words w
                WHERE w.company_id = :company_id AND w.term > found.term AND w.term < :beyond ORDER BY w.term LIMIT 1),
               found.n + 1
        FROM found WHERE found.term IS NOT NULL AND found.n < :most
    )
    SELECT term FROM found WHERE term IS NOT NULL
    """,
)
_COUNT = register(
    "messages.count_word",
    """
    SELECT word.n, count(*) AS texts
    FROM unnest(CAST(:numbers AS int[]), CAST(:terms AS text[])) AS word(n, term)
    CROSS JOIN LATERAL (
        SELECT FROM message_words w WHERE w.company_id = :company_id AND w.term = word.term LIMIT :most
    ) texts
    GROUP BY word.n
    """,
)
_FIND = register(
    "messages.find_words",
    """
    WITH looked AS (
        SELECT DISTINCT newest.at, newest.message_id
        FROM unnest(CAST(:terms AS text[])) AS word(term)
        CROSS JOIN LATERAL (
            SELECT w.at, w.message_id FROM message_words w
            WHERE w.company_id = :company_id AND w.term = word.term
              AND (w.at, w.message_id) < (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid))
            ORDER BY w.at DESC, w.message_id DESC LIMIT :most
        ) newest
        ORDER BY newest.at DESC, newest.message_id DESC LIMIT :most
    )
    SELECT looked.at, looked.message_id,
        (SELECT count(DISTINCT other.n)
         FROM unnest(CAST(:other_numbers AS int[]), CAST(:others AS text[])) AS other(n, term)
         JOIN message_words w ON w.company_id = :company_id AND w.term = other.term AND w.at = looked.at
                             AND w.message_id = looked.message_id) = CAST(:needed AS int) AS has_all
    FROM looked ORDER BY looked.at DESC, looked.message_id DESC
    """,
)


@dataclass(frozen=True, slots=True)
class Found:
    """Up to limit + 1 texts; `looked_to` is where the search stopped looking if it has not come to the end."""

    texts: Sequence[Message]
    looked_to: Position | None


async def search(session: TenantSession, viewer: Viewer, query: str, *, after: Position | None, limit: int) -> Found:
    """Texts that hold all words of a query (the first ten count), newest first: up to limit + 1 after a position.

    The last word is found by its beginning too, from two characters on, in up to twenty words that begin so.
    """
    words = list(dict.fromkeys(words_of(query)))[:_MOST_WORDS]
    groups = [[word] for word in words]
    if groups and len(words[-1]) > 1 and ends_in_word(query):
        groups[-1] = await _endings(session, words[-1])
    if not groups or not all(groups):
        return Found([], None)
    rarest = await _rarest(session, groups)
    others = [(n, term) for n, group in enumerate(groups) if n != rarest for term in group]
    looked = await _look(session, groups[rarest], others, needed=len(groups) - 1, after=after)
    texts = await _shown(session, viewer, [row.message_id for row in looked if row.has_all], limit=limit)
    if len(texts) > limit or len(looked) < _LOOKED_THROUGH:
        return Found(texts, None)
    return Found(texts, Position(looked[-1].at, looked[-1].message_id))


async def to_index(session: TenantSession, *, after: Position | None, limit: int) -> Sequence[Message]:
    """Texts that are not deleted, newest first, after a position."""
    query = select(Message).where(Message.company_id == session.company_id, Message.deleted_at.is_(None))
    if after is not None:
        query = query.where(tuple_(Message.created_at, Message.id) < (after.at, after.id))
    return (await session.scalars(query.order_by(Message.created_at.desc(), Message.id.desc()).limit(limit))).all()


async def _endings(session: TenantSession, beginning: str) -> list[str]:
    """The words of the company's texts that begin so, itself first."""
    found = await session.scalars(
        _ENDINGS,
        {
            "company_id": session.company_id,
            "first": beginning,
            "beyond": beginning + "\U0010ffff",
            "most": _MOST_ENDINGS,
        },
    )
    return list(found)


async def _rarest(session: TenantSession, groups: Sequence[Sequence[str]]) -> int:
    """Which word of several the fewest texts have, as far as they are counted."""
    if len(groups) == 1:
        return 0
    words = [(n, term) for n, group in enumerate(groups) for term in group]
    rows = await session.execute(
        _COUNT,
        {
            "company_id": session.company_id,
            "numbers": [n for n, _ in words],
            "terms": [term for _, term in words],
            "most": _COUNTED_UP_TO,
        },
    )
    counted = {row.n: row.texts for row in rows}
    return min(range(len(groups)), key=lambda n: counted.get(n, 0))


async def _look(
    session: TenantSession,
    terms: Sequence[str],
    others: Sequence[tuple[int, str]],
    *,
    needed: int,
    after: Position | None,
) -> Sequence[Row[Any]]:
    result = await session.execute(
        _FIND,
        {
            "company_id": session.company_id,
            "terms": list(terms),
            "other_numbers": [n for n, _ in others],
            "others": [term for _, term in others],
            "needed": needed,
            "after_at": "infinity" if after is None else after.at,
            "after_id": UUID(int=2**128 - 1) if after is None else after.id,
            "most": _LOOKED_THROUGH,
        },
    )
    return result.all()


async def _shown(session: TenantSession, viewer: Viewer, ids: Sequence[UUID], *, limit: int) -> Sequence[Message]:
    if not ids:
        return []
    query = select(Message).where(
        Message.company_id == session.company_id,
        Message.id.in_(ids),
        Message.deleted_at.is_(None),
        in_visible_thread(session, viewer, Message.conversation_id),
    )
    return (await session.scalars(query.order_by(Message.created_at.desc(), Message.id.desc()).limit(limit + 1))).all()
