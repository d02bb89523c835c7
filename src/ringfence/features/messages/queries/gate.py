"""The gate: the one place that decides whether a text goes out, waits, or is refused, and why.

It is asked when a text is handed in and again when the dispatcher takes it. What it needs to know is gathered as
`Facts`; each check looks at the facts alone. The checks stand in the order in which they speak.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from ringfence.dispatch.ports import Hold, Refuse
from ringfence.features.companies.schemas.texting import DailyBudget, FrequencyCap
from ringfence.kit.hours import Week, first_allowed, local_day, midnight_after

Answer = Refuse | Hold | None
"""Why a text is not sent, or not yet; None when it is."""


@dataclass(frozen=True, slots=True)
class Connection:
    """The state of the company and of its Twilio settings (`status` is None when there are none, `reason` in words)."""

    company_active: bool
    status: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What the company's own rules look at.

    `zones` are all zones where the recipient may be; `home` is the company's. `answers` is whether the text answers a
    recent one of the recipient and the company lets answers out at any hour; `released` whether a person decided that
    it need not wait. `capped_until` is when the recipient may be texted again, None for now. `cost` is what the text
    takes of the budget, `spent` what the day's others took.
    """

    now: datetime
    week: Week
    zones: Sequence[ZoneInfo]
    home: ZoneInfo
    answers: bool
    released: bool = False
    cap: FrequencyCap | None = None
    capped_until: datetime | None = None
    budget: DailyBudget | None = None
    cost: int = 0
    spent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the gate knows of one text.

    `sender_refusal` says why no number may send the text, if so. `duplicate` is whether the same body has just gone
    to the same number, and nobody allowed that. `timing` is None while the company has no rules of its own.
    `blocked_country` names the recipient's country when the company does not text there.
    """

    connection: Connection
    sender_refusal: Refuse | None
    opted_out: bool
    duplicate: bool
    timing: Timing | None = None
    blocked_country: str | None = None


def ask_connection(connection: Connection) -> Refuse | None:
    """Whether the company may send at all: None, or why not."""
    if not connection.company_active:
        return Refuse("company_suspended", "This company is suspended.")
    match connection.status:
        case "verified":
            return None
        case None:
            return Refuse("not_connected", "No Twilio account is connected.")
        case "suspended":
            return Refuse("account_suspended", connection.reason or "The Twilio account is suspended.")
        case _:
            return Refuse("settings_unverified", connection.reason or "The Twilio settings have not been verified.")


def _consent(facts: Facts) -> Answer:
    return Refuse("opted_out", "This number has opted out of texts.") if facts.opted_out else None


def _connection(facts: Facts) -> Answer:
    return ask_connection(facts.connection)


def _sender(facts: Facts) -> Answer:
    return facts.sender_refusal


def _country(facts: Facts) -> Answer:
    if facts.blocked_country is None:
        return None
    return Refuse(
        "blocked_country", f"The company's settings allow no texts to this country ({facts.blocked_country})."
    )


def _duplicate(facts: Facts) -> Answer:
    if not facts.duplicate:
        return None
    return Refuse("duplicate", "The same text went to this number a moment ago; set allow_duplicate to send it again.")


def _cap(facts: Facts) -> Answer:
    timing = facts.timing
    if timing is None or timing.cap is None or timing.capped_until is None or timing.answers:
        return None
    had = f"{timing.cap.texts} text{'s' if timing.cap.texts > 1 else ''}"
    days = f"{timing.cap.days} day{'s' if timing.cap.days > 1 else ''}"
    free = _clock(timing.capped_until, timing.home)
    return Refuse("frequency_cap", f"This number has had {had} within {days}; the next may go from {free}.")


def _hours(facts: Facts) -> Answer:
    timing = facts.timing
    if timing is None or timing.answers or timing.released or not timing.week.is_limited:
        return None
    until = first_allowed(timing.week, timing.zones, timing.now)
    if until == timing.now:
        return None
    if until is None:
        return Refuse("quiet_hours", "No hour of the coming weeks is allowed in every zone where this number may be.")
    one = timing.zones[0] if len(timing.zones) == 1 else None
    where = f"where this number is ({one.key})" if one else f"in one of the {len(timing.zones)} zones of this number"
    on_holiday = any(local_day(timing.now, zone) in timing.week.holidays for zone in timing.zones)
    code, what = ("holiday", "It is a holiday") if on_holiday else ("quiet_hours", "It is quiet hours")
    return Hold(until, code, f"{what} {where}; the text waits until {_clock(until, one or timing.home)}.")


def _budget(facts: Facts) -> Answer:
    timing = facts.timing
    if timing is None or timing.budget is None or timing.released or timing.spent + timing.cost <= timing.budget.most:
        return None
    most = f"{timing.budget.most} {timing.budget.unit}"
    if timing.cost > timing.budget.most:
        return Refuse("daily_budget", f"This text alone takes more than the budget of a day ({most}).")
    until = midnight_after(timing.now, timing.home)
    reason = f"The day's budget ({most}) is used up; the text waits until {_clock(until, timing.home)}."
    return Hold(until, "daily_budget", reason)


def _clock(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})"


CHECKS: Final[tuple[Callable[[Facts], Answer], ...]] = (
    _consent,
    _connection,
    _sender,
    _country,
    _duplicate,
    _cap,
    _hours,
    _budget,
)


def ask(facts: Facts) -> Answer:
    """None to send, or why not (now).

    A refusal wins over a hold, whichever check speaks first; of several holds the longest is the answer.
    """
    answers = [answer for check in CHECKS if (answer := check(facts)) is not None]
    refusal = next((answer for answer in answers if isinstance(answer, Refuse)), None)
    holds = [answer for answer in answers if isinstance(answer, Hold)]
    return refusal or max(holds, key=lambda hold: hold.until, default=None)
