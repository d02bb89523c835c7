"""Which companies have deliveries that are due: read by the platform role, which sees no content."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import text

from ringfence.tenancy.sessions import PlatformSession

# A suspended company's deliveries wait, and go out when it is active again.
_DUE = text(
    """
    SELECT d.company_id FROM webhook_due d JOIN companies c ON c.id = d.company_id
    WHERE (d.next_due <= now() OR d.company_id = ANY(CAST(:hinted AS uuid[]))) AND c.status = 'active'
    ORDER BY d.next_due LIMIT :most
    """
)


async def due_companies(session: PlatformSession, *, hinted: Collection[UUID], most: int) -> Sequence[UUID]:
    """Active companies that have something due, or are hinted at, the one that has waited longest first."""
    return (await session.scalars(_DUE, {"hinted": list(hinted), "most": most})).all()
