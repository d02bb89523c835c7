"""`/webhooks/twilio/{path}/inbound` and `/status`: what Twilio tells us of texts, once its signature is proven.

The number must be the company's as well. An inbound text is durable before its 200.
"""

from typing import Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response

from ringfence.features.messages.actions.callback_intake import CallbackIntake
from ringfence.features.messages.actions.callbacks import Callback
from ringfence.features.messages.actions.dispatching import CODE_PURPOSE
from ringfence.features.messages.actions.merging import News
from ringfence.features.messages.actions.receiving import AfterReceiving, AlreadyStoredError, Inbound, receive
from ringfence.features.messages.queries.inbound import is_held_elsewhere, surroundings
from ringfence.features.messages.values import MOST_MEDIA
from ringfence.features.phone_numbers.actions import discover
from ringfence.features.phone_numbers.errors import NumberHeldElsewhereError
from ringfence.features.twilio_settings.errors import NotConnectedError, WebhookRefusedError
from ringfence.features.twilio_settings.values import StoredCredentials
from ringfence.features.twilio_settings.webhooks import (
    Form,
    check,
    company_of,
    compare,
    read_form,
    refuse,
    twiml,
)
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.kit.phone import e164_or_none
from ringfence.tenancy.sessions import Tenancy
from ringfence.web.metrics import CALLBACK_LAG
from ringfence.web.services import service

log = structlog.get_logger()

router = APIRouter(prefix="/webhooks/twilio", include_in_schema=False)

# A SID has 34 characters, a channel's address a few more. What is far longer fits into no index.
_LONGEST_NAME: Final = 200


class _UnheldNumberError(Exception):
    """A genuine webhook names a number that the company does not hold (yet)."""


@router.post("/{webhook_path}/inbound")
async def inbound(request: Request, webhook_path: str) -> Response:
    """A text from outside."""
    try:
        form = await read_form(request)
        company_id = await company_of(request, webhook_path)
        text = _inbound(form)
        try:
            await _store(request, company_id, webhook_path, form, text)
        except _UnheldNumberError:
            await _store_discovering(request, company_id, text)
    except AlreadyStoredError:
        pass
    except WebhookRefusedError as refusal:
        return refuse(refusal)
    return twiml()


@router.post("/{webhook_path}/status")
async def status(request: Request, webhook_path: str) -> Response:
    """News of a text that was sent; durable before its 200, together with what arrived at the same time."""
    try:
        form = await read_form(request)
        company_id = await company_of(request, webhook_path)

        def open_callback(credentials: StoredCredentials | None) -> Callback:
            compare(request, credentials, webhook_path, "status", form)
            return _callback(request, company_id, form)

        taken = await service(request, CallbackIntake).take_in(company_id, open_callback)
    except WebhookRefusedError as refusal:
        return refuse(refusal)
    if taken.started_at is not None:
        CALLBACK_LAG.observe((utc_now() - taken.started_at).total_seconds())
    if not taken.is_known:
        log.info("webhook.status.unknown")
    return twiml()


async def _store(request: Request, company_id: UUID, webhook_path: str, form: Form, text: Inbound) -> None:
    async with service(request, Tenancy).tenant(company_id) as session:
        await check(request, session, webhook_path, "inbound", form)
        if not text.twilio_sid or not text.to_number:
            raise WebhookRefusedError("malformed")
        _require_short(text.twilio_sid, text.from_number, text.to_number)
        found = await surroundings(
            session, from_number=text.from_number, to_number=text.to_number, twilio_sid=text.twilio_sid
        )
        if found.is_known:
            return
        if found.phone_number_id is None:
            raise _UnheldNumberError
        then = service(request, AfterReceiving)
        await receive(session, text, phone_number_id=found.phone_number_id, surroundings=found, then=then)


async def _store_discovering(request: Request, company_id: UUID, text: Inbound) -> None:
    """A number that nobody holds is the company's, since its own account says so; one held elsewhere is not."""
    tenancy = service(request, Tenancy)
    if e164_or_none(text.to_number) is None:
        raise WebhookRefusedError("number")
    async with tenancy.platform() as platform:
        if await is_held_elsewhere(platform, company_id=company_id, phone_number=text.to_number):
            raise WebhookRefusedError("number")
    async with tenancy.tenant(company_id) as session:
        try:
            number = await discover(session, account_sid=text.account_sid, phone_number=text.to_number)
        except (NumberHeldElsewhereError, NotConnectedError):
            raise WebhookRefusedError("number") from None
        found = await surroundings(
            session, from_number=text.from_number, to_number=text.to_number, twilio_sid=text.twilio_sid
        )
        if not found.is_known:
            then = service(request, AfterReceiving)
            await receive(session, text, phone_number_id=number.id, surroundings=found, then=then)


def _callback(request: Request, company_id: UUID, form: Form) -> Callback:
    sid, word = form.get("MessageSid", "SmsSid"), form.get("MessageStatus", "SmsStatus")
    if not sid or not word:
        raise WebhookRefusedError("malformed")
    _require_short(sid, word)
    message_id, attempt = _named_text(request, company_id)
    news = News(
        sid=sid,
        account_sid=form.get("AccountSid"),
        status=word,
        error_code=form.whole_number("ErrorCode"),
        via="callback",
        attempt=attempt,
    )
    return Callback(message_id, news, form.values)


def _named_text(request: Request, company_id: UUID) -> tuple[UUID | None, int | None]:
    """The text and attempt that our own callback address names; its code must be ours, for this company."""
    query = request.query_params
    message_id, attempt, code = query.get("message_id"), query.get("attempt"), query.get("code")
    if message_id is None and attempt is None and code is None:
        return None, None
    parts = (CODE_PURPOSE, str(company_id), message_id or "", attempt or "")
    if not service(request, Keyring).verify(code or "", *parts):
        raise WebhookRefusedError("code")
    return UUID(message_id), int(attempt or "")


def _require_short(*names: str) -> None:
    if any(len(name) > _LONGEST_NAME for name in names):
        raise WebhookRefusedError("malformed")


def _inbound(form: Form) -> Inbound:
    values = form.values
    media = [
        (values[f"MediaUrl{index}"], values.get(f"MediaContentType{index}") or None)
        for index in range(MOST_MEDIA)
        if values.get(f"MediaUrl{index}")
    ]
    return Inbound(
        twilio_sid=form.get("MessageSid", "SmsMessageSid", "SmsSid"),
        account_sid=form.get("AccountSid"),
        from_number=form.get("From"),
        to_number=form.get("To"),
        body=values.get("Body", ""),
        media=tuple(media),
        num_segments=form.whole_number("NumSegments"),
        opt_out_type=form.get("OptOutType") or None,
        parameters={name: value for name, value in values.items() if name != "Body"},
    )
