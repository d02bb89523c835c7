"""The gate: the one place that decides whether a text goes out, waits, or is refused, and why.

It is asked when a text is handed in and again when the dispatcher takes it. What it needs to know is gathered as
`Facts`; each check looks at the facts alone. The checks stand in the order in which they speak.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ringfence.dispatch.ports import Hold, Refuse

Answer = Refuse | Hold | None
"""Why a text is not sent, or not yet; None when it is."""


@dataclass(frozen=True, slots=True)
class Connection:
    """The state of the company and of its Twilio settings (`status` is None when there are none, `reason` in words)."""

    company_active: bool
    status: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the gate knows of one text.

    `sender_refusal` says why no number may send the text, if so. `duplicate` is whether the same body has just gone
    to the same number, and nobody allowed that.
    """

    connection: Connection
    sender_refusal: Refuse | None
    opted_out: bool
    duplicate: bool


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


def _duplicate(facts: Facts) -> Answer:
    if not facts.duplicate:
        return None
    return Refuse("duplicate", "The same text went to this number a moment ago; set allow_duplicate to send it again.")


CHECKS: Final[tuple[Callable[[Facts], Answer], ...]] = (_consent, _connection, _sender, _duplicate)


def ask(facts: Facts) -> Answer:
    """None to send, or why not (now). A refusal wins over a hold, whichever check speaks first."""
    answers = [answer for check in CHECKS if (answer := check(facts)) is not None]
    return next((answer for answer in answers if isinstance(answer, Refuse)), answers[0] if answers else None)
