"""Forgetting: old deliveries, what receivers answered, secrets that have ended."""

from datetime import datetime

from sqlalchemy import delete, select, update

from ringfence.features.outgoing_webhooks.actions.due import look_again
from ringfence.features.outgoing_webhooks.model import WebhookDelivery, WebhookEndpoint
from ringfence.features.outgoing_webhooks.values.retries import EXCERPT_KEPT, KEPT
from ringfence.tenancy.sessions import TenantSession

TRIM_BATCH = 2000


async def trim(session: TenantSession, now: datetime) -> int:
    """Delete one batch of deliveries that are past keeping; how many."""
    old = (
        select(WebhookDelivery.id)
        .where(WebhookDelivery.company_id == session.company_id, WebhookDelivery.created_at < now - KEPT)
        .order_by(WebhookDelivery.created_at)
        .limit(TRIM_BATCH)
    )
    gone = await session.scalars(
        delete(WebhookDelivery)
        .where(WebhookDelivery.company_id == session.company_id, WebhookDelivery.id.in_(old))
        .returning(WebhookDelivery.id)
    )
    count = len(gone.all())
    if count:
        await look_again(session)
    return count


async def forget(session: TenantSession, now: datetime) -> None:
    """Clear a batch of old answers, and secrets whose day is over."""
    company = session.company_id
    old = (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.company_id == company,
            WebhookDelivery.created_at < now - EXCERPT_KEPT,
            WebhookDelivery.response_excerpt.is_not(None),
        )
        .limit(TRIM_BATCH)
    )
    await session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.company_id == company, WebhookDelivery.id.in_(old))
        .values(response_excerpt=None)
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        update(WebhookEndpoint)
        .where(WebhookEndpoint.company_id == company, WebhookEndpoint.old_secret_until < now)
        .values(sealed_old_secret=None, old_secret_until=None)
        .execution_options(synchronize_session=False)
    )
