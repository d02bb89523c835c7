"""What Twilio says about accounts, numbers and messages, as frozen records with aware UTC times."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ringfence.kit.clock import utc_now
from ringfence.kit.money import Money, parse_money
from ringfence.providers.twilio.answers import whole_number
from ringfence.providers.twilio.errors import TwilioUnreachableError

_ACCOUNT_SID: Final = re.compile(r"AC[0-9a-fA-F]{32}")
_USER_SID: Final = re.compile(r"(?:AC|SK)[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class TwilioCredentials:
    """One account's way in: `auth_user` is the account SID (secret: the auth token) or an API key's SID.

    Raises ValueError for SIDs of another shape or an empty secret: they are part of every address.
    """

    account_sid: str
    auth_user: str
    auth_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _ACCOUNT_SID.fullmatch(self.account_sid):
            raise ValueError("an account SID is AC and 32 hexadecimal digits")
        if not _USER_SID.fullmatch(self.auth_user):
            raise ValueError("credentials belong to an account SID (AC...) or an API key SID (SK...)")
        if not self.auth_secret:
            raise ValueError("the auth token or key secret is empty")


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """`status` is active, suspended or closed; `type` is Trial or Full; `owner_sid` the parent (or itself)."""

    sid: str
    friendly_name: str
    status: str
    type: str
    owner_sid: str


@dataclass(frozen=True, slots=True)
class NumberInfo:
    """A phone number of the account. Addresses that are not set are None."""

    sid: str
    account_sid: str
    phone_number: str = field(repr=False)
    friendly_name: str = field(repr=False)
    sms: bool
    mms: bool
    voice: bool
    sms_url: str | None = field(repr=False)
    sms_method: str | None
    sms_fallback_url: str | None = field(repr=False)
    sms_application_sid: str | None
    voice_url: str | None = field(repr=False)
    status: str | None
    voice_method: str | None = None
    voice_application_sid: str | None = None
    status_callback: str | None = field(default=None, repr=False)
    trunk_sid: str | None = None


@dataclass(frozen=True, slots=True)
class OfferInfo:
    """A number for sale. `address_requirements` is none, any, local or foreign."""

    phone_number: str
    friendly_name: str
    country: str
    locality: str | None
    region: str | None
    postal_code: str | None
    sms: bool
    mms: bool
    voice: bool
    address_requirements: str
    beta: bool


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """A messaging service: where texts to its numbers go, unless it leaves that to each number."""

    sid: str
    friendly_name: str
    inbound_url: str | None = field(repr=False)
    number_decides: bool


@dataclass(frozen=True, slots=True)
class MessageInfo:
    """A text as Twilio has it. `price` is negative for a charge, None until it is settled; counts may be None.

    `from_number` is None while a messaging service has not chosen; the body may be redacted, shortened or
    have a trial account's notice in front.
    """

    sid: str
    account_sid: str
    direction: str
    status: str
    to: str = field(repr=False)
    from_number: str | None = field(repr=False)
    body: str = field(repr=False)
    num_segments: int | None
    num_media: int | None
    error_code: int | None
    price: Money | None
    messaging_service_sid: str | None
    created_at: datetime
    sent_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class CallInfo:
    """One leg of a call as Twilio has it. `duration_seconds` is None while it lasts, `parent_sid` for a first leg.

    `price` is negative for a charge, None until it is settled.
    """

    sid: str
    account_sid: str
    parent_sid: str | None
    direction: str
    status: str
    to: str = field(repr=False)
    from_number: str = field(repr=False)
    duration_seconds: int | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    price: Money | None = None


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """The sound of a call as Twilio has it. `source` says what made it (`RecordVerb` is a message that was left)."""

    sid: str
    account_sid: str
    call_sid: str
    status: str
    source: str
    duration_seconds: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """An attachment of a text: where it is, and what kind of file."""

    url: str = field(repr=False)
    content_type: str | None


def account_info(instance: Any) -> AccountInfo:
    """From the SDK's account."""
    return AccountInfo(
        sid=_text(instance.sid),
        friendly_name=_text(instance.friendly_name or ""),
        status=_text(instance.status),
        type=_text(instance.type or ""),
        owner_sid=_text(instance.owner_account_sid or instance.sid),
    )


def number_info(instance: Any) -> NumberInfo:
    """From the SDK's incoming phone number."""
    capabilities = instance.capabilities
    if not isinstance(capabilities, dict):
        raise TwilioUnreachableError("bad_answer")
    # The description of the API and its examples differ in the case of these names.
    able = {str(name).lower() for name, value in capabilities.items() if value is True}
    return NumberInfo(
        sid=_text(instance.sid),
        account_sid=_text(instance.account_sid),
        phone_number=_text(instance.phone_number),
        friendly_name=_text(instance.friendly_name or ""),
        sms="sms" in able,
        mms="mms" in able,
        voice="voice" in able,
        sms_url=_text_or_none(instance.sms_url),
        sms_method=_text_or_none(instance.sms_method),
        sms_fallback_url=_text_or_none(instance.sms_fallback_url),
        sms_application_sid=_text_or_none(instance.sms_application_sid),
        voice_url=_text_or_none(instance.voice_url),
        voice_method=_text_or_none(instance.voice_method),
        voice_application_sid=_text_or_none(instance.voice_application_sid),
        status_callback=_text_or_none(instance.status_callback),
        status=_text_or_none(instance.status),
        trunk_sid=_text_or_none(instance.trunk_sid),
    )


def offer_info(instance: Any) -> OfferInfo:
    """From the SDK's number for sale. Capabilities may be spelled in capitals."""
    able = {name.lower() for name, can in (instance.capabilities or {}).items() if can}
    return OfferInfo(
        phone_number=_text(instance.phone_number),
        friendly_name=_text(instance.friendly_name or instance.phone_number),
        country=_text(instance.iso_country),
        locality=_text_or_none(instance.locality),
        region=_text_or_none(instance.region),
        postal_code=_text_or_none(instance.postal_code),
        sms="sms" in able,
        mms="mms" in able,
        voice="voice" in able,
        address_requirements=_text(instance.address_requirements or "none"),
        beta=bool(instance.beta),
    )


def service_info(instance: Any) -> ServiceInfo:
    """From the SDK's messaging service."""
    return ServiceInfo(
        sid=_text(instance.sid),
        friendly_name=_text(instance.friendly_name or ""),
        inbound_url=_text_or_none(instance.inbound_request_url),
        number_decides=bool(instance.use_inbound_webhook_on_number),
    )


def message_info(instance: Any) -> MessageInfo:
    """From the SDK's message."""
    return MessageInfo(
        sid=_text(instance.sid),
        account_sid=_text(instance.account_sid),
        direction=_text(instance.direction),
        status=_text(instance.status),
        to=_text(instance.to or ""),
        from_number=_text_or_none(instance.from_),
        body=_text(instance.body or ""),
        num_segments=whole_number(instance.num_segments),
        num_media=whole_number(instance.num_media),
        error_code=whole_number(instance.error_code),
        price=_price(instance.price, instance.price_unit),
        messaging_service_sid=_text_or_none(instance.messaging_service_sid),
        created_at=_moment(instance.date_created),
        sent_at=_moment(instance.date_sent) if instance.date_sent else None,
        updated_at=_moment(instance.date_updated) if instance.date_updated else None,
    )


def call_info(instance: Any) -> CallInfo:
    """From the SDK's call. One that waits in the queue has no date of creation in some answers: then it is now."""
    return CallInfo(
        sid=_text(instance.sid),
        account_sid=_text(instance.account_sid),
        parent_sid=_text_or_none(instance.parent_call_sid),
        direction=_text(instance.direction or ""),
        status=_text(instance.status),
        to=_text(instance.to or ""),
        from_number=_text(instance._from or ""),
        duration_seconds=whole_number(instance.duration),
        created_at=_moment(instance.date_created) if instance.date_created else utc_now(),
        started_at=_moment(instance.start_time) if instance.start_time else None,
        ended_at=_moment(instance.end_time) if instance.end_time else None,
        price=_price(instance.price, instance.price_unit),
    )


def recording_info(instance: Any) -> RecordingInfo:
    """From the SDK's recording."""
    return RecordingInfo(
        sid=_text(instance.sid),
        account_sid=_text(instance.account_sid),
        call_sid=_text(instance.call_sid or ""),
        status=_text(instance.status or ""),
        source=_text(instance.source or ""),
        duration_seconds=whole_number(instance.duration),
        created_at=_moment(instance.date_created),
    )


def media_info(instance: Any, base_url: str) -> MediaInfo:
    """From the SDK's media; the file is at the address without `.json`."""
    return MediaInfo(
        url=base_url + _text(instance.uri).removesuffix(".json"), content_type=_text_or_none(instance.content_type)
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TwilioUnreachableError("bad_answer")
    return value


def _text_or_none(value: object) -> str | None:
    """Twilio writes an unset field as null or as an empty string."""
    return _text(value) if value else None


def _moment(value: object) -> datetime:
    # The SDK gives None for a date it cannot read.
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise TwilioUnreachableError("bad_answer")
    return value


def _price(amount: object, currency: object) -> Money | None:
    """A price that cannot be read is one that is not settled: it never costs the rest of the record."""
    try:
        return parse_money(amount, currency) if isinstance(amount, str) and isinstance(currency, str) else None
    except ValueError:
        return None
