"""The rules a company sets for its texts. All of them are off, or say the least, until it does.

Times are wall-clock times, HH:MM: those of quiet hours and holidays where the recipient is, those of opening hours and
the day of the budget where the company is.
"""

from datetime import date, time
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from ringfence.features.companies.values import WEEKDAYS, Weekday
from ringfence.kit.hours import Quiet, Week
from ringfence.web.schemas import Body

Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Span(Body):
    """From one time to another; `from` and `to` differ."""

    model_config = ConfigDict(serialize_by_alias=True)

    start: Clock = Field(alias="from", examples=["21:00"])
    end: Clock = Field(alias="to", examples=["08:00"])

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.start == self.end:
            raise ValueError("from and to must differ")
        return self

    def quiet(self) -> Quiet:
        """The span as a day's rule."""
        return Quiet(time.fromisoformat(self.start), time.fromisoformat(self.end))


class QuietHours(Span):
    """When no text goes out by itself: every day from `from` to `to` (across midnight if `from` is later).

    A weekday may have hours of its own, be quiet all day, or not at all. Of a night, the hours before midnight belong
    to the one day and those after it to the next.
    """

    weekdays: dict[Weekday, Span | Literal["all_day", "none"]] = Field(default={})

    def days(self) -> dict[int, Quiet | None]:
        """The rules of single weekdays, Monday 0."""
        rules: dict[int, Quiet | None] = {}
        for name, rule in self.weekdays.items():
            rules[WEEKDAYS.index(name)] = rule.quiet() if isinstance(rule, Span) else _ALL_DAY_OR_NONE[rule]
        return rules


class FrequencyCap(Body):
    """The most texts that one recipient gets within so many days of 24 hours."""

    texts: int = Field(ge=1, le=1000)
    days: int = Field(ge=1, le=365)


class DailyBudget(Body):
    """The most that goes to Twilio in one day of the company's zone."""

    unit: Literal["texts", "segments"] = "segments"
    most: int = Field(ge=1, le=10_000_000)


class OpeningHours(Span):
    """Opening hours of one day; they end before midnight."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start > self.end:
            raise ValueError("a day opens before it closes")
        return self


class AutoReply(Body):
    """What is answered to a text that comes while the company is closed. A weekday left out is closed all day."""

    body: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=640)]
    open_hours: dict[Weekday, OpeningHours]

    def week(self, holidays: frozenset[date]) -> Week:
        """When the company is open, as the hours that are allowed."""
        # Quiet from closing time until the day's opening time.
        days = {
            WEEKDAYS.index(name): Quiet(time.fromisoformat(span.end), time.fromisoformat(span.start))
            for name, span in self.open_hours.items()
        }
        return Week(usual=Quiet(), days=days, holidays=holidays)


Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class ChangeTexting(Body):
    """Rules to change: those left out stay, null switches one off."""

    quiet_hours: QuietHours | None = None
    holidays: list[date] | None = Field(default=None, max_length=400, description="Days without texts, all day.")
    frequency_cap: FrequencyCap | None = None
    daily_budget: DailyBudget | None = None
    replies_exempt: bool | None = Field(
        default=None,
        description="Whether an answer within 24 hours of the recipient's own text goes out at any hour, uncapped.",
    )
    schedule_late_minutes: int | None = Field(
        default=None, ge=1, le=10_080, description="How late a scheduled text may still go out; later ones expire."
    )
    auto_reply: AutoReply | None = None
    countries: list[Country] | None = Field(
        default=None, max_length=250, description="The only countries that texts go to (ISO 3166, such as US)."
    )


class TextingRules(Body):
    """All rules of a company, as they stand."""

    quiet_hours: QuietHours | None = None
    holidays: list[date] = Field(default=[])
    frequency_cap: FrequencyCap | None = None
    daily_budget: DailyBudget | None = None
    replies_exempt: bool = True
    schedule_late_minutes: int = 120
    auto_reply: AutoReply | None = None
    countries: list[Country] | None = None

    @field_validator("countries")
    @classmethod
    def _once_each(cls, codes: list[str] | None) -> list[str] | None:
        return sorted(set(codes)) if codes else None

    @field_validator("holidays")
    @classmethod
    def _in_order(cls, days: list[date]) -> list[date]:
        return sorted(set(days))

    def week(self) -> Week:
        """When texts may go out."""
        quiet = self.quiet_hours
        return Week(
            usual=quiet.quiet() if quiet else None,
            days=quiet.days() if quiet else {},
            holidays=frozenset(self.holidays),
        )


_ALL_DAY_OR_NONE: dict[Literal["all_day", "none"], Quiet | None] = {"all_day": Quiet(), "none": None}
