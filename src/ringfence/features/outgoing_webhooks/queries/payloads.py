"""What a delivery says: read when it goes out, from the rows of the company itself."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from ringfence.features.calls.model import Call
from ringfence.features.consent.model import OptOut
from ringfence.features.messages.model import Media, Message
from ringfence.features.outgoing_webhooks.model import WebhookDelivery
from ringfence.tenancy.sessions import TenantSession

Subjects = Mapping[UUID, dict[str, Any]]

_MESSAGE_FIELDS: Final = (
    "id",
    "conversation_id",
    "contact_id",
    "phone_number_id",
    "direction",
    "from_number",
    "to_number",
    "source",
    "num_segments",
    "template_id",
    "retry_of",
    "created_by",
    "created_at",
)
_OUTCOME_FIELDS: Final = ("status", "error_code", "refusal_code", "reason", "updated_at")
_OPT_OUT_FIELDS: Final = (
    "id",
    "outside_number",
    "scope",
    "phone_number_id",
    "source",
    "created_by",
    "created_at",
    "ended_source",
    "ended_by",
    "ended_at",
)
_CALL_FIELDS: Final = (
    "id",
    "direction",
    "status",
    "reason",
    "error_code",
    "source",
    "phone_number_id",
    "our_number",
    "outside_number",
    "user_id",
    "contact_id",
    "redial_of",
    "created_at",
    "answered_at",
    "ended_at",
    "duration_seconds",
)


async def read_subjects(session: TenantSession, deliveries: Sequence[WebhookDelivery]) -> Mapping[UUID, dict[str, Any]]:
    """The `data` of each delivery, by the delivery's id. What has been deleted meanwhile is missing."""
    found: dict[UUID, dict[str, Any]] = {}
    for kind in {item.kind for item in deliveries}:
        of_kind = [item for item in deliveries if item.kind == kind]
        subjects = await _READERS[kind](session, [item.subject_id for item in of_kind])
        for item in of_kind:
            if item.subject_id in subjects:
                found[item.id] = {**subjects[item.subject_id], **item.facts}
    return found


async def _received(session: TenantSession, ids: Sequence[UUID]) -> Subjects:
    """A text that came in, with what it says and where its files are: it is the company's own."""
    rows = await _messages(session, ids)
    files: dict[UUID, list[dict[str, Any]]] = {}
    query = select(Media).where(Media.company_id == session.company_id, Media.message_id.in_(list(rows)))
    for item in await session.scalars(query.order_by(Media.message_id, Media.position)):
        files.setdefault(item.message_id, []).append(
            {
                "id": item.id,
                "status": item.status,
                "content_type": item.content_type,
                "path": f"/api/sms/messages/{item.message_id}/media/{item.id}",
            }
        )
    return {
        key: {**_fields(row, _MESSAGE_FIELDS), "body": row.body, "media": files.get(key, [])}
        for key, row in rows.items()
    }


async def _status(session: TenantSession, ids: Sequence[UUID]) -> Subjects:
    """What became of a text, without what it said: whoever sent it knows."""
    rows = await _messages(session, ids)
    return {key: _fields(row, (*_MESSAGE_FIELDS, *_OUTCOME_FIELDS)) for key, row in rows.items()}


async def _messages(session: TenantSession, ids: Sequence[UUID]) -> Mapping[UUID, Message]:
    query = select(Message).where(
        Message.company_id == session.company_id, Message.id.in_(ids), Message.deleted_at.is_(None)
    )
    return {row.id: row for row in await session.scalars(query)}


async def _opt_out(session: TenantSession, ids: Sequence[UUID]) -> Subjects:
    query = select(OptOut).where(OptOut.company_id == session.company_id, OptOut.id.in_(ids))
    return {
        row.id: {**_fields(row, _OPT_OUT_FIELDS), "opted_out": row.ended_at is None}
        for row in await session.scalars(query)
    }


async def _call(session: TenantSession, ids: Sequence[UUID]) -> Subjects:
    query = select(Call).where(Call.company_id == session.company_id, Call.id.in_(ids), Call.deleted_at.is_(None))
    return {row.id: _fields(row, _CALL_FIELDS) for row in await session.scalars(query)}


async def _ping(_session: TenantSession, ids: Sequence[UUID]) -> Subjects:
    return {key: {"id": key} for key in ids}


def _fields(row: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


_READERS: Final[Mapping[str, Callable[[TenantSession, Sequence[UUID]], Awaitable[Subjects]]]] = {
    "message.received": _received,
    "message.status_changed": _status,
    "opt_out.changed": _opt_out,
    "call.ended": _call,
    "ping": _ping,
}
