"""Pointing the numbers' inbound texts and calls here, at Twilio."""

import asyncio
from collections.abc import Iterator, Sequence
from uuid import UUID

from ringfence.features.audit_log import actions as audit_log
from ringfence.features.audit_log.values import Actor
from ringfence.features.phone_numbers import queries
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.phone_numbers.values import Addresses, Listing, WebhookOutcome, last_four
from ringfence.features.twilio_settings import actions as settings_actions
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.features.twilio_settings.errors import NotConnectedError
from ringfence.kit.clock import monotonic_seconds, utc_now
from ringfence.providers.twilio.control import TwilioAccount
from ringfence.providers.twilio.errors import TwilioError, TwilioRefusedError
from ringfence.providers.twilio.records import NumberInfo
from ringfence.tenancy.sessions import TenantSession

# Well below the number of requests at which Twilio answers an account with 429.
_AT_ONCE = 8
_REASON_GONE = "Twilio no longer lists this number."


async def point_here(
    account: TwilioAccount,
    numbers: Sequence[PhoneNumber],
    listing: Listing,
    *,
    addresses: Addresses,
    deadline_seconds: float = 60.0,
) -> list[WebhookOutcome]:
    """Set the addresses for inbound texts and calls of numbers, several at once. Needs no session; call it outside one.

    Numbers that point here already are left alone. What is not begun within `deadline_seconds` is `not_tried`; each
    failure is reported with its number and stops none of the others.
    """
    at_twilio = {info.phone_number: info for info in listing.numbers}
    ends_at = monotonic_seconds() + deadline_seconds
    outcomes: list[WebhookOutcome] = []

    async def work(queue: Iterator[PhoneNumber]) -> None:
        for number in queue:
            info = at_twilio.get(number.phone_number)
            late = monotonic_seconds() >= ends_at
            outcomes.append(await _point(account, number.id, number.phone_number, info, addresses, late=late))

    queue = iter(numbers)
    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(work(queue))
    return sorted(outcomes, key=lambda outcome: outcome.phone_number)


async def _point(
    account: TwilioAccount,
    number_id: UUID,
    phone_number: str,
    info: NumberInfo | None,
    addresses: Addresses,
    *,
    late: bool,
) -> WebhookOutcome:
    if info is None:
        return WebhookOutcome(number_id, phone_number, "failed", _REASON_GONE)
    if addresses.are_those_of(info):
        return WebhookOutcome(number_id, phone_number, "already_set")
    if late:
        return WebhookOutcome(number_id, phone_number, "not_tried", "There was no time left; ask again.")
    try:
        await account.set_number_webhooks(
            info.sid,
            sms_url=addresses.inbound,
            voice_url=addresses.voice if info.voice else None,
            status_callback=addresses.call_status if info.voice else None,
        )
    except TwilioRefusedError as error:
        explanation = error.explanation
        return WebhookOutcome(number_id, phone_number, "failed", f"{explanation.meaning} {explanation.fix}".strip())
    except TwilioError as error:
        return WebhookOutcome(number_id, phone_number, "failed", f"{error}.")
    return WebhookOutcome(number_id, phone_number, "set")


async def store_webhooks(
    session: TenantSession, *, account_sid: str, outcomes: Sequence[WebhookOutcome], inbound_url: str, actor: Actor
) -> None:
    """Note which numbers' texts now come here; `webhooks_set_at` moves when all of them do.

    Raises NotConnectedError when the account was replaced or disconnected meanwhile.
    """
    settings = await settings_queries.locked(session)
    if settings is None or settings.account_sid != account_sid:
        raise NotConnectedError
    done = {outcome.phone_number_id for outcome in outcomes if outcome.points_here}
    for number in await queries.active(session):
        if number.id in done:
            number.sms_url = inbound_url
    if len(done) == len(outcomes):
        settings_actions.note_webhooks_set(settings, at=utc_now())
    audit_log.record(
        session,
        actor=actor,
        action="twilio_settings.webhooks_set",
        target_kind="twilio_settings",
        target_id=settings.id,
        after={
            "set": sum(outcome.result == "set" for outcome in outcomes),
            "already_set": sum(outcome.result == "already_set" for outcome in outcomes),
            "not_set": [last_four(outcome.phone_number) for outcome in outcomes if not outcome.points_here],
        },
    )
