"""`/webhooks/twilio/{path}/…`: what Twilio tells us, let in only under its connection's own signature.

The path leads to one connection; the signature must be that connection's; the AccountSid must be that connection's; and
the number must be that company's. Whatever fails is answered the same empty 403. An inbound text is durable before its
200, and every answer to it is empty TwiML: Twilio would text any plain text back to the sender
(https://www.twilio.com/docs/messaging/twiml).
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response

from ringfence.features.messages.actions.callbacks import take_in_status
from ringfence.features.messages.actions.dispatching import CODE_PURPOSE
from ringfence.features.messages.actions.merging import News
from ringfence.features.messages.actions.receiving import AfterReceiving, AlreadyStoredError, Inbound, receive
from ringfence.features.messages.queries.inbound import is_held_elsewhere, surroundings
from ringfence.features.messages.values import MOST_MEDIA
from ringfence.features.phone_numbers.actions import discover
from ringfence.features.phone_numbers.errors import NumberHeldElsewhereError
from ringfence.features.twilio_settings.errors import NotConnectedError
from ringfence.features.twilio_settings.queries import credentials_for, find_connection
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.kit.phone import e164_or_none
from ringfence.kit.secret import token_hash
from ringfence.providers.twilio.gateway import TwilioGateway, WebhookKind
from ringfence.providers.twilio.signature import is_valid_signature
from ringfence.tenancy.sessions import Tenancy, TenantSession
from ringfence.web.metrics import CALLBACK_LAG, WEBHOOK_REFUSALS
from ringfence.web.services import service

log = structlog.get_logger()

router = APIRouter(prefix="/webhooks/twilio", include_in_schema=False)

_FORM: Final = "application/x-www-form-urlencoded"
_LARGEST_BODY_BYTES: Final = 256 * 1024
_MOST_FIELDS: Final = 500
_MOST_KNOWN_PATHS: Final = 10_000
_EMPTY_TWIML: Final = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'


class _RefusedError(Exception):
    """The webhook is not let in; `reason` is counted and never told."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _UnheldNumberError(Exception):
    """A genuine webhook names a number that the company does not hold (yet)."""


@dataclass(frozen=True, slots=True)
class _Form:
    """The decoded fields as they were signed, and by name as they can be stored."""

    pairs: Sequence[tuple[str, str]] = field(repr=False)
    values: Mapping[str, str] = field(repr=False)

    def get(self, *names: str) -> str:
        """The first of these fields that is not empty, or nothing."""
        return next((self.values[name] for name in names if self.values.get(name)), "")

    def whole_number(self, name: str) -> int | None:
        """A field of digits; None for anything else."""
        text = self.values.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


@router.post("/{webhook_path}/inbound")
async def inbound(request: Request, webhook_path: str) -> Response:
    """A text from outside."""
    try:
        form = await _read_form(request)
        company_id = await _company_of(request, webhook_path)
        text = _inbound(form)
        try:
            await _store(request, company_id, webhook_path, form, text)
        except _UnheldNumberError:
            await _store_discovering(request, company_id, text)
    except AlreadyStoredError:
        pass
    except _RefusedError as refusal:
        return _refuse(refusal)
    return _empty_twiml()


@router.post("/{webhook_path}/status")
async def status(request: Request, webhook_path: str) -> Response:
    """News of a text that was sent."""
    try:
        form = await _read_form(request)
        company_id = await _company_of(request, webhook_path)
        async with service(request, Tenancy).tenant(company_id) as session:
            await _check(request, session, webhook_path, "status", form)
            await _take_in(request, session, form)
    except _RefusedError as refusal:
        return _refuse(refusal)
    return _empty_twiml()


async def _store(request: Request, company_id: UUID, webhook_path: str, form: _Form, text: Inbound) -> None:
    async with service(request, Tenancy).tenant(company_id) as session:
        await _check(request, session, webhook_path, "inbound", form)
        if not text.twilio_sid or not text.to_number:
            raise _RefusedError("malformed")
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
        raise _RefusedError("number")
    async with tenancy.platform() as platform:
        if await is_held_elsewhere(platform, company_id=company_id, phone_number=text.to_number):
            raise _RefusedError("number")
    async with tenancy.tenant(company_id) as session:
        try:
            number = await discover(session, account_sid=text.account_sid, phone_number=text.to_number)
        except (NumberHeldElsewhereError, NotConnectedError):
            raise _RefusedError("number") from None
        found = await surroundings(
            session, from_number=text.from_number, to_number=text.to_number, twilio_sid=text.twilio_sid
        )
        if not found.is_known:
            then = service(request, AfterReceiving)
            await receive(session, text, phone_number_id=number.id, surroundings=found, then=then)


async def _take_in(request: Request, session: TenantSession, form: _Form) -> None:
    sid, word = form.get("MessageSid", "SmsSid"), form.get("MessageStatus", "SmsStatus")
    if not sid or not word:
        raise _RefusedError("malformed")
    message_id, attempt = _named_text(request, session.company_id)
    taken = await take_in_status(
        session,
        message_id=message_id,
        news=News(
            sid=sid,
            account_sid=form.get("AccountSid"),
            status=word,
            error_code=form.whole_number("ErrorCode"),
            via="callback",
            attempt=attempt,
        ),
        parameters=form.values,
    )
    if taken.started_at is not None:
        CALLBACK_LAG.observe((utc_now() - taken.started_at).total_seconds())
    if not taken.is_known:
        log.info("webhook.status.unknown")


def _named_text(request: Request, company_id: UUID) -> tuple[UUID | None, int | None]:
    """The text and attempt that our own callback address names; its code must be ours, for this company."""
    query = request.query_params
    message_id, attempt, code = query.get("message_id"), query.get("attempt"), query.get("code")
    if message_id is None and attempt is None and code is None:
        return None, None
    parts = (CODE_PURPOSE, str(company_id), message_id or "", attempt or "")
    if not service(request, Keyring).verify(code or "", *parts):
        raise _RefusedError("code")
    return UUID(message_id), int(attempt or "")


async def _read_form(request: Request) -> _Form:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise _RefusedError("malformed")
    body = await request.body()
    if len(body) > _LARGEST_BODY_BYTES:
        raise _RefusedError("malformed")
    try:
        text = body.decode("utf-8", "replace")
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise _RefusedError("malformed") from None
    return _Form(pairs, {_storable(name): _storable(value) for name, value in pairs})


async def _company_of(request: Request, webhook_path: str) -> UUID:
    """Whose path it is. What is remembered is only where to look: `_check` compares with the company's own row."""
    known, key = _known_paths(request), token_hash(webhook_path)
    if key not in known:
        async with service(request, Tenancy).platform() as platform:
            connection = await find_connection(platform, webhook_path)
        if connection is None:
            raise _RefusedError("unknown_path")
        known[key] = connection.company_id
        if len(known) > _MOST_KNOWN_PATHS:
            known.popitem(last=False)
    return known[key]


def _known_paths(request: Request) -> OrderedDict[bytes, UUID]:
    state = request.app.state
    if not hasattr(state, "webhook_paths"):
        state.webhook_paths = OrderedDict[bytes, UUID]()
    return state.webhook_paths


async def _check(request: Request, session: TenantSession, webhook_path: str, kind: WebhookKind, form: _Form) -> None:
    """Raise unless this connection's account signed exactly this request and speaks for itself."""
    credentials = await credentials_for(session, service(request, Keyring))
    if credentials is None or credentials.webhook_path != webhook_path:
        raise _RefusedError("unknown_path")
    query = request.scope["query_string"].decode("latin-1")
    url = service(request, TwilioGateway).webhook_url(webhook_path, kind) + (f"?{query}" if query else "")
    signature = request.headers.get("x-twilio-signature")
    if not is_valid_signature(token=credentials.auth_token, url=url, params=form.pairs, header=signature):
        raise _RefusedError("signature")
    if form.values.get("AccountSid") != credentials.account_sid:
        raise _RefusedError("account")


def _inbound(form: _Form) -> Inbound:
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


def _storable(text: str) -> str:
    """PostgreSQL's text holds everything but NUL."""
    return text.replace("\x00", "\ufffd")


def _refuse(refusal: _RefusedError) -> Response:
    WEBHOOK_REFUSALS.labels(refusal.reason).inc()
    log.warning("webhook.refused", reason=refusal.reason)
    return Response(status_code=403)


def _empty_twiml() -> Response:
    return Response(_EMPTY_TWIML, media_type="text/xml")
