"""Bodies and answers of bulk sends."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from ringfence.features.bulk.model.sends import BulkRecipient, BulkSend
from ringfence.features.bulk.values.sends import MOST_SENDERS, Count, Price
from ringfence.features.messages.model import Message
from ringfence.features.messages.schemas import Spelled
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.templates.schemas import TemplateBody, Variables
from ringfence.web.schemas import Answer, Body

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Percent = Annotated[int, Field(ge=0, le=100)]
Moment = Annotated[AwareDatetime | None, Field(description="When it starts by itself, with an offset such as -07:00.")]
Numbers = Annotated[list[Spelled], Field(max_length=MOST_SENDERS)]
Micros = Annotated[int, Field(ge=0, le=1_000_000_000_000)]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
WaitSeconds = Annotated[int, Field(ge=0, le=86_400, description="How long receipts of the first texts are waited for.")]


class BulkBody(Body):
    """A text to everybody on a list."""

    name: Name
    list_id: UUID
    body: TemplateBody = Field(default="", description="In the language of templates: `{order_number|}` is a field.")
    template_id: UUID | None = Field(default=None, description="A template to fill in, instead of a body.")
    variables: Variables = Field(default_factory=dict, description="For everybody whose row does not say otherwise.")
    from_numbers: Numbers = Field(
        default=[],
        description="The numbers it goes out from, in turns. Empty: those that take part in rotation.",
    )
    scheduled_at: Moment = None
    canary: bool = Field(
        default=True, description="Whether the first per cent (20 at least) goes alone, and is watched."
    )
    canary_wait_seconds: WaitSeconds = 300
    most_failed_percent: Percent = 10
    most_opt_out_percent: Percent = 5

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.template_id is None) != bool(self.body):
            raise ValueError("give body or template_id")
        return self


class BulkChange(Body):
    """Changes: fields that are left out stay. A new body takes a template's place, and the other way round."""

    name: Name | None = None
    list_id: UUID | None = None
    body: TemplateBody | None = None
    template_id: UUID | None = None
    variables: Variables | None = None
    from_numbers: Numbers | None = None
    scheduled_at: Moment = None
    canary: bool | None = None
    canary_wait_seconds: WaitSeconds | None = None
    most_failed_percent: Percent | None = None
    most_opt_out_percent: Percent | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.template_id is not None and self.body is not None:
            raise ValueError("give body or template_id, not both")
        return self


class RetryBulkBody(Body):
    """To whom a retry goes besides those whose text failed."""

    unconfirmed: bool = Field(default=False, description="Also to those of whom nobody knows whether they got it.")


class TrialBody(Body):
    """Where a trial goes: to the caller's own phone if nothing is said."""

    to: Spelled | None = None


class PriceBody(Body):
    """What one segment to a country costs, in millionths of a unit of the currency."""

    country: Country
    micros: Micros
    currency: Currency


class PricesBody(Body):
    """All prices that are set; elsewhere counts what the company's own texts cost."""

    prices: list[PriceBody] = Field(max_length=300)

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if len({price.country for price in self.prices}) < len(self.prices):
            raise ValueError("name each country once")
        return self


class PriceAnswer(Answer):
    """A price. `texts` says of how many settled texts it is the median; a price that was set has none."""

    country: str
    micros: int
    currency: str
    source: Literal["set", "measured"]
    texts: int

    @classmethod
    def made_of(cls, price: Price) -> Self:
        """The answer for a price."""
        source: Literal["set", "measured"] = "measured" if price.texts else "set"
        return cls(
            country=price.country, micros=price.micros, currency=price.currency, source=source, texts=price.texts
        )


class PricesAnswer(Answer):
    """Every price that is known, by country."""

    items: list[PriceAnswer]


class CountAnswer(Answer):
    """How many recipients stand at a status for a reason."""

    status: str
    code: str
    recipients: int


class CostAnswer(Answer):
    """A sum in millionths of a unit of the currency."""

    micros: int
    currency: str


class RehearsalAnswer(Answer):
    """What the bulk send would do. `looked_at` of `recipients` have been counted so far.

    `waits` are those among `will_send` that would have to wait now, by reason; `skipped` those that would get none.
    `cost` is an estimate, a sum a currency; for `unpriced_segments` no price is known. `seconds` is how long the
    senders take at their rates, without quiet hours.
    """

    looked_at: int
    recipients: int
    will_send: int
    waits: dict[str, int]
    skipped: dict[str, int]
    segments: int
    texts_by_country: dict[str, int]
    segments_by_country: dict[str, int]
    encodings: dict[str, int]
    cost: list[CostAnswer]
    unpriced_segments: int
    seconds: int
    finishes_at: datetime
    longest: dict[str, Any] | None

    @classmethod
    def made_of(
        cls, bulk: BulkSend, senders: Sequence[PhoneNumber], prices: Mapping[str, Price], *, now: datetime
    ) -> Self | None:
        """The answer for what was counted so far, if anything was."""
        if bulk.rehearsal is None:
            return None
        by_country: dict[str, int] = bulk.rehearsal["segments_by_country"]
        sums: dict[str, int] = {}
        for country, segments in by_country.items():
            if country in prices:
                price = prices[country]
                sums[price.currency] = sums.get(price.currency, 0) + price.micros * segments
        rate = sum(float(sender.segments_per_second) for sender in senders)
        seconds = int(-(-bulk.rehearsal["segments"] // rate)) if rate else 0
        begins = max(now, bulk.scheduled_at or now)
        return cls(
            **bulk.rehearsal,
            recipients=bulk.recipients_count,
            cost=[CostAnswer(micros=micros, currency=currency) for currency, micros in sorted(sums.items())],
            unpriced_segments=sum(segments for country, segments in by_country.items() if country not in prices),
            seconds=seconds,
            finishes_at=(begins + timedelta(seconds=seconds)).astimezone(UTC),
        )


class BulkAnswer(Answer):
    """A bulk send. `code` and `reason` say why it is paused.

    `counts` are recipients by status, `reasons` the same by their codes. `remaining` have not been touched yet.
    """

    id: UUID
    name: str
    status: str
    code: str | None
    reason: str | None
    list_id: UUID
    body: str
    template_id: UUID | None
    variables: dict[str, Any]
    from_numbers: list[str]
    scheduled_at: datetime | None
    retry_of: UUID | None
    retry_unconfirmed: bool
    canary: str
    canary_size: int
    canary_wait_seconds: int
    most_failed_percent: int
    most_opt_out_percent: int
    recipients: int
    remaining: int
    opt_outs: int
    counts: dict[str, int]
    reasons: list[CountAnswer]
    actor_kind: str
    actor_id: UUID | None
    actor_name: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    rehearsed_at: datetime | None

    @classmethod
    def made_of(cls, bulk: BulkSend, senders: Iterable[PhoneNumber], counts: Sequence[Count]) -> Self:
        """The answer for a bulk send, its senders and its counts."""
        made = {"from_numbers", "recipients", "remaining", "counts", "reasons"}
        own = {name: getattr(bulk, name) for name in cls.model_fields if name not in made}
        totals: dict[str, int] = {}
        for count in counts:
            totals[count.status] = totals.get(count.status, 0) + count.recipients
        return cls(
            **own,
            from_numbers=[sender.phone_number for sender in senders],
            recipients=bulk.recipients_count,
            remaining=bulk.recipients_count - bulk.taken,
            counts=totals,
            reasons=[CountAnswer.of(count) for count in counts if count.code],
        )


class BulkDetail(BulkAnswer):
    """A bulk send with its rehearsal."""

    rehearsal: RehearsalAnswer | None = None


class RecipientAnswer(Answer):
    """What became of one recipient: a text with its status, or why there is none (yet)."""

    position: int
    to_number: str
    state: str
    status: str | None
    message_id: UUID | None
    code: str | None
    reason: str | None
    not_before: datetime | None

    @classmethod
    def made_of(cls, recipient: BulkRecipient, message: Message | None) -> Self:
        """The answer for a recipient; once there is a text, its own reason counts."""
        code = recipient.code
        if message is not None:
            code = message.refusal_code or (None if message.error_code is None else str(message.error_code))
        return cls(
            position=recipient.position,
            to_number=recipient.to_number,
            state=recipient.state,
            status=message.status if message else None,
            message_id=recipient.message_id,
            code=code,
            reason=message.reason if message else recipient.reason,
            not_before=message.not_before if message else recipient.not_before,
        )


class TrialAnswer(Answer):
    """The trial that was handed in."""

    message_id: UUID
    status: str
    to_number: str
    body: str
    position: int
