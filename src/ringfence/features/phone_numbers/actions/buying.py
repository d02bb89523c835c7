"""Buying a number: written down first, asked for once, and where the answer is lost, found out and never repeated.

Twilio has no idempotency key for purchases. So the wish is a row, committed before Twilio is asked; while its outcome
is open nobody asks for that number again, and a job looks through the account's numbers until it knows.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from ringfence.features.audit_log import actions as audit_log
from ringfence.features.audit_log.values import Actor
from ringfence.features.phone_numbers import queries
from ringfence.features.phone_numbers.actions.intake import take_in_one
from ringfence.features.phone_numbers.errors import AlreadyYoursError, KeyReusedError, PurchaseUnderWayError
from ringfence.features.phone_numbers.model import NumberPurchase
from ringfence.features.phone_numbers.values import (
    LOOK_AGAIN_SECONDS,
    OPEN_PURCHASES,
    SettlePurchase,
    last_four,
)
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.providers.twilio.codes import explain
from ringfence.providers.twilio.records import NumberInfo
from ringfence.tenancy.sessions import TenantSession

_KEY_LIFE: Final = timedelta(hours=24)
_HELD_ELSEWHERE: Final = "The account has the number, but another company on this server holds it."
_REPLACED: Final = "It was bought in a Twilio account that is no longer connected."


async def begin(
    session: TenantSession,
    *,
    account_sid: str,
    phone_number: str,
    friendly_name: str | None,
    key: str | None,
    deadline_seconds: float,
    actor: Actor,
) -> tuple[NumberPurchase, bool]:
    """Write down that a number (E.164) is to be bought; commit before Twilio is asked.

    Returns the purchase, and whether it is new: only whoever made it may ask Twilio. An earlier purchase under the
    same Idempotency-Key is returned as it stands, for a day. `deadline_seconds` is how long Twilio may take to answer.
    Raises AlreadyYoursError, PurchaseUnderWayError, KeyReusedError.
    """
    now = utc_now()
    if key is not None:
        await session.execute(
            update(NumberPurchase)
            .where(
                NumberPurchase.company_id == session.company_id,
                NumberPurchase.idempotency_key == key,
                NumberPurchase.created_at < now - _KEY_LIFE,
            )
            .values(idempotency_key=None)
        )
        first = await queries.purchase_by_key(session, key)
        if first is not None:
            return _same(first, phone_number, friendly_name), False
    if await queries.held(session, phone_number) is not None:
        raise AlreadyYoursError
    purchase_id = new_id()
    made = await session.scalar(
        insert(NumberPurchase)
        .values(
            company_id=session.company_id,
            id=purchase_id,
            account_sid=account_sid,
            phone_number=phone_number,
            friendly_name=friendly_name,
            idempotency_key=key,
            status="buying",
            requested_by=actor.name,
            created_at=now,
            updated_at=now,
        )
        # Whoever comes second, with the same key or for the same number, waits here for the first one's commit.
        .on_conflict_do_nothing()
        .returning(NumberPurchase.id)
    )
    if made is None:
        first = None if key is None else await queries.purchase_by_key(session, key)
        if first is not None:
            return _same(first, phone_number, friendly_name), False
        raise PurchaseUnderWayError(await queries.open_purchase_id(session, phone_number))
    await enqueue(
        session,
        SettlePurchase(purchase_id=purchase_id),
        run_at=now + timedelta(seconds=deadline_seconds + LOOK_AGAIN_SECONDS),
    )
    audit_log.record(
        session,
        actor=actor,
        action="phone_number.purchase_begun",
        target_kind="number_purchase",
        target_id=purchase_id,
        after={"phone_number": last_four(phone_number), "account_sid": account_sid},
    )
    return await queries.get_purchase(session, purchase_id), True


async def settle_bought(session: TenantSession, purchase_id: UUID, info: NumberInfo, *, actor: Actor) -> NumberPurchase:
    """Twilio has sold the number: take it in. Settling twice changes nothing."""
    settings = await settings_queries.locked(session)
    purchase = await _locked(session, purchase_id)
    if purchase.status not in OPEN_PURCHASES:
        return purchase
    purchase.status, purchase.reason, purchase.updated_at = "bought", None, utc_now()
    if settings is None or settings.account_sid != info.account_sid:
        purchase.reason = _REPLACED
    else:
        number = await take_in_one(session, info)
        purchase.phone_number_id = None if number is None else number.id
        purchase.reason = _HELD_ELSEWHERE if number is None else None
    _note(session, purchase, actor, "phone_number.bought")
    await session.flush()
    return purchase


async def settle_refused(
    session: TenantSession, purchase_id: UUID, code: int | None, *, actor: Actor
) -> NumberPurchase:
    """Twilio has said no with one of its codes: nothing was bought."""
    explanation = explain(code)
    reason = f"{explanation.meaning} {explanation.fix}".strip()
    return await _settle(session, purchase_id, "refused", reason, actor=actor, code=code)


async def settle_not_bought(session: TenantSession, purchase_id: UUID, *, actor: Actor) -> NumberPurchase:
    """Twilio's answer was lost, and it does not list the number: nothing was bought."""
    reason = "Twilio did not answer, and the account does not have the number: it was not bought."
    return await _settle(session, purchase_id, "not_bought", reason, actor=actor)


async def settle_unconfirmed(session: TenantSession, purchase_id: UUID, *, actor: Actor) -> NumberPurchase:
    """Nobody could find out: a person has to look."""
    reason = "Nobody could find out whether it was bought. Look at Twilio before you buy it again."
    return await _settle(session, purchase_id, "unconfirmed", reason, actor=actor)


async def keep_open(session: TenantSession, purchase_id: UUID, *, look_again: bool) -> NumberPurchase:
    """The answer is not known yet; `look_again` enqueues the next look."""
    purchase = await _locked(session, purchase_id)
    if purchase.status in OPEN_PURCHASES:
        purchase.status, purchase.updated_at = "unknown", utc_now()
        purchase.reason = "Twilio did not answer; whether the number was bought is being found out."
        await session.flush()
        if look_again:
            again = utc_now() + timedelta(seconds=LOOK_AGAIN_SECONDS)
            await enqueue(session, SettlePurchase(purchase_id=purchase_id), run_at=again)
    return purchase


async def _settle(
    session: TenantSession, purchase_id: UUID, status: str, reason: str, *, actor: Actor, code: int | None = None
) -> NumberPurchase:
    purchase = await _locked(session, purchase_id)
    if purchase.status in OPEN_PURCHASES:
        purchase.status, purchase.reason, purchase.twilio_code = status, reason, code
        purchase.updated_at = utc_now()
        _note(session, purchase, actor, "phone_number.purchase_ended")
        await session.flush()
    return purchase


def _same(first: NumberPurchase, phone_number: str, friendly_name: str | None) -> NumberPurchase:
    if (first.phone_number, first.friendly_name) != (phone_number, friendly_name):
        raise KeyReusedError
    return first


async def _locked(session: TenantSession, purchase_id: UUID) -> NumberPurchase:
    return (
        await session.execute(
            select(NumberPurchase)
            .where(NumberPurchase.company_id == session.company_id, NumberPurchase.id == purchase_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).scalar_one()


def _note(session: TenantSession, purchase: NumberPurchase, actor: Actor, action: str) -> None:
    audit_log.record(
        session,
        actor=actor,
        action=action,
        target_kind="number_purchase",
        target_id=purchase.id,
        after={
            "phone_number": last_four(purchase.phone_number),
            "status": purchase.status,
            "twilio_code": purchase.twilio_code,
        },
    )
