"""From the company's event log to deliveries: one for each event and each endpoint that wants its kind."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert

from ringfence.features.calls.model import Call
from ringfence.features.calls.values.states import FINAL
from ringfence.features.consent.model import OptOut
from ringfence.features.events import actions as log
from ringfence.features.events.model import Event
from ringfence.features.messages.model import Message
from ringfence.features.outgoing_webhooks.model import WebhookDelivery, WebhookEndpoint
from ringfence.features.outgoing_webhooks.values.kinds import EventKind
from ringfence.features.outgoing_webhooks.values.planning import KEPT_WHILE_OFF, KIND_OF, READER, event_id
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession

PLAN_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something to tell: what happened to what, and in a word or two how it stood when the log was read."""

    kind: EventKind
    subject_id: UUID
    outcome: str
    facts: Mapping[str, Any]
    at: datetime


async def plan(session: TenantSession) -> bool:
    """Turn the next events of the log into deliveries; whether there may be more.

    Reading and planning are one transaction, and an event's id is made of what happened: nothing is planned twice, and
    nothing is lost when the worker dies. What is meant for an endpoint that is off is kept, to be replayed.
    """
    endpoints = await _listening(session)
    if not endpoints:
        await log.drop_reader(session, READER)
        return False
    events = await log.read(session, READER, batch=PLAN_BATCH)
    news = await _news(session, events)
    rows = [row for item in news for row in _deliveries(session.company_id, endpoints, item)]
    if rows:
        await session.execute(insert(WebhookDelivery).on_conflict_do_nothing(), rows)
    return len(events) == PLAN_BATCH


async def _listening(session: TenantSession) -> Sequence[WebhookEndpoint]:
    """Endpoints that events are kept for, held so that none is deleted meanwhile."""
    query = select(WebhookEndpoint).where(
        WebhookEndpoint.company_id == session.company_id,
        or_(WebhookEndpoint.status == "active", WebhookEndpoint.disabled_at > utc_now() - KEPT_WHILE_OFF),
    )
    held = query.order_by(WebhookEndpoint.id).with_for_update(read=True, key_share=True)
    return (await session.scalars(held.execution_options(populate_existing=True))).all()


def _deliveries(company_id: UUID, endpoints: Iterable[WebhookEndpoint], news: News) -> Iterable[dict[str, Any]]:
    now = utc_now()
    for endpoint in endpoints:
        if news.kind not in endpoint.kinds or news.at < endpoint.created_at:
            continue
        off = endpoint.status != "active"
        yield {
            "company_id": company_id,
            "id": new_id(),
            "endpoint_id": endpoint.id,
            "event_id": event_id(news.kind, news.subject_id, news.outcome),
            "kind": news.kind,
            "event_at": news.at,
            "subject_id": news.subject_id,
            "facts": dict(news.facts),
            "state": "skipped" if off else "pending",
            "due_at": now,
            "attempts": 0,
            "settled_at": now if off else None,
            "created_at": now,
        }


async def _news(session: TenantSession, events: Sequence[Event]) -> list[News]:
    """What of the events is for outside, in their order. The things are looked up together, by kind."""
    wanted: list[tuple[Event, EventKind]] = [
        (event, kind) for event in events if (kind := KIND_OF.get(event.kind)) is not None
    ]
    ids: dict[EventKind, list[UUID]] = {}
    for event, kind in wanted:
        ids.setdefault(kind, []).append(event.subject_id)
    known = {
        "message.received": await _received(session, ids.get("message.received", [])),
        "message.status_changed": await _statuses(session, ids.get("message.status_changed", [])),
        "opt_out.changed": await _opt_outs(session, ids.get("opt_out.changed", [])),
        "call.ended": await _ended_calls(session, ids.get("call.ended", [])),
    }
    return [
        News(
            kind=kind,
            subject_id=event.subject_id,
            outcome=known[kind][event.subject_id][0],
            facts=known[kind][event.subject_id][1],
            at=event.created_at,
        )
        for event, kind in wanted
        if event.subject_id in known[kind]
    ]


_Found = dict[UUID, tuple[str, dict[str, Any]]]


async def _received(session: TenantSession, ids: Sequence[UUID]) -> _Found:
    query = select(Message.id).where(
        Message.company_id == session.company_id, Message.id.in_(ids), Message.direction == "inbound"
    )
    return {key: ("received", {}) for key in await session.scalars(query)} if ids else {}


async def _statuses(session: TenantSession, ids: Sequence[UUID]) -> _Found:
    """The status is kept with the event: by the time it is delivered, the text may have gone further."""
    query = select(Message.id, Message.status, Message.error_code, Message.refusal_code).where(
        Message.company_id == session.company_id, Message.id.in_(ids), Message.direction == "outbound"
    )
    rows = await session.execute(query) if ids else ()
    return {
        key: (status, {"status": status, "error_code": error_code, "refusal_code": refusal_code})
        for key, status, error_code, refusal_code in rows
    }


async def _opt_outs(session: TenantSession, ids: Sequence[UUID]) -> _Found:
    query = select(OptOut.id, OptOut.ended_at).where(OptOut.company_id == session.company_id, OptOut.id.in_(ids))
    rows = await session.execute(query) if ids else ()
    return {key: ("out" if ended_at is None else "in", {"opted_out": ended_at is None}) for key, ended_at in rows}


async def _ended_calls(session: TenantSession, ids: Sequence[UUID]) -> _Found:
    query = select(Call.id).where(Call.company_id == session.company_id, Call.id.in_(ids), Call.status.in_(FINAL))
    return {key: ("ended", {}) for key in await session.scalars(query)} if ids else {}
