"""The door that every webhook of Twilio comes through: texts and calls alike, under its connection's own signature.

The path leads to one connection; the signature must be that connection's; the AccountSid must be that connection's.
Whatever fails is answered the same empty 403. The answer to what is let in is TwiML, empty unless somebody is on the
telephone: Twilio would text any plain text back to the sender (https://www.twilio.com/docs/messaging/twiml).
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID

import structlog
from fastapi import Request, Response

from ringfence.features.twilio_settings.errors import WebhookRefusedError
from ringfence.features.twilio_settings.queries import credentials_for, find_connection
from ringfence.features.twilio_settings.values import StoredCredentials
from ringfence.kit.keyring import Keyring
from ringfence.kit.secret import token_hash
from ringfence.providers.twilio.gateway import TwilioGateway, WebhookKind
from ringfence.providers.twilio.signature import is_valid_signature
from ringfence.tenancy.sessions import Tenancy, TenantSession
from ringfence.web.metrics import WEBHOOK_REFUSALS
from ringfence.web.services import service

log = structlog.get_logger()

EMPTY_TWIML: Final = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'

_FORM: Final = "application/x-www-form-urlencoded"
_LARGEST_BODY_BYTES: Final = 256 * 1024
_MOST_FIELDS: Final = 500
_MOST_KNOWN_PATHS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Form:
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


async def read_form(request: Request) -> Form:
    """The fields of a webhook. Raises WebhookRefusedError for anything but a form of sane size."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise WebhookRefusedError("malformed")
    body = await request.body()
    if len(body) > _LARGEST_BODY_BYTES:
        raise WebhookRefusedError("malformed")
    try:
        text = body.decode("utf-8", "replace")
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise WebhookRefusedError("malformed") from None
    return Form(pairs, {_storable(name): _storable(value) for name, value in pairs})


async def company_of(request: Request, webhook_path: str) -> UUID:
    """Whose path it is. What is remembered is only where to look: `check` compares with the company's own row.

    Raises WebhookRefusedError.
    """
    known, key = _known_paths(request), token_hash(webhook_path)
    if key not in known:
        async with service(request, Tenancy).platform() as platform:
            connection = await find_connection(platform, webhook_path)
        if connection is None:
            raise WebhookRefusedError("unknown_path")
        known[key] = connection.company_id
        if len(known) > _MOST_KNOWN_PATHS:
            known.popitem(last=False)
    return known[key]


async def check(request: Request, session: TenantSession, webhook_path: str, kind: WebhookKind, form: Form) -> None:
    """Raise WebhookRefusedError unless this connection's account signed exactly this and speaks for itself."""
    compare(request, await credentials_for(session, service(request, Keyring)), webhook_path, kind, form)


def compare(
    request: Request, credentials: StoredCredentials | None, webhook_path: str, kind: WebhookKind, form: Form
) -> None:
    """What `check` does, with the company's credentials as they stand in the transaction that will believe the form."""
    if credentials is None or credentials.webhook_path != webhook_path:
        raise WebhookRefusedError("unknown_path")
    query = request.scope["query_string"].decode("latin-1")
    url = service(request, TwilioGateway).webhook_url(webhook_path, kind) + (f"?{query}" if query else "")
    signature = request.headers.get("x-twilio-signature")
    if not is_valid_signature(token=credentials.auth_token, url=url, params=form.pairs, header=signature):
        raise WebhookRefusedError("signature")
    if form.values.get("AccountSid") != credentials.account_sid:
        raise WebhookRefusedError("account")


def refuse(refusal: WebhookRefusedError) -> Response:
    """The one answer to everything that is not let in."""
    WEBHOOK_REFUSALS.labels(refusal.reason).inc()
    log.warning("webhook.refused", reason=refusal.reason)
    return Response(status_code=403)


def twiml(content: bytes = EMPTY_TWIML) -> Response:
    """An answer that Twilio acts on."""
    return Response(content, media_type="text/xml")


def _known_paths(request: Request) -> OrderedDict[bytes, UUID]:
    state = request.app.state
    if not hasattr(state, "webhook_paths"):
        state.webhook_paths = OrderedDict[bytes, UUID]()
    return state.webhook_paths


def _storable(text: str) -> str:
    """PostgreSQL's text holds everything but NUL."""
    return text.replace("\x00", "\ufffd")
