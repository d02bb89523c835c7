"""Answers of the analytics room."""

from datetime import date
from decimal import Decimal
from typing import Self

from pydantic import Field

from ringfence.features.analytics.values import By, Figures, Report, Row
from ringfence.providers.twilio.codes import explain
from ringfence.web.schemas import Answer

CSV_COLUMNS = (
    "key",
    "name",
    "outbound",
    "sent",
    "delivered",
    "failed",
    "failed_by_code",
    "refused",
    "refused_by_code",
    "canceled",
    "unconfirmed",
    "under_way",
    "segments",
    "received",
    "opt_outs",
    "asked",
    "answered",
    "response_rate",
    "median_response_seconds",
    "cost",
    "unpriced",
)
_MILLION = Decimal(1_000_000)


class FailureCount(Answer):
    """How many texts failed with one of Twilio's codes (null: it gave none), and what the code means."""

    code: int | None
    reason: str
    count: int


class RefusalCount(Answer):
    """How many texts the gate refused for one reason."""

    code: str
    count: int


class Cost(Answer):
    """What Twilio charged in one currency: millionths, and the same as a decimal number."""

    currency: str
    micros: int
    amount: str


class FiguresAnswer(Answer):
    """What was counted. outbound = delivered + failed + refused + canceled + unconfirmed + under_way."""

    outbound: int = Field(description="Texts handed in, whatever became of them.")
    sent: int = Field(description="Those that Twilio took.")
    delivered: int
    failed: int
    failed_by_reason: list[FailureCount]
    refused: int = Field(description="Never handed to Twilio: the gate said no.")
    refused_by_reason: list[RefusalCount]
    canceled: int
    unconfirmed: int = Field(description="Twilio may have them; a person decides.")
    under_way: int = Field(description="Held, queued, sending, or sent without a report of delivery yet.")
    segments: int = Field(description="Segments of the texts that Twilio took.")
    received: int
    opt_outs: int
    asked: int = Field(description="Questions: texts of customers that followed on none of their own.")
    answered: int = Field(description="Questions that a person has answered by now.")
    response_rate: float | None = Field(description="answered / asked; null without questions, and by user.")
    median_response_seconds: float | None
    cost: list[Cost] = Field(description="Of texts in both directions, as far as Twilio has settled it.")
    unpriced: int = Field(description="Texts whose price Twilio has not told yet.")

    @classmethod
    def about(cls, figures: Figures, *, by_user: bool = False) -> Self:
        """From what was counted. By user there is no rate: a question without an answer is nobody's."""
        rate = figures.answered / figures.asked if figures.asked and not by_user else None
        return cls(
            outbound=figures.outbound,
            sent=figures.sent,
            delivered=figures.delivered,
            failed=sum(figures.failed.values()),
            failed_by_reason=[
                FailureCount(code=code, reason=explain(code).meaning, count=count)
                for code, count in sorted(figures.failed.items(), key=lambda item: (-item[1], item[0] or 0))
            ],
            refused=sum(figures.refused.values()),
            refused_by_reason=[
                RefusalCount(code=code, count=count)
                for code, count in sorted(figures.refused.items(), key=lambda item: (-item[1], item[0]))
            ],
            canceled=figures.canceled,
            unconfirmed=figures.unconfirmed,
            under_way=figures.under_way,
            segments=figures.segments,
            received=figures.received,
            opt_outs=figures.opt_outs,
            asked=figures.asked,
            answered=figures.answered,
            response_rate=rate,
            median_response_seconds=figures.median_seconds,
            cost=[
                Cost(currency=currency, micros=micros, amount=f"{micros / _MILLION:f}")
                for currency, micros in sorted(figures.cost.items())
            ],
            unpriced=figures.unpriced,
        )


class RowAnswer(FiguresAnswer):
    """The figures of one day (its date), or of one number, person, template or bulk send (its id and name).

    The row whose key is null holds what has none, such as received texts by template.
    """

    key: str | None
    name: str | None

    @classmethod
    def of_row(cls, row: Row, by: By) -> Self:
        """From a row of the report."""
        figures = FiguresAnswer.about(row.figures, by_user=by == "user")
        key = None if row.key is None else str(row.key)
        return cls(key=key, name=row.name, **dict(figures))

    def cells(self) -> list[object]:
        """The row as CSV has it, in the order of CSV_COLUMNS."""
        shown = dict(self) | {
            "failed_by_code": "; ".join(f"{item.code or 'none'}: {item.count}" for item in self.failed_by_reason),
            "refused_by_code": "; ".join(f"{item.code}: {item.count}" for item in self.refused_by_reason),
            "cost": "; ".join(f"{item.amount} {item.currency}" for item in self.cost),
        }
        return [shown[column] for column in CSV_COLUMNS]


class AnalyticsAnswer(Answer):
    """The figures of whole days of the company's zone, in all and divided."""

    first_day: date = Field(serialization_alias="from")
    last_day: date = Field(serialization_alias="to")
    time_zone: str
    by: By
    totals: FiguresAnswer
    rows: list[RowAnswer]

    @classmethod
    def about(cls, report: Report) -> Self:
        """From a report."""
        return cls(
            first_day=report.days.first,
            last_day=report.days.last,
            time_zone=report.days.zone.key,
            by=report.by,
            totals=FiguresAnswer.about(report.totals),
            rows=[RowAnswer.of_row(row, report.by) for row in report.rows],
        )
