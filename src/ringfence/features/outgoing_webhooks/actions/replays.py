"""Sending again what an endpoint did not get, or lost; and trying an endpoint by hand."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.outgoing_webhooks.actions.due import look_at
from ringfence.features.outgoing_webhooks.errors import EndpointDisabledError
from ringfence.features.outgoing_webhooks.model import WebhookDelivery, WebhookEndpoint
from ringfence.features.outgoing_webhooks.queries import deliveries, endpoints
from ringfence.features.outgoing_webhooks.values.kinds import PING
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession

MOST_REPLAYED = 5000
_NOT_DELIVERED = ("failed", "skipped")


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many deliveries go out again, and whether there are more than one request replays."""

    count: int
    has_more: bool


async def replay(session: TenantSession, endpoint_id: UUID, delivery_id: UUID, *, actor: Actor) -> WebhookDelivery:
    """Have one delivery made again, under the same webhook id. Raises NotFoundError, EndpointDisabledError."""
    await _active(session, endpoint_id)
    row = await deliveries.get_delivery(session, endpoint_id, delivery_id, lock=True)
    if row.state == "pending":
        return row
    now = utc_now()
    row.state, row.due_at, row.attempts, row.settled_at, row.replayed_at = "pending", now, 0, None, now
    record(
        session,
        actor=actor,
        action="webhook_delivery.replayed",
        target_kind="webhook_endpoint",
        target_id=endpoint_id,
        after={"delivery_id": delivery_id},
    )
    await session.flush()
    await look_at(session, now)
    return row


async def replay_since(
    session: TenantSession, endpoint_id: UUID, *, since: datetime, include_delivered: bool, actor: Actor
) -> Replayed:
    """Have deliveries made again, the oldest first: those that failed or were skipped, or all that were settled.

    `since` is of the event. Raises NotFoundError, EndpointDisabledError.
    """
    await _active(session, endpoint_id)
    now = utc_now()
    states = (*_NOT_DELIVERED, "delivered") if include_delivered else _NOT_DELIVERED
    found = (
        await session.scalars(
            select(WebhookDelivery.id)
            .where(
                WebhookDelivery.company_id == session.company_id,
                WebhookDelivery.endpoint_id == endpoint_id,
                WebhookDelivery.state.in_(states),
                WebhookDelivery.kind != PING,
                WebhookDelivery.created_at >= since,
            )
            .order_by(WebhookDelivery.created_at, WebhookDelivery.id)
            .limit(MOST_REPLAYED + 1)
        )
    ).all()
    chosen = found[:MOST_REPLAYED]
    if chosen:
        await session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.company_id == session.company_id, WebhookDelivery.id.in_(chosen))
            .values(state="pending", due_at=now, attempts=0, settled_at=None, replayed_at=now)
            .execution_options(synchronize_session=False)
        )
        await look_at(session, now)
    record(
        session,
        actor=actor,
        action="webhook_deliveries.replayed",
        target_kind="webhook_endpoint",
        target_id=endpoint_id,
        after={"since": since, "include_delivered": include_delivered, "count": len(chosen)},
    )
    return Replayed(len(chosen), len(found) > MOST_REPLAYED)


async def ping(session: TenantSession, endpoint_id: UUID) -> WebhookDelivery:
    """Send an endpoint a harmless event, once. Raises NotFoundError, EndpointDisabledError."""
    endpoint = await _active(session, endpoint_id)
    now, event_id = utc_now(), new_id()
    # Somebody stands there and waits: a break because of earlier failures is over.
    endpoint.paused_until = None
    row = WebhookDelivery(
        id=new_id(),
        endpoint_id=endpoint_id,
        event_id=event_id,
        kind=PING,
        event_at=now,
        subject_id=event_id,
        facts={},
        due_at=now,
        created_at=now,
    )
    session.add(row)
    await session.flush()
    await look_at(session, now)
    return row


async def _active(session: TenantSession, endpoint_id: UUID) -> WebhookEndpoint:
    endpoint = await endpoints.get_endpoint(session, endpoint_id, lock=True)
    if endpoint.status != "active":
        raise EndpointDisabledError
    return endpoint
