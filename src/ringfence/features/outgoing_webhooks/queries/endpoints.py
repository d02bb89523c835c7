"""Reading endpoints."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select, tuple_

from ringfence.errors import NotFoundError
from ringfence.features.outgoing_webhooks.model import WebhookEndpoint
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position


async def get_endpoint(session: TenantSession, endpoint_id: UUID, *, lock: bool = False) -> WebhookEndpoint:
    """One endpoint; `lock` keeps it as it is until the transaction ends, and reads it afresh. Raises NotFoundError."""
    query = select(WebhookEndpoint).where(
        WebhookEndpoint.company_id == session.company_id, WebhookEndpoint.id == endpoint_id
    )
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    found = await session.scalar(query)
    if found is None:
        raise NotFoundError
    return found


async def list_endpoints(session: TenantSession, *, after: Position | None, limit: int) -> Sequence[WebhookEndpoint]:
    """The company's endpoints, newest first: up to limit + 1 after a position."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.company_id == session.company_id)
    if after is not None:
        query = query.where(tuple_(WebhookEndpoint.created_at, WebhookEndpoint.id) < (after.at, after.id))
    newest_first = query.order_by(WebhookEndpoint.created_at.desc(), WebhookEndpoint.id.desc())
    return (await session.scalars(newest_first.limit(limit + 1))).all()


async def count_endpoints(session: TenantSession) -> int:
    """How many endpoints the company has, in whatever state."""
    query = select(func.count()).where(WebhookEndpoint.company_id == session.company_id)
    return await session.scalar(query) or 0


async def all_endpoints(session: TenantSession) -> Sequence[WebhookEndpoint]:
    """Every endpoint of the company; there are few."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.company_id == session.company_id)
    return (await session.scalars(query.order_by(WebhookEndpoint.id))).all()
