"""Reading the log of deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_

from ringfence.errors import NotFoundError
from ringfence.features.outgoing_webhooks.model import WebhookDelivery
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What the log of an endpoint shows; None shows all. `since` is inclusive and of the delivery's making."""

    state: str | None = None
    kind: str | None = None
    since: datetime | None = None


async def get_delivery(
    session: TenantSession, endpoint_id: UUID, delivery_id: UUID, *, lock: bool = False
) -> WebhookDelivery:
    """One delivery of an endpoint; `lock` keeps it as it is and reads it afresh. Raises NotFoundError."""
    query = select(WebhookDelivery).where(
        WebhookDelivery.company_id == session.company_id,
        WebhookDelivery.endpoint_id == endpoint_id,
        WebhookDelivery.id == delivery_id,
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = await session.scalar(query)
    if found is None:
        raise NotFoundError
    return found


async def list_deliveries(
    session: TenantSession, endpoint_id: UUID, *, filters: Filters, after: Position | None, limit: int
) -> Sequence[WebhookDelivery]:
    """An endpoint's deliveries, newest first: up to limit + 1 after a position."""
    query = select(WebhookDelivery).where(
        WebhookDelivery.company_id == session.company_id, WebhookDelivery.endpoint_id == endpoint_id
    )
    if filters.state is not None:
        query = query.where(WebhookDelivery.state == filters.state)
    if filters.kind is not None:
        query = query.where(WebhookDelivery.kind == filters.kind)
    if filters.since is not None:
        query = query.where(WebhookDelivery.created_at >= filters.since)
    if after is not None:
        query = query.where(tuple_(WebhookDelivery.created_at, WebhookDelivery.id) < (after.at, after.id))
    newest_first = query.order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.id.desc())
    return (await session.scalars(newest_first.limit(limit + 1))).all()
