"""Reading the audit log, and checking its chain."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, tuple_

from ringfence.features.audit_log.model import AuditEntry, AuditSeal
from ringfence.features.audit_log.values import (
    LATE,
    START,
    BrokenLink,
    ChainReport,
    Filters,
    Head,
    entry_digest,
    link_digest,
)
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position

_PAGE = 500


async def list_entries(
    session: TenantSession, *, filters: Filters, after: Position | None, limit: int
) -> Sequence[AuditEntry]:
    """The company's entries, newest first: up to limit + 1 of them after a position, those that pass the filters."""
    query = select(AuditEntry).where(AuditEntry.company_id == session.company_id)
    for column, value in (
        (AuditEntry.action, filters.action),
        (AuditEntry.actor_kind, filters.actor_kind),
        (AuditEntry.actor_id, filters.actor_id),
        (AuditEntry.target_kind, filters.target_kind),
        (AuditEntry.target_id, filters.target_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if filters.since is not None:
        query = query.where(AuditEntry.at >= filters.since)
    if filters.until is not None:
        query = query.where(AuditEntry.at < filters.until)
    if after is not None:
        query = query.where(tuple_(AuditEntry.at, AuditEntry.id) < (after.at, after.id))
    return (await session.scalars(query.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(limit + 1))).all()


async def has_entry(
    session: TenantSession, *, action: str, actor_id: UUID | None, target_id: str, since: datetime
) -> bool:
    """Whether the log has such an entry from an instant (aware) on."""
    query = select(AuditEntry.id).where(
        AuditEntry.company_id == session.company_id,
        AuditEntry.at >= since,
        AuditEntry.action == action,
        AuditEntry.actor_id == actor_id,
        AuditEntry.target_id == target_id,
    )
    return await session.scalar(query.limit(1)) is not None


async def last_seal(session: TenantSession) -> AuditSeal | None:
    """The company's newest link, None before the first."""
    query = select(AuditSeal).where(AuditSeal.company_id == session.company_id)
    return await session.scalar(query.order_by(AuditSeal.seq.desc()).limit(1))


async def sealable_entries(session: TenantSession, *, last: AuditSeal | None, limit: int) -> Sequence[AuditEntry]:
    """Entries without a seal that may join the chain after `last`, oldest first."""
    query = select(AuditEntry).where(*_unsealed(session))
    if last is not None:
        query = query.where(AuditEntry.at >= last.latest_at - LATE)
    return (await session.scalars(query.order_by(AuditEntry.at, AuditEntry.id).limit(limit))).all()


async def check_chain(session: TenantSession, *, noted: Head | None = None) -> ChainReport:
    """Walk the company's whole chain and name the first link that does not hold.

    `noted` is a head that was written down earlier: it must still be in the chain. Reads a page at a time.
    """
    previous: AuditSeal | None = None
    broken: BrokenLink | None = None
    while broken is None:
        page = await _links(session, after=previous)
        for link, entry in page:
            broken = await _fault(session, previous, link, entry) or _rebuilt(noted, link)
            if broken is not None:
                break
            previous = link
        # Checked rows are let go, so that a long log needs no more memory than a short one.
        session.expunge_all()
        if len(page) < _PAGE:
            break
    if broken is None:
        broken = _cut_off(noted, previous) or await _backdated(session, previous)
    return ChainReport(
        sealed=previous.seq if previous else 0,
        waiting=await session.scalar(select(func.count(AuditEntry.id)).where(*_unsealed(session))) or 0,
        head=Head(previous.seq, previous.hash.hex()) if previous else None,
        broken=broken,
    )


def _unsealed(session: TenantSession) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    seal = (
        select(AuditSeal.seq)
        .where(AuditSeal.company_id == session.company_id, AuditSeal.entry_id == AuditEntry.id)
        .exists()
    )
    return AuditEntry.company_id == session.company_id, ~seal


async def _links(session: TenantSession, *, after: AuditSeal | None) -> Sequence[tuple[AuditSeal, AuditEntry | None]]:
    rows = await session.execute(
        select(AuditSeal, AuditEntry)
        .outerjoin(AuditEntry, and_(AuditEntry.company_id == AuditSeal.company_id, AuditEntry.id == AuditSeal.entry_id))
        .where(AuditSeal.company_id == session.company_id, AuditSeal.seq > (after.seq if after else 0))
        .order_by(AuditSeal.seq)
        .limit(_PAGE)
    )
    return [(link, entry) for link, entry in rows]


async def _fault(
    session: TenantSession, previous: AuditSeal | None, link: AuditSeal, entry: AuditEntry | None
) -> BrokenLink | None:
    """What is wrong with a link, given the one before it, which holds."""
    expected = previous.seq + 1 if previous else 1
    if link.seq != expected:
        return BrokenLink(kind="missing", seq=expected, entry_id=None, detail=f"link {expected} was taken out")
    if link.previous_hash != (previous.hash if previous else START):
        return await _wrong_neighbour(session, previous, link)
    if entry is None:
        return _at(link, "missing", "its entry was deleted")
    return await _entry_fault(session, previous, link, entry)


async def _entry_fault(
    session: TenantSession, previous: AuditSeal | None, link: AuditSeal, entry: AuditEntry
) -> BrokenLink | None:
    """What is wrong with a link that stands in its place, or with its entry."""
    digest = entry_digest(entry)
    if digest != link.entry_hash:
        other = await _seal_with(session, entry_hash=digest)
        if other is not None:
            return _at(link, "reordered", f"its entry is the one that link {other.seq} was made for")
        return _at(link, "changed", "its entry is not what was sealed")
    if link.hash != _digest_of(link) or link.latest_at != max(entry.at, previous.latest_at if previous else entry.at):
        return _at(link, "changed", "the link itself was altered")
    if previous is not None and entry.at < previous.latest_at - LATE:
        return _at(link, "inserted", "its entry claims a time that was long sealed")
    return None


async def _wrong_neighbour(session: TenantSession, previous: AuditSeal | None, link: AuditSeal) -> BrokenLink:
    """What happened to a link that does not continue the one before it: where its real neighbour stands tells."""
    if link.previous_hash == START and previous is not None:
        return _at(previous, "inserted", f"link {link.seq} was the first one")
    neighbour = await _seal_with(session, hash=link.previous_hash)
    if neighbour is None:
        return _at(link, "missing", "the link before it was taken out")
    if neighbour.seq >= link.seq:
        return _at(link, "reordered", f"it belongs after link {neighbour.seq}")
    return _at(previous or link, "inserted", f"link {link.seq} was made for the place after link {neighbour.seq}")


async def _seal_with(session: TenantSession, **digest: bytes) -> AuditSeal | None:
    query = select(AuditSeal).where(AuditSeal.company_id == session.company_id).filter_by(**digest)
    return await session.scalar(query.order_by(AuditSeal.seq).limit(1))


async def _backdated(session: TenantSession, last: AuditSeal | None) -> BrokenLink | None:
    if last is None:
        return None
    too_late = select(AuditEntry).where(*_unsealed(session), AuditEntry.at < last.latest_at - LATE)
    entry = await session.scalar(too_late.order_by(AuditEntry.at, AuditEntry.id).limit(1))
    if entry is None:
        return None
    return BrokenLink(
        kind="inserted",
        seq=None,
        entry_id=entry.id,
        detail="an entry without a link claims a time that was long sealed",
    )


def _rebuilt(noted: Head | None, link: AuditSeal) -> BrokenLink | None:
    if noted is None or noted.seq != link.seq or noted.hash == link.hash.hex():
        return None
    return _at(link, "changed", "the chain was rebuilt after its head was noted")


def _cut_off(noted: Head | None, last: AuditSeal | None) -> BrokenLink | None:
    if noted is None or (last is not None and last.seq >= noted.seq):
        return None
    return BrokenLink(
        kind="missing", seq=noted.seq, entry_id=None, detail="the chain was cut off after its head was noted"
    )


def _digest_of(link: AuditSeal) -> bytes:
    return link_digest(
        company_id=link.company_id,
        seq=link.seq,
        entry_id=link.entry_id,
        entry_hash=link.entry_hash,
        previous_hash=link.previous_hash,
        latest_at=link.latest_at,
        sealed_at=link.sealed_at,
    )


def _at(link: AuditSeal, kind: Literal["changed", "missing", "inserted", "reordered"], detail: str) -> BrokenLink:
    return BrokenLink(kind=kind, seq=link.seq, entry_id=link.entry_id, detail=detail)
