"""Taking what is due, for one attempt each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from ringfence.features.outgoing_webhooks.actions.due import look_again, under_way
from ringfence.features.outgoing_webhooks.actions.endpoints import old_secret_counts
from ringfence.features.outgoing_webhooks.model import WebhookDelivery, WebhookEndpoint
from ringfence.features.outgoing_webhooks.queries.payloads import read_subjects
from ringfence.features.outgoing_webhooks.values.retries import most_at_once
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """One attempt that is this process's to make. Secrets are sealed, the present one first."""

    delivery_id: UUID
    endpoint_id: UUID
    event_id: UUID
    until: datetime
    url: str = field(repr=False)
    sealed_secrets: tuple[str, ...] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """What was taken, and whether more may be due that an endpoint or the caller had no room for."""

    claimed: Sequence[Claimed]
    has_more: bool


async def claim(session: TenantSession, *, most: int, lease: timedelta) -> Batch:
    """Take up to `most` deliveries that are due, no endpoint more than it bears at once, all processes together.

    Whoever has not reported by the end of the lease is taken for dead, and the delivery is attempted again under the
    same id. What a delivery tells of is read here; one whose subject has been deleted is skipped.
    """
    now = utc_now()
    endpoints = await _ready_endpoints(session, now)
    claims = await under_way(session, now)
    taken: list[tuple[WebhookEndpoint, WebhookDelivery]] = []
    has_more = False
    for endpoint in endpoints:
        claim_of = claims.get(endpoint.id)
        free = min(most_at_once(endpoint.failures) - (claim_of.count if claim_of else 0), most - len(taken))
        rows: Sequence[WebhookDelivery] = await _due(session, endpoint.id, now, free) if free > 0 else ()
        taken += [(endpoint, row) for row in rows]
        has_more = has_more or len(rows) >= free
    data = await read_subjects(session, [row for _, row in taken])
    made: list[Claimed] = []
    for endpoint, row in taken:
        if row.id not in data:
            row.state, row.settled_at, row.claimed_until, row.failure = "skipped", now, None, "subject_deleted"
            continue
        row.attempts += 1
        row.attempted_at, row.claimed_until, row.due_at = now, now + lease, now + lease
        made.append(_claimed(endpoint, row, data[row.id], now, now + lease))
    await session.flush()
    await look_again(session)
    return Batch(made, has_more)


async def _ready_endpoints(session: TenantSession, now: datetime) -> Sequence[WebhookEndpoint]:
    """Endpoints that may be tried, locked: who counts what is under way must be alone in adding to it."""
    query = (
        select(WebhookEndpoint)
        .where(
            WebhookEndpoint.company_id == session.company_id,
            WebhookEndpoint.status == "active",
            or_(WebhookEndpoint.paused_until.is_(None), WebhookEndpoint.paused_until <= now),
        )
        .order_by(WebhookEndpoint.id)
        .with_for_update(key_share=True)
    )
    return (await session.scalars(query)).all()


async def _due(session: TenantSession, endpoint_id: UUID, now: datetime, most: int) -> Sequence[WebhookDelivery]:
    query = (
        select(WebhookDelivery)
        .where(
            WebhookDelivery.company_id == session.company_id,
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.state == "pending",
            WebhookDelivery.due_at <= now,
        )
        .order_by(WebhookDelivery.due_at, WebhookDelivery.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return (await session.scalars(query)).all()


def _claimed(
    endpoint: WebhookEndpoint, row: WebhookDelivery, data: Mapping[str, Any], now: datetime, until: datetime
) -> Claimed:
    secrets = [endpoint.sealed_secret]
    if endpoint.sealed_old_secret is not None and old_secret_counts(endpoint, now):
        secrets.append(endpoint.sealed_old_secret)
    document = {
        "type": row.kind,
        "timestamp": row.event_at.isoformat(),
        "company_id": row.company_id,
        "data": data,
    }
    return Claimed(
        delivery_id=row.id,
        endpoint_id=endpoint.id,
        event_id=row.event_id,
        until=until,
        url=endpoint.url,
        sealed_secrets=tuple(secrets),
        body=json.dumps(document, ensure_ascii=False, default=_plain).encode(),
    )


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
