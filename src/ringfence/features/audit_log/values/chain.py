"""How entries become a chain: the digests of an entry and of a link, and what a check of the chain reports.

Both digests are SHA-256 over the canonical form of a JSON object: keys sorted, no spaces, everything but ASCII
escaped, instants in UTC with six decimals and a Z, UUIDs in their usual form, digests in hex, absent values null. The
values are those that the database gives back. docs/howto/audit-log.md writes it down for who wants to check without us.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, Literal
from uuid import UUID

from ringfence.jobqueue.jobs import Job

START: Final = bytes(32)
"""What the first link of a company's chain has for the hash of the one before."""

ENTRY_FIELDS: Final = (
    "company_id",
    "id",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "action",
    "target_kind",
    "target_id",
    "before",
    "after",
    "request_id",
    "address",
)
"""What the digest of an entry covers: every column. A new column needs a new format, or old entries look changed."""

LATE: Final = timedelta(hours=1)
"""How far behind the chain's latest entry an entry may still join it.

An entry has the time of its act and shows when its transaction commits, so a short act can be sealed before a longer
one that began earlier. No transaction of ours takes nearly this long: what is further behind was put in afterwards.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealAuditLog(Job):
    """Add a company's new entries to its chain."""

    kind: ClassVar[str] = "audit_log.seal"


@dataclass(frozen=True, slots=True)
class Head:
    """A link of a chain by number and hash (hex). Noted elsewhere, it proves later that the chain was not rebuilt."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenLink:
    """The first place where a chain does not hold. `seq` is None for an entry that no link leads to."""

    kind: Literal["changed", "missing", "inserted", "reordered"]
    seq: int | None
    entry_id: UUID | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """What a check of one company's chain found; `waiting` entries are not sealed yet."""

    sealed: int
    waiting: int
    head: Head | None
    broken: BrokenLink | None


def entry_digest(entry: object) -> bytes:
    """The digest of an entry, given as anything that has the ENTRY_FIELDS as attributes."""
    return _digest({"format": "ringfence-audit-entry-1", **{name: getattr(entry, name) for name in ENTRY_FIELDS}})


def link_digest(
    *,
    company_id: UUID,
    seq: int,
    entry_id: UUID,
    entry_hash: bytes,
    previous_hash: bytes,
    latest_at: datetime,
    sealed_at: datetime,
) -> bytes:
    """The digest of a link: the next one repeats it as its `previous_hash`."""
    return _digest(
        {
            "format": "ringfence-audit-link-1",
            "company_id": company_id,
            "seq": seq,
            "entry_id": entry_id,
            "entry_hash": entry_hash,
            "previous_hash": previous_hash,
            "latest_at": latest_at,
            "sealed_at": sealed_at,
        }
    )


def _digest(values: Mapping[str, object]) -> bytes:
    text = json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode("ascii")).digest()


def _plain(value: object) -> str:
    """How a value that JSON has no form for is written."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
