"""`/api/webhooks`: where a company's events go, and the log of what went. For admins."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime

from ringfence.features.audit_log.values import actor_of
from ringfence.features.outgoing_webhooks.actions import endpoints, replays
from ringfence.features.outgoing_webhooks.actions.addresses import check_url
from ringfence.features.outgoing_webhooks.queries import deliveries
from ringfence.features.outgoing_webhooks.queries import endpoints as queries
from ringfence.features.outgoing_webhooks.queries.deliveries import Filters
from ringfence.features.outgoing_webhooks.schemas import (
    DeliveryAnswer,
    EndpointAnswer,
    EndpointChange,
    EndpointWithSecret,
    EndpointWrite,
    ReplayAnswer,
    ReplayWrite,
    answers,
)
from ringfence.features.outgoing_webhooks.values.kinds import DeliveryState
from ringfence.kit.keyring import Keyring
from ringfence.providers.outgoing.client import OutgoingClient
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.caller import Admin, OwnAdmin, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.problems import PROBLEM_RESPONSES
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/webhooks", tags=["outgoing webhooks"], responses=PROBLEM_RESPONSES)


@router.get("")
async def list_endpoints(
    request: Request, caller: Admin, session: TenantDB, limit: PageLimit = DEFAULT_PAGE, cursor: PageCursor = None
) -> Page[EndpointAnswer]:
    """The company's endpoints, newest first. Their secrets are not shown."""
    cursors = Cursors(service(request, Keyring), caller.company_id, "webhooks")
    rows = await queries.list_endpoints(session, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.created_at, row.id))
    return Page(items=[EndpointAnswer.of(row) for row in page], next_cursor=next_cursor)


@router.post("", status_code=201)
async def create_endpoint(request: Request, body: EndpointWrite, caller: OwnAdmin) -> EndpointWithSecret:
    """Add an endpoint. The answer has the signing secret, which is never shown again."""
    url = await check_url(service(request, OutgoingClient), body.url)
    async with service(request, Tenancy).tenant(caller.company_id) as session:
        endpoint, secret = await endpoints.create(
            session,
            keyring=service(request, Keyring),
            actor=actor_of(caller),
            url=url,
            description=body.description,
            kinds=body.kinds,
        )
        return EndpointWithSecret.made_of(endpoint, secret)


@router.get("/{endpoint_id}")
async def get_endpoint(endpoint_id: UUID, _caller: Admin, session: TenantDB) -> EndpointAnswer:
    """One endpoint."""
    return EndpointAnswer.of(await queries.get_endpoint(session, endpoint_id))


@router.patch("/{endpoint_id}")
async def change_endpoint(
    request: Request, endpoint_id: UUID, body: EndpointChange, caller: OwnAdmin
) -> EndpointAnswer:
    """Change an endpoint, or turn it off and on."""
    tenancy = service(request, Tenancy)
    async with tenancy.tenant(caller.company_id) as session:
        # Before anything is asked of a name server: an unknown endpoint is no reason to.
        await queries.get_endpoint(session, endpoint_id)
    url = None if body.url is None else await check_url(service(request, OutgoingClient), body.url)
    async with tenancy.tenant(caller.company_id) as session:
        endpoint = await endpoints.change(
            session,
            endpoint_id,
            actor=actor_of(caller),
            url=url,
            description=body.description,
            kinds=body.kinds,
            status=body.status,
        )
        return EndpointAnswer.of(endpoint)


@router.delete("/{endpoint_id}", status_code=204)
async def delete_endpoint(endpoint_id: UUID, caller: OwnAdmin, session: TenantDB) -> None:
    """Remove an endpoint and its log."""
    await endpoints.delete(session, endpoint_id, actor=actor_of(caller))


@router.post("/{endpoint_id}/rotate-secret")
async def rotate_secret(request: Request, endpoint_id: UUID, caller: OwnAdmin, session: TenantDB) -> EndpointWithSecret:
    """Make a new secret. For 24 hours each delivery is signed with both, the one before too."""
    endpoint, secret = await endpoints.rotate(
        session, endpoint_id, keyring=service(request, Keyring), actor=actor_of(caller)
    )
    return EndpointWithSecret.made_of(endpoint, secret)


@router.post("/{endpoint_id}/ping", status_code=202)
async def ping(endpoint_id: UUID, _caller: Admin, session: TenantDB) -> DeliveryAnswer:
    """Send an event of type `ping`, once. The delivery in the log shows what came of it."""
    return DeliveryAnswer.made_of(await replays.ping(session, endpoint_id))


@router.post("/{endpoint_id}/replay", status_code=202)
async def replay_since(endpoint_id: UUID, body: ReplayWrite, caller: Admin, session: TenantDB) -> ReplayAnswer:
    """Make deliveries again from an instant on, under their old webhook ids; at most 5,000 a request."""
    done = await replays.replay_since(
        session,
        endpoint_id,
        since=body.since,
        include_delivered=body.include_delivered,
        actor=actor_of(caller),
    )
    return ReplayAnswer(replayed=done.count, has_more=done.has_more)


@router.get("/{endpoint_id}/deliveries")
async def list_deliveries(
    request: Request,
    endpoint_id: UUID,
    caller: Admin,
    session: TenantDB,
    *,
    state: DeliveryState | None = None,
    kind: Annotated[str | None, Query(max_length=50, description="Only events of this kind.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="With offset: made from then on.")] = None,
    limit: PageLimit = DEFAULT_PAGE,
    cursor: PageCursor = None,
) -> Page[DeliveryAnswer]:
    """An endpoint's log, newest first; it keeps 30 days, and what receivers answered for 7."""
    await queries.get_endpoint(session, endpoint_id)
    filters = Filters(state=state, kind=kind, since=since)
    scope = {"endpoint_id": endpoint_id, "state": state, "kind": kind, "since": since}
    cursors = Cursors(service(request, Keyring), caller.company_id, "webhook_deliveries", scope)
    rows = await deliveries.list_deliveries(
        session, endpoint_id, filters=filters, after=cursors.read(cursor), limit=limit
    )
    page, next_cursor = cursors.page(rows, limit, lambda row: Position(row.created_at, row.id))
    return Page(items=answers(page), next_cursor=next_cursor)


@router.get("/{endpoint_id}/deliveries/{delivery_id}")
async def get_delivery(endpoint_id: UUID, delivery_id: UUID, _caller: Admin, session: TenantDB) -> DeliveryAnswer:
    """One delivery."""
    return DeliveryAnswer.made_of(await deliveries.get_delivery(session, endpoint_id, delivery_id))


@router.post("/{endpoint_id}/deliveries/{delivery_id}/replay", status_code=202)
async def replay(endpoint_id: UUID, delivery_id: UUID, caller: Admin, session: TenantDB) -> DeliveryAnswer:
    """Make one delivery again, under its old webhook id."""
    row = await replays.replay(session, endpoint_id, delivery_id, actor=actor_of(caller))
    return DeliveryAnswer.made_of(row)
