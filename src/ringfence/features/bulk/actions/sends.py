"""Writing bulk sends: making, changing, rehearsing, starting, pausing, resuming, stopping, trying again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete

from ringfence.errors import InvalidInputError, RefusedError
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.bulk.actions.due import wake
from ringfence.features.bulk.actions.guarding import GUARD_CODES, own_trouble, sender_trouble
from ringfence.features.bulk.actions.stopping import note, pause, stop
from ringfence.features.bulk.errors.sends import BulkStateError, ListNotReadyError, NobodyError
from ringfence.features.bulk.model.sends import BulkSend, BulkSender
from ringfence.features.bulk.queries import sends
from ringfence.features.bulk.values.sends import (
    EDITABLE,
    FURTHEST,
    MOST_SENDERS,
    OVER,
    RehearseBulk,
    RunBulk,
    canary_size,
)
from ringfence.features.events.actions import emit
from ringfence.features.phone_numbers import queries as phone_numbers
from ringfence.features.phone_numbers.errors import NoSenderError, UnknownSenderError
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.templates import queries as templates
from ringfence.features.templates.values import check_body, check_variables
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession

# What a retry goes out with is what the first one went out with.
_COPIED: Final = (
    "list_id",
    "body",
    "template_id",
    "canary",
    "canary_wait_seconds",
    "most_failed_percent",
    "most_opt_out_percent",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A bulk send as it was asked for. Numbers are E.164, `scheduled_at` is aware."""

    name: str
    list_id: UUID
    body: str = field(repr=False)
    template_id: UUID | None
    variables: Mapping[str, str] = field(repr=False)
    from_numbers: Sequence[str]
    scheduled_at: datetime | None
    canary: bool
    canary_wait_seconds: int
    most_failed_percent: int
    most_opt_out_percent: int


async def create(session: TenantSession, plan: Plan, *, actor: Actor) -> BulkSend:
    """Keep a bulk send, and have it rehearsed.

    Raises NotFoundError (list, template), ListNotReadyError, NobodyError, InvalidInputError (text, time),
    UnknownSenderError, SenderInactiveError.
    """
    now = utc_now()
    bulk = BulkSend(
        id=new_id(),
        name=plan.name,
        canary="sending" if plan.canary else "off",
        canary_wait_seconds=plan.canary_wait_seconds,
        most_failed_percent=plan.most_failed_percent,
        most_opt_out_percent=plan.most_opt_out_percent,
        variables={},
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        created_at=now,
    )
    await _set_list(session, bulk, plan.list_id)
    await _set_text(session, bulk, body=plan.body, template_id=plan.template_id, variables=plan.variables)
    _set_time(bulk, plan.scheduled_at)
    numbers = await _numbers(session, plan.from_numbers)
    await _begin_rehearsal(session, bulk)
    session.add(bulk)
    note(session, bulk, "bulk.created", actor=actor, after={"recipients": bulk.recipients_count})
    await session.flush()
    await _set_senders(session, bulk, numbers)
    return bulk


async def change(session: TenantSession, bulk_send_id: UUID, changes: Mapping[str, Any], *, actor: Actor) -> BulkSend:
    """Change what `changes` names: everything before the start, the senders of a paused one, a scheduled one's time.

    What is rehearsed changes with it, so it is rehearsed again. Raises NotFoundError, BulkStateError and what `create`
    raises.
    """
    bulk = await sends.get_send(session, bulk_send_id, lock=True)
    _check_changeable(bulk, changes)
    if "list_id" in changes:
        await _set_list(session, bulk, changes["list_id"])
    if changes.keys() & {"body", "template_id", "variables"}:
        new_text = "body" in changes or "template_id" in changes
        await _set_text(
            session,
            bulk,
            body=changes.get("body", "" if new_text else bulk.body),
            template_id=changes.get("template_id", None if new_text else bulk.template_id),
            variables=changes.get("variables", bulk.variables),
        )
    if "scheduled_at" in changes:
        _set_time(bulk, changes["scheduled_at"])
    if "from_numbers" in changes:
        await _set_senders(session, bulk, await _numbers(session, changes["from_numbers"]))
    if "canary" in changes:
        bulk.canary = "sending" if changes["canary"] else "off"
    for name in changes.keys() & {"name", "canary_wait_seconds", "most_failed_percent", "most_opt_out_percent"}:
        setattr(bulk, name, changes[name])
    bulk.updated_at = utc_now()
    note(session, bulk, "bulk.changed", actor=actor, after={"changed": sorted(changes)})
    if bulk.status in EDITABLE:
        await _begin_rehearsal(session, bulk)
    await session.flush()
    if bulk.status == "scheduled" and bulk.scheduled_at is not None:
        await wake(session, bulk.scheduled_at)
    return bulk


async def discard(session: TenantSession, bulk_send_id: UUID, *, actor: Actor) -> None:
    """Delete a bulk send that was never started. Raises NotFoundError, BulkStateError."""
    bulk = await sends.get_send(session, bulk_send_id, lock=True)
    _need(bulk, EDITABLE, "Only a bulk send that was never started can be deleted.")
    note(session, bulk, "bulk.deleted", actor=actor)
    await session.delete(bulk)
    await session.flush()


async def rehearse_again(session: TenantSession, bulk_send_id: UUID) -> BulkSend:
    """Rehearse it anew: opt-outs, contacts and rules may have changed. Raises NotFoundError, BulkStateError."""
    bulk = await sends.get_send(session, bulk_send_id, lock=True)
    _need(bulk, EDITABLE, "It has been started; a rehearsal comes before that.")
    await _begin_rehearsal(session, bulk)
    await session.flush()
    return bulk


async def start(session: TenantSession, bulk_send_id: UUID, *, actor: Actor) -> BulkSend:
    """Let a rehearsed bulk send go, now or at its time. Raises NotFoundError, BulkStateError, RefusedError."""
    bulk = await sends.get_send(session, bulk_send_id, lock=True)
    _need(bulk, frozenset({"ready"}), "Only a bulk send whose rehearsal is through can be started.")
    if bulk.recipients_count == 0:
        raise NobodyError
    bulk.canary_size = canary_size(bulk.recipients_count) if bulk.canary == "sending" else 0
    if bulk.canary == "sending" and bulk.canary_size == 0:
        bulk.canary = "passed"
    now = utc_now()
    note(session, bulk, "bulk.started", actor=actor, after=_described(bulk))
    if bulk.scheduled_at is not None and bulk.scheduled_at > now:
        bulk.status, bulk.updated_at = "scheduled", now
        await session.flush()
        await wake(session, bulk.scheduled_at)
    else:
        await run(session, bulk)
    return bulk


async def run(session: TenantSession, bulk: BulkSend) -> None:
    """From now on it runs."""
    bulk.status, bulk.updated_at = "running", utc_now()
    bulk.code = bulk.reason = None
    bulk.started_at = bulk.started_at or bulk.updated_at
    emit(session, kind="bulk.progress", subject_id=bulk.id)
    await session.flush()
    await enqueue(session, RunBulk(), once_key=RunBulk.kind)
    await wake(session, bulk.updated_at)


async def pause_by_hand(session: TenantSession, bulk_send_id: UUID, *, actor: Actor) -> BulkSend:
    """Pause one that runs, or waits for its time. Raises NotFoundError, BulkStateError."""
    bulk = await sends.get_send(session, bulk_send_id, lock=True)
    _need(bulk, frozenset({"running", "scheduled"}), "Only a bulk send that runs or is scheduled can be paused.")
    await pause(session, bulk, actor=actor, code="by_person", reason=f"{actor.name} paused it.")
    return bulk


async def resume(session: TenantSession, bulk_send_id: UUID, *, actor: Actor) -> BulkSend:
    """Let a paused one go on where it stopped; its time, if it had one, does not matter any more.

    Whoever resumes what the guard had paused overrules the guard. Raises NotFoundError, BulkStateError, RefusedError
    for what would pause it again at once.
    """
    bulk = await sends.get_send(session, bulk_send_id, lock=True)
    _need(bulk, frozenset({"paused"}), "Only a paused bulk send can be resumed.")
    trouble = await own_trouble(session, await sends.senders_of(session, bulk.id))
    if trouble is not None:
        raise RefusedError(trouble.code, trouble.reason)
    if bulk.code in GUARD_CODES:
        bulk.canary = "overruled"
    note(session, bulk, "bulk.resumed", actor=actor, after={"canary": bulk.canary})
    await run(session, bulk)
    return bulk


async def stop_by_hand(session: TenantSession, bulk_send_id: UUID, *, actor: Actor) -> BulkSend:
    """End one for good. Raises NotFoundError, BulkStateError."""
    bulk = await sends.get_send(session, bulk_send_id, lock=True)
    _need(bulk, frozenset({"running", "scheduled", "paused"}), "Only a bulk send that was started can be stopped.")
    await stop(session, bulk, actor=actor)
    return bulk


async def retry(session: TenantSession, bulk_send_id: UUID, *, unconfirmed: bool, actor: Actor) -> BulkSend:
    """A new bulk send to those whose text failed, with the same text and senders; it is rehearsed first.

    Nobody knows whether an unconfirmed text arrived: only `unconfirmed` sends those again. Raises NotFoundError,
    BulkStateError, NobodyError.
    """
    first = await sends.get_send(session, bulk_send_id)
    _need(first, OVER, "Only a bulk send that is over can be sent again to those who did not get it.")
    now = utc_now()
    again = BulkSend(
        id=new_id(),
        **{name: getattr(first, name) for name in _COPIED},
        name=f"{first.name} (retry)"[:200],
        variables=dict(first.variables),
        scheduled_at=None,
        retry_of=first.id,
        retry_unconfirmed=unconfirmed,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        created_at=now,
    )
    again.canary = "off" if first.canary == "off" else "sending"
    again.recipients_count = await sends.count_to_retry(session, first.id, unconfirmed=unconfirmed)
    if again.recipients_count == 0:
        raise NobodyError
    await _begin_rehearsal(session, again)
    session.add(again)
    note(session, again, "bulk.retried", actor=actor, after={"retry_of": first.id, "unconfirmed": unconfirmed})
    await session.flush()
    session.add_all(
        BulkSender(bulk_send_id=again.id, phone_number_id=sender.id)
        for sender in await sends.senders_of(session, first.id)
    )
    await session.flush()
    return again


def note_export(session: TenantSession, bulk: BulkSend, *, actor: Actor) -> None:
    """Somebody takes the results out as a file."""
    record(session, actor=actor, action="bulk.exported", target_kind="bulk_send", target_id=bulk.id)


async def _begin_rehearsal(session: TenantSession, bulk: BulkSend) -> None:
    bulk.status, bulk.updated_at = "rehearsing", utc_now()
    bulk.rehearsed, bulk.rehearsal, bulk.rehearsed_at = 0, None, None
    bulk.code = bulk.reason = None
    await enqueue(session, RehearseBulk(bulk_send_id=bulk.id), once_key=f"bulk.rehearse:{bulk.id}")


async def _set_list(session: TenantSession, bulk: BulkSend, list_id: UUID) -> None:
    found = await sends.get_list(session, list_id)
    if found.status != "ready":
        raise ListNotReadyError(found.status)
    if found.recipients_count == 0:
        raise NobodyError
    bulk.list_id, bulk.recipients_count = found.id, found.recipients_count


async def _set_text(
    session: TenantSession, bulk: BulkSend, *, body: str, template_id: UUID | None, variables: Mapping[str, str]
) -> None:
    check_variables(variables)
    if template_id is not None:
        body = (await templates.get_template(session, template_id)).body
    check_body(body)
    bulk.body, bulk.template_id, bulk.variables = body, template_id, dict(variables)


def _set_time(bulk: BulkSend, scheduled_at: datetime | None) -> None:
    now = utc_now()
    if scheduled_at is not None and scheduled_at <= now:
        raise InvalidInputError("in_the_past", "The time to send it has passed already.")
    if scheduled_at is not None and scheduled_at > now + FURTHEST:
        raise InvalidInputError("too_far_ahead", f"A bulk send is scheduled {FURTHEST.days} days ahead at most.")
    bulk.scheduled_at = scheduled_at


async def _numbers(session: TenantSession, from_numbers: Sequence[str]) -> list[PhoneNumber]:
    """The company's numbers of these names, or those that take part in rotation; all must be able to text now."""
    found: list[PhoneNumber] = []
    for number in dict.fromkeys(from_numbers):
        held = await phone_numbers.held(session, number)
        if held is None:
            raise UnknownSenderError
        found.append(held)
    if not found:
        found = [number for number in await phone_numbers.active(session) if number.sms and number.rotation_enabled]
    if not found:
        raise NoSenderError(needs_mms=False)
    if len(found) > MOST_SENDERS:
        raise InvalidInputError("too_many_senders", f"A bulk send goes out from {MOST_SENDERS} numbers at most.")
    trouble = sender_trouble(found)
    if trouble is not None:
        raise RefusedError(trouble.code, trouble.reason)
    return found


async def _set_senders(session: TenantSession, bulk: BulkSend, numbers: Sequence[PhoneNumber]) -> None:
    await session.execute(
        delete(BulkSender).where(BulkSender.company_id == session.company_id, BulkSender.bulk_send_id == bulk.id)
    )
    session.add_all(BulkSender(bulk_send_id=bulk.id, phone_number_id=number.id) for number in numbers)
    await session.flush()


def _check_changeable(bulk: BulkSend, changes: Mapping[str, Any]) -> None:
    may: dict[str, set[str]] = {"paused": {"name", "from_numbers"}, "scheduled": {"name", "scheduled_at"}}
    if bulk.status in EDITABLE:
        if bulk.retry_of is not None and "list_id" in changes:
            raise BulkStateError("A retry goes to those whose text failed, and to no other list.", bulk.status)
        return
    if not changes.keys() <= may.get(bulk.status, set()):
        raise BulkStateError(f"This cannot be changed while the bulk send is {bulk.status}.", bulk.status)
    if bulk.status == "scheduled" and changes.get("scheduled_at", bulk.scheduled_at) is None:
        raise BulkStateError("It waits for its time: pause it to take the time away.", bulk.status)


def _need(bulk: BulkSend, statuses: frozenset[str], detail: str) -> None:
    if bulk.status not in statuses:
        raise BulkStateError(detail, bulk.status)


def _described(bulk: BulkSend) -> dict[str, object]:
    return {
        "recipients": bulk.recipients_count,
        "scheduled_at": bulk.scheduled_at,
        "template_id": bulk.template_id,
        "canary_size": bulk.canary_size,
    }
