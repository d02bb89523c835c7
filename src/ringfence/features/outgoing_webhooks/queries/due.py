"""Which companies have deliveries that are due: read by the platform role, which sees no content."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from ringfence.tenancy.sessions import PlatformSession

# A suspended company's deliveries wait, and go out when it is active again.
_DUE = text(
    """
    SELECT d.company_id FROM webhook_due d JOIN companies c ON c.id = d.company_id
    WHERE d.next_due <= now() AND c.status = 'active'
    ORDER BY d.next_due LIMIT :most
    """
)


async def due_companies(session: PlatformSession, *, most: int) -> Sequence[UUID]:
    """Companies that have something due, the one that has waited longest first."""
    return (await session.scalars(_DUE, {"most": most})).all()
