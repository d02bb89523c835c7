"""Idempotency keys: the same request with the same key gets the first answer again, for a day.

The key's row is written first in the request's own transaction: a second request with the key waits for it and then
finds the answer, or, if the first one stored nothing, takes its place.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from ringfence.errors import ConflictError
from ringfence.features.messages.model import IdempotencyKey
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession

LIFE: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What the first request with the key was answered."""

    status_code: int
    response: dict[str, Any]


async def begin(
    session: TenantSession, *, key: str, operation: str, request: Mapping[str, object]
) -> FirstAnswer | None:
    """Take a key for a request, or return the answer it had; `request` is the request's content as JSON values.

    Raises ConflictError `idempotency_key_reused` when the key came with another request.
    """
    content = json.dumps([operation, request], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(content.encode()).digest()
    now = utc_now()
    fresh: dict[str, object] = {"request_hash": digest, "status_code": 0, "response": {}, "created_at": now}
    taken = await session.execute(
        insert(IdempotencyKey)
        .values(company_id=session.company_id, key=key, **fresh)
        .on_conflict_do_update(
            index_elements=["company_id", "key"], set_=fresh, where=IdempotencyKey.created_at < now - LIFE
        )
        .returning(IdempotencyKey.key)
    )
    if taken.first() is not None:
        return None
    first = (
        await session.execute(
            select(IdempotencyKey.request_hash, IdempotencyKey.status_code, IdempotencyKey.response).where(
                IdempotencyKey.company_id == session.company_id, IdempotencyKey.key == key
            )
        )
    ).one()
    if first.request_hash != digest:
        raise ConflictError("idempotency_key_reused", "This Idempotency-Key came with another request before.")
    return FirstAnswer(first.status_code, first.response)


async def finish(session: TenantSession, *, key: str, answer: FirstAnswer) -> None:
    """Keep the answer for whoever comes with the key again."""
    await session.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.company_id == session.company_id, IdempotencyKey.key == key)
        .values(status_code=answer.status_code, response=answer.response)
    )


async def forget_old(session: TenantSession) -> None:
    """Delete keys whose day is over."""
    await session.execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.company_id == session.company_id, IdempotencyKey.created_at < utc_now() - LIFE
        )
    )
