"""What people do to calls that are stored: notes, deletion, and how the company telephones."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert

from ringfence.errors import InvalidInputError, NotFoundError
from ringfence.features.audit_log import actions as audit_log
from ringfence.features.audit_log.values import Actor
from ringfence.features.calls import queries
from ringfence.features.calls.actions import legs
from ringfence.features.calls.errors import NotOverError
from ringfence.features.calls.model import Call, CallSettings, RingEntry
from ringfence.features.calls.values.jobs import RemoveRecordings
from ringfence.features.calls.values.states import FINAL
from ringfence.features.conversations.values import Viewer
from ringfence.features.users import queries as users
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


async def write_notes(session: TenantSession, viewer: Viewer, call_id: UUID, *, notes: str) -> Call:
    """Replace a call's notes. Raises NotFoundError."""
    call = await queries.get_call(session, viewer, call_id)
    call.notes, call.updated_at = notes, utc_now()
    await legs.tell(session, call)
    await session.flush()
    return call


async def delete_call(session: TenantSession, viewer: Viewer, call_id: UUID, *, actor: Actor) -> None:
    """Remove a call that has ended from view, and its sound for good. Nothing changes at Twilio.

    Raises NotFoundError, NotOverError.
    """
    await queries.get_call(session, viewer, call_id)
    call = await legs.locked(session, call_id)
    if call is None or call.deleted_at is not None:
        raise NotFoundError
    if call.status not in FINAL | {"unconfirmed"}:
        raise NotOverError
    call.deleted_at = utc_now()
    await legs.tell(session, call)
    await enqueue(session, RemoveRecordings(call_id=call.id), once_key=f"remove-recordings:{call.id}")
    audit_log.record(session, actor=actor, action="call.deleted", target_kind="call", target_id=call.id)
    await session.flush()


async def note_asked(session: TenantSession, call_ids: Sequence[UUID]) -> None:
    """Twilio was just asked about these calls: the next time is further away."""
    await session.execute(
        update(Call)
        .where(Call.company_id == session.company_id, Call.id.in_(call_ids))
        .values(updated_at=utc_now())
        .execution_options(synchronize_session=False)
    )


async def change_settings(
    session: TenantSession, *, changes: Mapping[str, object], ring_order: Sequence[UUID] | None, actor: Actor
) -> queries.HowToCall:
    """Change the given settings, with one audit entry of what really changed.

    Raises InvalidInputError `ring_order` for a person named twice or not of this company.
    """
    before = await queries.how_to_call(session)
    values = {**changes, "updated_at": utc_now()}
    statement = insert(CallSettings).values(company_id=session.company_id, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["company_id"], set_=values))
    if ring_order is not None:
        await _set_ring_order(session, ring_order)
    session.expire_all()
    after = await queries.how_to_call(session)
    old, new = asdict(before), asdict(after)
    changed = [name for name in new if old[name] != new[name]]
    if changed:
        audit_log.record(
            session,
            actor=actor,
            action="call_settings.changed",
            target_kind="company",
            target_id=session.company_id,
            before={name: old[name] for name in changed},
            after={name: new[name] for name in changed},
        )
        await session.flush()
    return after


async def _set_ring_order(session: TenantSession, user_ids: Sequence[UUID]) -> None:
    if len(set(user_ids)) < len(user_ids):
        raise InvalidInputError("ring_order", "The ring order names somebody twice.")
    for user_id in user_ids:
        try:
            await users.user(session, user_id)
        except NotFoundError:
            raise InvalidInputError("ring_order", "The ring order names somebody who is not of this company.") from None
    await session.execute(delete(RingEntry).where(RingEntry.company_id == session.company_id))
    session.add_all(RingEntry(user_id=user_id, position=position) for position, user_id in enumerate(user_ids))
    await session.flush()
