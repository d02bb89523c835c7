"""Writing endpoints."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import update

from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import SYSTEM, Actor
from ringfence.features.companies import queries as companies
from ringfence.features.events.actions import register_reader
from ringfence.features.events.values import TellStaff
from ringfence.features.outgoing_webhooks.actions.due import look_again, look_at
from ringfence.features.outgoing_webhooks.errors import TooManyEndpointsError
from ringfence.features.outgoing_webhooks.model import WebhookDelivery, WebhookEndpoint
from ringfence.features.outgoing_webhooks.queries import endpoints as queries
from ringfence.features.outgoing_webhooks.values.kinds import MOST_ENDPOINTS, DisabledReason, EndpointStatus, EventKind
from ringfence.features.outgoing_webhooks.values.planning import READER
from ringfence.features.outgoing_webhooks.values.retries import OLD_SECRET_LIFETIME
from ringfence.features.outgoing_webhooks.values.signing import new_secret, seal_context
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.keyring import Keyring, SealBrokenError
from ringfence.tenancy.sessions import TenantSession

_TARGET = "webhook_endpoint"


async def create(
    session: TenantSession,
    *,
    keyring: Keyring,
    actor: Actor,
    url: str,
    description: str,
    kinds: Sequence[EventKind],
) -> tuple[WebhookEndpoint, str]:
    """Add an endpoint at a checked address, with its secret, which is shown this once. Raises TooManyEndpointsError."""
    # Endpoints are counted under the lock of the company's settings: two requests at once do not pass the limit.
    await companies.settings(session, lock=True)
    if await queries.count_endpoints(session) >= MOST_ENDPOINTS:
        raise TooManyEndpointsError
    endpoint_id, secret, now = new_id(), new_secret(), utc_now()
    endpoint = WebhookEndpoint(
        id=endpoint_id,
        url=url,
        description=description,
        kinds=_ordered(kinds),
        sealed_secret=keyring.seal(secret, context=seal_context(endpoint_id)),
        created_by=actor.user_id,
        created_at=now,
        updated_at=now,
    )
    session.add(endpoint)
    record(
        session,
        actor=actor,
        action="webhook_endpoint.created",
        target_kind=_TARGET,
        target_id=endpoint_id,
        after=_described(endpoint),
    )
    await session.flush()
    await _listen(session)
    return endpoint, secret


async def change(
    session: TenantSession,
    endpoint_id: UUID,
    *,
    actor: Actor,
    url: str | None,
    description: str | None,
    kinds: Sequence[EventKind] | None,
    status: EndpointStatus | None,
) -> WebhookEndpoint:
    """Change what is given; another address must have been checked. Raises NotFoundError.

    Turning an endpoint on forgets its failures: it is tried at once. Turning it off skips what is pending.
    """
    endpoint = await queries.get_endpoint(session, endpoint_id, lock=True)
    before = _described(endpoint)
    endpoint.url = url if url is not None else endpoint.url
    endpoint.description = description if description is not None else endpoint.description
    endpoint.kinds = _ordered(kinds) if kinds is not None else endpoint.kinds
    if status == "disabled" and endpoint.status == "active":
        await turn_off(session, endpoint, "by_person")
    if status == "active" and endpoint.status == "disabled":
        endpoint.status, endpoint.disabled_reason, endpoint.disabled_at = "active", None, None
        endpoint.failures, endpoint.failing_since, endpoint.paused_until = 0, None, None
    after = _described(endpoint)
    changed = [name for name in after if after[name] != before[name]]
    if changed:
        endpoint.updated_at = utc_now()
        record(
            session,
            actor=actor,
            action="webhook_endpoint.changed",
            target_kind=_TARGET,
            target_id=endpoint.id,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )
    await session.flush()
    if endpoint.status == "active":
        await _listen(session)
    return endpoint


async def delete(session: TenantSession, endpoint_id: UUID, *, actor: Actor) -> None:
    """Remove an endpoint and its log. Raises NotFoundError."""
    endpoint = await queries.get_endpoint(session, endpoint_id, lock=True)
    record(
        session,
        actor=actor,
        action="webhook_endpoint.deleted",
        target_kind=_TARGET,
        target_id=endpoint.id,
        before=_described(endpoint),
    )
    await session.delete(endpoint)
    await session.flush()
    await look_again(session)


async def rotate(
    session: TenantSession, endpoint_id: UUID, *, keyring: Keyring, actor: Actor
) -> tuple[WebhookEndpoint, str]:
    """Give an endpoint a new secret, which is shown this once; the one before signs too for a day.

    One older still ends now. Raises NotFoundError.
    """
    endpoint = await queries.get_endpoint(session, endpoint_id, lock=True)
    secret, now = new_secret(), utc_now()
    endpoint.sealed_old_secret, endpoint.old_secret_until = endpoint.sealed_secret, now + OLD_SECRET_LIFETIME
    endpoint.sealed_secret = keyring.seal(secret, context=seal_context(endpoint.id))
    endpoint.updated_at = now
    record(session, actor=actor, action="webhook_endpoint.rotated", target_kind=_TARGET, target_id=endpoint.id)
    await session.flush()
    return endpoint, secret


async def give_up(session: TenantSession, endpoint: WebhookEndpoint, reason: DisabledReason) -> None:
    """Turn a locked endpoint off by rule: it said that it is gone, or has failed for long. Admins are told."""
    await turn_off(session, endpoint, reason)
    record(
        session,
        actor=SYSTEM,
        action="webhook_endpoint.disabled",
        target_kind=_TARGET,
        target_id=endpoint.id,
        after={"reason": reason, "failing_since": endpoint.failing_since},
    )
    await enqueue(session, TellStaff(news="webhook.disabled", subject_id=endpoint.id))


async def turn_off(session: TenantSession, endpoint: WebhookEndpoint, reason: DisabledReason) -> None:
    """Deliver nothing to a locked endpoint any more; what was pending is skipped and can be replayed."""
    now = utc_now()
    endpoint.status, endpoint.disabled_reason, endpoint.disabled_at = "disabled", reason, now
    endpoint.updated_at = now
    await session.flush()
    await session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.company_id == session.company_id,
            WebhookDelivery.endpoint_id == endpoint.id,
            WebhookDelivery.state == "pending",
        )
        .values(state="skipped", settled_at=now, claimed_until=None)
        .execution_options(synchronize_session=False)
    )
    await look_again(session)


async def reseal(session: TenantSession, keyring: Keyring) -> int:
    """Seal with the first key the secrets that older keys sealed; how many. What no key opens is left as it is."""
    count = 0
    for found in await queries.all_endpoints(session):
        endpoint = await queries.get_endpoint(session, found.id, lock=True)
        context = seal_context(endpoint.id)
        for name in ("sealed_secret", "sealed_old_secret"):
            sealed: str | None = getattr(endpoint, name)
            if sealed is None or keyring.is_current(sealed):
                continue
            try:
                secret = keyring.open(sealed, context=context)
            except SealBrokenError:
                continue
            setattr(endpoint, name, keyring.seal(secret, context=context))
            count += 1
    await session.flush()
    return count


def old_secret_counts(endpoint: WebhookEndpoint, now: datetime) -> bool:
    """Whether the secret before the present one still signs."""
    return endpoint.old_secret_until is not None and now < endpoint.old_secret_until


async def _listen(session: TenantSession) -> None:
    """Have the company's event log kept and read."""
    await register_reader(session, READER)
    await look_at(session, utc_now())


def _ordered(kinds: Sequence[EventKind]) -> list[str]:
    return sorted(set(kinds))


def _described(endpoint: WebhookEndpoint) -> dict[str, object]:
    return {
        "url": endpoint.url,
        "description": endpoint.description,
        "kinds": list(endpoint.kinds),
        "status": endpoint.status,
    }
