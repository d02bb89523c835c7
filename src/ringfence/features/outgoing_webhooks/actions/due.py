"""When a company's deliveries are to be looked at next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from ringfence.features.events.queries import reader_read_at
from ringfence.features.outgoing_webhooks.model import WebhookDelivery, WebhookDue, WebhookEndpoint
from ringfence.features.outgoing_webhooks.values.planning import READER, look_after
from ringfence.features.outgoing_webhooks.values.retries import most_at_once
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


@dataclass(frozen=True, slots=True)
class UnderWay:
    """How many requests to an endpoint are under way, and when the first of their claims ends."""

    count: int
    first_end: datetime


async def look_at(session: TenantSession, moment: datetime) -> None:
    """Have the company looked at by then at the latest."""
    added = insert(WebhookDue).values(company_id=session.company_id, next_due=moment)
    await session.execute(
        added.on_conflict_do_update(
            index_elements=[WebhookDue.company_id],
            set_={"next_due": func.least(WebhookDue.next_due, added.excluded.next_due)},
            where=WebhookDue.company_id == session.company_id,
        )
    )


async def look_again(session: TenantSession) -> None:
    """Set when the company is to be looked at next, by what is pending and by its event log; neither: not at all.

    The lock comes first: whoever adds a delivery meanwhile waits for it, and everything committed before it is seen.
    """
    company = session.company_id
    await session.execute(select(WebhookDue.next_due).where(WebhookDue.company_id == company).with_for_update())
    claims = await under_way(session, utc_now())
    first_due = (
        select(func.min(WebhookDelivery.due_at))
        .where(
            WebhookDelivery.company_id == company,
            WebhookDelivery.endpoint_id == WebhookEndpoint.id,
            WebhookDelivery.state == "pending",
        )
        .scalar_subquery()
    )
    rows = await session.execute(
        select(WebhookEndpoint.id, WebhookEndpoint.failures, WebhookEndpoint.paused_until, first_due).where(
            WebhookEndpoint.company_id == company, WebhookEndpoint.status == "active", first_due.is_not(None)
        )
    )
    moments: list[datetime] = []
    for endpoint_id, failures, paused_until, due_at in rows:
        claim = claims.get(endpoint_id)
        busy = claim is not None and claim.count >= most_at_once(failures)
        moment = claim.first_end if claim is not None and busy else due_at
        moments.append(moment if paused_until is None else max(moment, paused_until))
    if (last_news := await reader_read_at(session, READER)) is not None:
        now = utc_now()
        moments.append(now + look_after(now - last_news))
    if moments:
        await session.execute(update(WebhookDue).where(WebhookDue.company_id == company).values(next_due=min(moments)))
    else:
        await session.execute(delete(WebhookDue).where(WebhookDue.company_id == company))


async def under_way(session: TenantSession, now: datetime) -> Mapping[UUID, UnderWay]:
    """The endpoints that requests of any process are under way to."""
    rows = await session.execute(
        select(WebhookDelivery.endpoint_id, func.count(), func.min(WebhookDelivery.claimed_until))
        .where(WebhookDelivery.company_id == session.company_id, WebhookDelivery.claimed_until > now)
        .group_by(WebhookDelivery.endpoint_id)
    )
    return {endpoint_id: UnderWay(count, first_end or now) for endpoint_id, count, first_end in rows}
