"""Requests and answers about connecting an account and about its numbers."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, SecretStr, StringConstraints

from ringfence.features.phone_numbers.model import NumberPurchase, PhoneNumber
from ringfence.features.phone_numbers.values import (
    FASTEST_RATE,
    MOST_PRIORITY,
    SLOWEST_RATE,
    Intake,
    PlaceOfNumber,
    WebhookOutcome,
    text_address,
)
from ringfence.features.twilio_settings.schemas import ConnectedAnswer
from ringfence.kit.money import Money
from ringfence.providers.twilio.records import NumberInfo, OfferInfo
from ringfence.web.schemas import Answer, Body

_AUTH_TOKEN = re.compile(r"[A-Za-z0-9]{32,64}")


def _lower_hex(account_sid: str) -> str:
    # One account has one spelling here, or two companies could each hold "their own" of one number.
    return account_sid[:2] + account_sid[2:].lower()


def _token_shape(token: SecretStr) -> SecretStr:
    if not _AUTH_TOKEN.fullmatch(token.get_secret_value()):
        raise ValueError("an auth token is 32 letters and digits; an API key or its secret does not work here")
    return token


AccountSid = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^AC[0-9a-fA-F]{32}$"),
    AfterValidator(_lower_hex),
    Field(description="Account SID of the account or subaccount: AC and 32 hexadecimal digits."),
]
AuthToken = Annotated[
    SecretStr, AfterValidator(_token_shape), Field(description="The account's own auth token. Never returned.")
]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class ConnectBody(Body):
    """Connect a Twilio account."""

    account_sid: AccountSid
    auth_token: AuthToken
    friendly_name: Name | None = Field(default=None, description="Your name for the account; by default Twilio's.")
    set_webhooks: bool = Field(default=False, description="Also point the inbound texts of all active numbers here.")


class ReplaceBody(Body):
    """Replace the credentials or the name. The token may be left out if the account stays the same."""

    account_sid: AccountSid
    auth_token: AuthToken | None = None
    friendly_name: Name | None = Field(default=None, description="Left out: the name stays.")
    set_webhooks: bool = Field(default=False, description="Also point the inbound texts of all active numbers here.")


class IntakeAnswer(Answer):
    """What storing Twilio's list of numbers did."""

    listed: int
    added: int
    returned: int
    released: int


class WebhookOutcomeAnswer(Answer):
    """What became of one number's address for inbound texts: set, already_set, failed or not_tried."""

    phone_number_id: UUID
    phone_number: str
    result: str
    reason: str | None


class ConnectAnswer(ConnectedAnswer):
    """The connection as it now is, what happened to the numbers, and to their webhooks if that was asked for."""

    phone_numbers: IntakeAnswer
    webhook_outcomes: list[WebhookOutcomeAnswer] | None

    @classmethod
    def made(cls, settings: ConnectedAnswer, intake: Intake, outcomes: list[WebhookOutcome] | None) -> Self:
        """Put the parts together."""
        return cls(
            **settings.model_dump(),
            phone_numbers=IntakeAnswer.of(intake),
            webhook_outcomes=None if outcomes is None else [WebhookOutcomeAnswer.of(outcome) for outcome in outcomes],
        )


class WebhooksAnswer(BaseModel):
    """What became of pointing the numbers here; `webhooks_set_at` is when all of them last did."""

    webhooks_set_at: datetime | None
    webhook_outcomes: list[WebhookOutcomeAnswer]


class PhoneNumberAnswer(Answer):
    """One number of the company. `receives_here`: whether its inbound texts come here, as of the last sync."""

    id: UUID
    phone_number: str
    friendly_name: str
    country: str | None
    sms: bool
    mms: bool
    voice: bool
    status: str
    is_default: bool
    rotation_enabled: bool
    rotation_priority: int = Field(description="Lower goes first.")
    segments_per_second: float
    receives_here: bool
    discovered: bool = Field(description="First seen by a text that came in, before any sync had listed it.")
    last_used_at: datetime | None
    synced_at: datetime | None
    released_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def about(cls, number: PhoneNumber, inbound_url: str | None) -> Self:
        """The answer for a stored number; `inbound_url` is the connection's address, None when disconnected."""
        columns = {name: getattr(number, name) for name in cls.model_fields if name != "receives_here"}
        here = number.released_at is None and inbound_url is not None and number.sms_url == inbound_url
        return cls(**columns, receives_here=here)


class NumberChange(Body):
    """What to change of a number; what is left out (or null) stays."""

    status: Literal["active", "inactive"] | None = None
    rotation_enabled: bool | None = None
    rotation_priority: Annotated[int, Field(ge=1, le=MOST_PRIORITY)] | None = None
    is_default: Literal[True] | None = Field(
        default=None, description="Makes this the default; to take the flag away, make another number the default."
    )
    segments_per_second: (
        Annotated[Decimal, Field(ge=SLOWEST_RATE, le=FASTEST_RATE, max_digits=6, decimal_places=3)] | None
    ) = None
    friendly_name: Name | None = None

    def changes(self) -> dict[str, object]:
        """Column → new value."""
        return self.model_dump(exclude_none=True)


class NumberAtTwilioAnswer(Answer):
    """One number as Twilio lists it right now, and where it stands: here, new, or held_elsewhere."""

    phone_number: str
    twilio_sid: str
    friendly_name: str
    sms: bool
    mms: bool
    voice: bool
    place: str
    phone_number_id: UUID | None = Field(description="The number's id here; null unless it is here.")
    receives_here: bool

    @classmethod
    def about(cls, info: NumberInfo, number_id: UUID | None, *, held_elsewhere: bool, inbound_url: str) -> Self:
        """The answer for a listed number."""
        place: PlaceOfNumber = "here" if number_id else "held_elsewhere" if held_elsewhere else "new"
        return cls(
            phone_number=info.phone_number,
            twilio_sid=info.sid,
            friendly_name=info.friendly_name or info.phone_number,
            sms=info.sms,
            mms=info.mms,
            voice=info.voice,
            place=place,
            phone_number_id=number_id,
            receives_here=text_address(info) == inbound_url,
        )


class NumbersAtTwilioAnswer(BaseModel):
    """All numbers of the account, as Twilio lists them right now."""

    items: list[NumberAtTwilioAnswer]


class NumbersSyncStatus(Answer):
    """How the numbers stand; `last_synced_at` is when the newest list that is stored was asked for."""

    last_synced_at: datetime | None
    active: int
    inactive: int
    released: int


class MoneyAnswer(Answer):
    """An amount of money in millionths of one unit of its currency (ISO 4217)."""

    micros: int
    currency: str


class OfferAnswer(Answer):
    """A number for sale. `address_requirements`: none, any, local or foreign; more than none is settled at Twilio."""

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


class OffersAnswer(Answer):
    """Numbers for sale just now; none is kept for anybody. `monthly_price` is null where Twilio names none."""

    items: list[OfferAnswer]
    monthly_price: MoneyAnswer | None

    @classmethod
    def made_of(cls, offers: list[OfferInfo], price: Money | None) -> Self:
        """Put the parts together."""
        return cls(
            items=[OfferAnswer.of(offer) for offer in offers],
            monthly_price=None if price is None else MoneyAnswer.of(price),
        )


class BuyBody(Body):
    """The number to buy, as a search gave it."""

    phone_number: Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")] = Field(
        description="E.164, as in the search's answer."
    )
    friendly_name: Name | None = Field(default=None, description="Your name for it, here and at Twilio.")


class PurchaseAnswer(Answer):
    """What became of a purchase: `bought`; `buying` or `unknown` while it is being found out; `refused`, `not_bought`;
    `unconfirmed` when nobody could find out.
    """

    id: UUID
    status: str
    phone_number: str
    friendly_name: str | None
    phone_number_id: UUID | None = Field(description="The number here, once it is bought.")
    twilio_code: int | None
    reason: str | None
    requested_by: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def about(cls, purchase: NumberPurchase) -> Self:
        """The answer for a stored purchase."""
        return cls.of(purchase)


class ReleaseBody(Body):
    """Giving a number back for good."""

    confirm: Annotated[str, StringConstraints(max_length=20)] = Field(description="The whole number, as it is shown.")
