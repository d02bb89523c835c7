"""What came of an attempt."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select

from ringfence.features.outgoing_webhooks.actions.claiming import Claimed
from ringfence.features.outgoing_webhooks.actions.due import look_at
from ringfence.features.outgoing_webhooks.actions.endpoints import give_up
from ringfence.features.outgoing_webhooks.model import WebhookDelivery, WebhookEndpoint
from ringfence.features.outgoing_webhooks.values.kinds import PING
from ringfence.features.outgoing_webhooks.values.retries import break_until, is_given_up, next_attempt
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession

_GONE = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An answer's status and beginning, or None and the stable word for why there was none."""

    status: int | None
    excerpt: str | None = field(repr=False)
    failure: str | None
    took: timedelta

    @property
    def is_success(self) -> bool:
        """Whether the receiver has it: any status from 200 to 299."""
        return self.status is not None and 200 <= self.status < 300


async def report(session: TenantSession, claimed: Claimed, outcome: Outcome) -> None:
    """Write down what came of a claimed attempt, and what follows for the delivery and its endpoint.

    Nothing happens when the claim is not this attempt's any more: its lease ended and another process took it, the
    endpoint was turned off or deleted, or the delivery was replayed.
    """
    endpoint = await _locked_endpoint(session, claimed)
    row = await _locked_delivery(session, claimed)
    if endpoint is None or row is None:
        return
    now = utc_now()
    row.claimed_until = None
    row.response_status, row.response_excerpt, row.failure = outcome.status, _storable(outcome.excerpt), outcome.failure
    row.duration_ms = int(outcome.took / timedelta(milliseconds=1))
    if outcome.is_success:
        row.state, row.settled_at = "delivered", now
        endpoint.failures, endpoint.failing_since, endpoint.paused_until = 0, None, None
        return
    again = None if row.kind == PING or outcome.status == _GONE else next_attempt(row.attempts, now)
    if again is None:
        row.state, row.settled_at = "failed", now
    else:
        row.due_at = again
    await _count_failure(session, endpoint, outcome, now)
    if again is not None:
        await session.flush()
        await look_at(session, again)


async def _count_failure(session: TenantSession, endpoint: WebhookEndpoint, outcome: Outcome, now: datetime) -> None:
    endpoint.failures += 1
    since = endpoint.failing_since = endpoint.failing_since or now
    endpoint.paused_until = break_until(endpoint.failures, now)
    if outcome.status == _GONE:
        await give_up(session, endpoint, "gone")
    elif is_given_up(endpoint.failures, since, now):
        await give_up(session, endpoint, "failing")


async def _locked_endpoint(session: TenantSession, claimed: Claimed) -> WebhookEndpoint | None:
    return await session.scalar(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.company_id == session.company_id, WebhookEndpoint.id == claimed.endpoint_id)
        .with_for_update(key_share=True)
    )


async def _locked_delivery(session: TenantSession, claimed: Claimed) -> WebhookDelivery | None:
    return await session.scalar(
        select(WebhookDelivery)
        .where(
            WebhookDelivery.company_id == session.company_id,
            WebhookDelivery.id == claimed.delivery_id,
            WebhookDelivery.claimed_until == claimed.until,
            WebhookDelivery.state == "pending",
        )
        .with_for_update()
    )


def _storable(text: str | None) -> str | None:
    """What PostgreSQL can keep of an answer: no NUL."""
    return None if text is None else text.replace("\x00", "")
