"""`/webhooks/twilio/{path}/voice…`: what Twilio asks and tells us of calls, through the same door as texts.

Every address that names a call carries a code of ours, bound to the company, the call and the kind of address. What is
told twice, or out of order, changes nothing that is right already; what is asked twice is answered the same.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response

from ringfence.features.calls import queries
from ringfence.features.calls.actions import answering, legs, recordings
from ringfence.features.calls.actions.addresses import CallAddresses, ForgedAddressError, Named
from ringfence.features.calls.model import Call
from ringfence.features.calls.values.states import News
from ringfence.features.messages.queries.inbound import is_held_elsewhere
from ringfence.features.phone_numbers import queries as phone_numbers
from ringfence.features.phone_numbers.actions import discover
from ringfence.features.phone_numbers.errors import NumberHeldElsewhereError
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.twilio_settings.errors import NotConnectedError, WebhookRefusedError
from ringfence.features.twilio_settings.webhooks import (
    EMPTY_TWIML,
    Form,
    check,
    company_of,
    read_form,
    refuse,
    twiml,
)
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.kit.phone import e164_or_none
from ringfence.providers.twilio.gateway import TwilioGateway, WebhookKind
from ringfence.tenancy.sessions import Tenancy, TenantSession
from ringfence.web.services import service

router = APIRouter(prefix="/webhooks/twilio", include_in_schema=False)

_RecordingState = Literal["processing", "complete", "lost"]
_RECORDING_STATES: Mapping[str, _RecordingState] = {"completed": "complete", "absent": "lost", "failed": "lost"}
_GONE = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})


@router.post("/{webhook_path}/voice")
async def voice(request: Request, webhook_path: str) -> Response:
    """Somebody calls one of the company's numbers: whom to ring."""
    try:
        form = await read_form(request)
        company_id = await company_of(request, webhook_path)
        addresses = _addresses(request, company_id, webhook_path)
        async with service(request, Tenancy).tenant(company_id) as session:
            await check(request, session, webhook_path, "voice", form)
            number = await phone_numbers.held(session, form.get("To"))
            if number is not None:
                return twiml(await _ring(session, form, number, addresses))
        return twiml(await _ring_discovering(request, company_id, form, addresses))
    except WebhookRefusedError as refusal:
        return refuse(refusal)


@router.post("/{webhook_path}/voice/connect")
async def connect(request: Request, webhook_path: str) -> Response:
    """The user of a call of ours has picked up: whom to connect."""
    return await _about_call(request, webhook_path, "voice/connect", _connect)


@router.post("/{webhook_path}/voice/after-dial")
async def after_dial(request: Request, webhook_path: str) -> Response:
    """A dialled telephone was not answered, or the talk is over: what now."""
    return await _about_call(request, webhook_path, "voice/after-dial", _after_dial)


@router.post("/{webhook_path}/voicemail")
async def voicemail(request: Request, webhook_path: str) -> Response:
    """A message was left."""
    return await _about_call(request, webhook_path, "voicemail", _voicemail)


@router.post("/{webhook_path}/recording")
async def recording(request: Request, webhook_path: str) -> Response:
    """A recording is complete."""
    return await _about_call(request, webhook_path, "recording", _recording)


@router.post("/{webhook_path}/call-status")
async def call_status(request: Request, webhook_path: str) -> Response:
    """How a leg goes on. A number's own address names no call: then the SID must be known."""
    return await _about_call(request, webhook_path, "call-status", _call_status)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One genuine request about a call, which is locked."""

    session: TenantSession
    call: Call
    leg_id: UUID | None
    form: Form
    addresses: CallAddresses


_Work = Callable[[_Asked], Awaitable[bytes]]


async def _about_call(request: Request, webhook_path: str, kind: WebhookKind, work: _Work) -> Response:
    try:
        form = await read_form(request)
        company_id = await company_of(request, webhook_path)
        addresses = _addresses(request, company_id, webhook_path)
        async with service(request, Tenancy).tenant(company_id) as session:
            await check(request, session, webhook_path, kind, form)
            try:
                named = addresses.read(kind, request.query_params)
            except ForgedAddressError:
                raise WebhookRefusedError("code") from None
            if named is None:
                named = await _by_sid(session, kind, form)
            call = await legs.locked(session, named.call_id) if named else None
            if named is None or call is None:
                # Genuine, but of no call that is stored: a call that was made elsewhere with this account.
                return twiml()
            return twiml(await work(_Asked(session, call, named.leg_id, form, addresses)))
    except WebhookRefusedError as refusal:
        return refuse(refusal)


async def _by_sid(session: TenantSession, kind: WebhookKind, form: Form) -> Named | None:
    if kind != "call-status":
        raise WebhookRefusedError("code")
    leg = await queries.find_leg(session, form.get("CallSid"))
    return None if leg is None else Named(leg.call_id, leg.id)


async def _ring(session: TenantSession, form: Form, number: PhoneNumber, addresses: CallAddresses) -> bytes:
    if not form.get("CallSid"):
        raise WebhookRefusedError("malformed")
    call = await answering.receive(
        session,
        sid=form.get("CallSid"),
        account_sid=form.get("AccountSid"),
        from_number=form.get("From"),
        number=number,
    )
    if call.direction != "inbound":
        raise WebhookRefusedError("malformed")
    return await answering.ring_next(session, call, addresses, after=0)


async def _ring_discovering(request: Request, company_id: UUID, form: Form, addresses: CallAddresses) -> bytes:
    """A number that nobody holds is the company's, since its own account says so; one held elsewhere is not."""
    tenancy, to_number = service(request, Tenancy), form.get("To")
    if e164_or_none(to_number) is None:
        raise WebhookRefusedError("number")
    async with tenancy.platform() as platform:
        if await is_held_elsewhere(platform, company_id=company_id, phone_number=to_number):
            raise WebhookRefusedError("number")
    async with tenancy.tenant(company_id) as session:
        try:
            number = await discover(session, account_sid=form.get("AccountSid"), phone_number=to_number)
        except (NumberHeldElsewhereError, NotConnectedError):
            raise WebhookRefusedError("number") from None
        return await _ring(session, form, number, addresses)


async def _connect(asked: _Asked) -> bytes:
    sid = asked.form.get("CallSid")
    if not sid:
        raise WebhookRefusedError("malformed")
    return await answering.connect(asked.session, asked.call, asked.addresses, sid=sid)


async def _after_dial(asked: _Asked) -> bytes:
    form = asked.form
    if asked.leg_id is None:
        raise WebhookRefusedError("malformed")
    ended = {"answered": "completed"}.get(form.get("DialCallStatus"), form.get("DialCallStatus"))
    news = None
    if form.get("DialCallSid") and ended:
        seconds = form.whole_number("DialCallDuration")
        news = News(sid=form.get("DialCallSid"), status=ended, at=utc_now(), duration_seconds=seconds)
    return await answering.after_dial(
        asked.session,
        asked.call,
        asked.leg_id,
        asked.addresses,
        news=news,
        caller_is_there=form.get("CallStatus") not in _GONE,
    )


async def _voicemail(asked: _Asked) -> bytes:
    # Told here, and once more when it is complete: so that no lost callback loses a message.
    if asked.form.get("RecordingSid"):
        await _note_recording(asked, kind="voicemail", state="processing")
    return answering.goodbye()


async def _recording(asked: _Asked) -> bytes:
    if not asked.form.get("RecordingSid"):
        raise WebhookRefusedError("malformed")
    kind = "voicemail" if asked.form.get("RecordingSource") == "RecordVerb" else "call"
    await _note_recording(
        asked, kind=kind, state=_RECORDING_STATES.get(asked.form.get("RecordingStatus"), "processing")
    )
    return EMPTY_TWIML


async def _call_status(asked: _Asked) -> bytes:
    form = asked.form
    if not form.get("CallSid") or not form.get("CallStatus"):
        raise WebhookRefusedError("malformed")
    if asked.leg_id is not None:
        news = News(
            sid=form.get("CallSid"),
            status=form.get("CallStatus"),
            at=_instant(form.get("Timestamp")),
            sequence=form.whole_number("SequenceNumber"),
            duration_seconds=form.whole_number("CallDuration"),
        )
        await legs.hear(asked.session, asked.call, asked.leg_id, news)
    return EMPTY_TWIML


async def _note_recording(asked: _Asked, *, kind: str, state: _RecordingState) -> None:
    await recordings.take_in(
        asked.session,
        asked.call,
        sid=asked.form.get("RecordingSid"),
        account_sid=asked.form.get("AccountSid"),
        kind=kind,
        duration_seconds=asked.form.whole_number("RecordingDuration"),
        state=state,
    )


def _addresses(request: Request, company_id: UUID, webhook_path: str) -> CallAddresses:
    return CallAddresses(service(request, Keyring), service(request, TwilioGateway), company_id, webhook_path)


def _instant(text: str) -> datetime:
    """When it happened, as Twilio writes it (RFC 2822), never later than now; now if it does not say."""
    try:
        told = parsedate_to_datetime(text)
    except ValueError:
        return utc_now()
    return min(told if told.tzinfo is not None else told.replace(tzinfo=UTC), utc_now())
