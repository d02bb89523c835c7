"""Writing the audit log, and sealing what was written. Nothing ever changes or deletes an entry or a seal."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import func, select

from ringfence.features.audit_log import queries
from ringfence.features.audit_log.model import AuditEntry, AuditSeal
from ringfence.features.audit_log.values import START, Actor, entry_digest, link_digest
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession

SEAL_BATCH: Final = 500

# A key whose name holds one of these is dropped with its value, however deep it lies …
_SECRET_WORDS: Final = ("token", "secret", "password", "hash", "sealed", "credential", "authorization", "cookie")
_SECRET_NAMES: Final = ("key", "api_key", "apikey", "link")
# … unless it only names the last characters, which is how people recognise a secret.
_SHOWN_ENDINGS: Final = ("last4", "last_four")


def record(
    session: TenantSession,
    *,
    actor: Actor,
    action: str,
    target_kind: str,
    target_id: object | None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> AuditEntry:
    """Add one entry to the company's audit log, in the transaction of the act itself, and return it.

    `action` is a stable dotted name such as `user.suspended`; `target_id` is stored as text; `before` and `after`
    hold the changed fields (UUIDs, instants and decimals become text). Keys that name a secret are dropped.
    """
    entry = AuditEntry(
        id=new_id(),
        at=utc_now(),
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        action=action,
        target_kind=target_kind,
        target_id=None if target_id is None else str(target_id),
        before=None if before is None else without_secrets(before),
        after=None if after is None else without_secrets(after),
        request_id=actor.request_id,
        address=actor.address,
    )
    session.add(entry)
    return entry


async def seal(session: TenantSession, *, limit: int = SEAL_BATCH) -> int:
    """Add the oldest entries that have no seal yet to the company's chain; returns how many, at most `limit`.

    Two sealers of one company take turns. An entry too far behind the chain (LATE) is left out for good: sealing it
    would pass off what was put in afterwards as part of the log.
    """
    lock = func.hashtextextended(f"audit_seals:{session.company_id}", 0)
    await session.execute(select(func.pg_advisory_xact_lock(lock)))
    last = await queries.last_seal(session)
    entries = await queries.sealable_entries(session, last=last, limit=limit)
    now = utc_now()
    for entry in entries:
        facts: dict[str, Any] = {
            "company_id": session.company_id,
            "seq": last.seq + 1 if last else 1,
            "entry_id": entry.id,
            "entry_hash": entry_digest(entry),
            "previous_hash": last.hash if last else START,
            "latest_at": max(last.latest_at, entry.at) if last else entry.at,
            "sealed_at": now,
        }
        last = AuditSeal(**facts, hash=link_digest(**facts))
        session.add(last)
    await session.flush()
    return len(entries)


def without_secrets(values: Mapping[str, object]) -> dict[str, Any]:
    """The mapping as plain JSON values, without any key that names a secret, at any depth."""
    return {str(key): _plain(value) for key, value in values.items() if not _names_secret(str(key))}


def _names_secret(key: str) -> bool:
    name = key.lower()
    if name.endswith(_SHOWN_ENDINGS):
        return False
    return name in _SECRET_NAMES or any(word in name for word in _SECRET_WORDS)


def _plain(value: object) -> object:
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, Mapping):
        return without_secrets(cast("Mapping[str, object]", value))
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    if isinstance(value, bytes | bytearray):
        # Raw bytes are hashes or files, never something to read in a log.
        return None
    return str(value)
