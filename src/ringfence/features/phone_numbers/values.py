"""Words of the phone numbers room: what a number may send at first, what a sync did, and the job that syncs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Final, Literal
from uuid import UUID

from ringfence.jobqueue.jobs import Job
from ringfence.kit.phone import region_of
from ringfence.providers.twilio.records import NumberInfo

NumberStatus = Literal["active", "inactive"]
WebhookResult = Literal["set", "already_set", "failed", "not_tried"]
PlaceOfNumber = Literal["here", "new", "held_elsewhere"]

SLOWEST_RATE: Final = Decimal("0.1")
FASTEST_RATE: Final = Decimal(225)
MOST_PRIORITY: Final = 1000

_TOLL_FREE: Final = tuple(f"+1{code}" for code in (800, 833, 844, 855, 866, 877, 888))
_LONG_CODE_RATE: Final = Decimal(1)
_TOLL_FREE_RATE: Final = Decimal(3)
_OTHER_RATE: Final = Decimal(10)


def first_rate(phone_number: str) -> Decimal:
    """Segments a second that a new number starts with, by Twilio's published limits; an admin may change it.

    A US or Canadian long code is given 1: the least that any registration gets, so nothing is filtered for haste.
    Toll-free numbers get 3, numbers of other countries 10 (https://help.twilio.com, message throughput).
    """
    if phone_number.startswith(_TOLL_FREE):
        return _TOLL_FREE_RATE
    return _LONG_CODE_RATE if region_of(phone_number) in {"US", "CA", "PR"} else _OTHER_RATE


def last_four(phone_number: str) -> str:
    """A number as errors and the audit log name it."""
    return f"…{phone_number[-4:]}"


def text_address(number: NumberInfo) -> str | None:
    """Where Twilio really sends a number's inbound texts, None when nowhere by address.

    A TwiML application wins over the number's own address, and we expect a POST.
    """
    if number.sms_application_sid is not None or number.sms_method not in {None, "POST"}:
        return None
    return number.sms_url


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where Twilio reports to: inbound texts, inbound calls, and how those calls went on."""

    inbound: str
    voice: str
    call_status: str

    def are_those_of(self, number: NumberInfo) -> bool:
        """Whether a number sends its texts here, and its calls if it can be called."""
        if text_address(number) != self.inbound:
            return False
        by_application = number.voice_application_sid is not None or number.voice_method not in {None, "POST"}
        calls = None if by_application else number.voice_url
        return not number.voice or (calls == self.voice and number.status_callback == self.call_status)


@dataclass(frozen=True, slots=True)
class Listing:
    """All numbers of an account as Twilio listed them; `listed_at` (aware, UTC) is when the list was asked for."""

    account_sid: str
    numbers: Sequence[NumberInfo]
    listed_at: datetime


@dataclass(slots=True)
class Intake:
    """What taking in a listing did. `held_elsewhere` are numbers that another company holds: not stored."""

    listed: int = 0
    added: int = 0
    returned: int = 0
    released: int = 0
    held_elsewhere: list[str] = field(default_factory=list[str])

    def for_audit(self) -> dict[str, object]:
        """The counts, and the held numbers by their last four digits."""
        return {
            "listed": self.listed,
            "added": self.added,
            "returned": self.returned,
            "released": self.released,
            "held_elsewhere": [last_four(number) for number in self.held_elsewhere],
        }


@dataclass(frozen=True, slots=True)
class Holding:
    """A number that the company holds; what went through it until `others_until` is another company's."""

    phone_number_id: UUID
    others_until: datetime | None = None

    def covers(self, at: datetime) -> bool:
        """Whether what went through the number at an instant is the company's."""
        return self.others_until is None or at > self.others_until


@dataclass(frozen=True, slots=True)
class WebhookOutcome:
    """What became of pointing one number's inbound texts and calls here; `reason` is a sentence when it failed."""

    phone_number_id: UUID
    phone_number: str
    result: WebhookResult
    reason: str | None = None

    @property
    def points_here(self) -> bool:
        """Whether the number's texts (and calls) now come here."""
        return self.result in {"set", "already_set"}


@dataclass(frozen=True, slots=True)
class NumberCounts:
    """How the company's numbers stand. `last_synced_at` is the newest listing that was taken in."""

    active: int
    inactive: int
    released: int
    last_synced_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPhoneNumbers(Job):
    """Bring the company's numbers to what its Twilio account has now."""

    kind: ClassVar[str] = "phone_numbers.sync"


SYNC_KEY: Final = SyncPhoneNumbers.kind

PURCHASE_STATUSES: Final = ("buying", "unknown", "bought", "refused", "not_bought", "unconfirmed")
OPEN_PURCHASES: Final = frozenset({"buying", "unknown"})
"""Statuses of a purchase whose outcome nobody knows yet."""
LOOK_AGAIN_SECONDS: Final = 60
"""How long after one look Twilio is asked the next time whether a number was bought."""
NOT_BOUGHT_AFTER: Final = timedelta(minutes=10)
"""A number that Twilio does not list so long after the purchase was not bought."""
UNCONFIRMED_AFTER: Final = timedelta(hours=24)
"""A purchase about which Twilio could not be asked for so long is left to a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlePurchase(Job):
    """Find out whether a number was bought, if the purchase has not been settled by itself."""

    kind: ClassVar[str] = "phone_numbers.settle_purchase"
    purchase_id: UUID


def batches(items: Sequence[NumberInfo], size: int) -> Iterable[Sequence[NumberInfo]]:
    """The items in groups of at most `size`, in order."""
    return (items[start : start + size] for start in range(0, len(items), size))
