"""Reading the audit log."""

from collections.abc import Sequence

from sqlalchemy import select, tuple_

from ringfence.features.audit_log.model import AuditEntry
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position


async def list_entries(
    session: TenantSession, *, action: str | None, after: Position | None, limit: int
) -> Sequence[AuditEntry]:
    """The company's entries, newest first: up to limit + 1 of them after a position, of one action if given."""
    query = select(AuditEntry).where(AuditEntry.company_id == session.company_id)
    if action is not None:
        query = query.where(AuditEntry.action == action)
    if after is not None:
        query = query.where(tuple_(AuditEntry.at, AuditEntry.id) < (after.at, after.id))
    return (await session.scalars(query.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(limit + 1))).all()
