"""What the doctor knows of a company: from this server's database, and from Twilio."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ringfence.features.phone_numbers.values import Addresses
from ringfence.providers.twilio.records import AccountInfo, NumberInfo, ServiceInfo

KeyState = Literal["current", "old", "unreadable"]


@dataclass(frozen=True, slots=True)
class Server:
    """How this server is set up: where Twilio is, where Twilio and people find us, and what a request there gave.

    `answers` is whether PUBLIC_URL leads to a server of this kind, as far as this server can see; None if not tried.
    """

    twilio_url: str
    public_url: str
    answers: bool | None


@dataclass(frozen=True, slots=True)
class OwnNumber:
    """A number that is not released here."""

    phone_number: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What became of the last day's texts. Counts stop at a bound; `oldest_due` is since when a text waits its turn."""

    waiting: int
    oldest_due: datetime | None
    held: int
    unconfirmed: int
    failed: Mapping[int | None, int]
    accepted: int
    unreported: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """What this server knows. `account_sid` is None while nothing is connected."""

    account_sid: str | None
    key_state: KeyState
    auth_token: str | None = field(repr=False)
    addresses: Addresses | None = field(repr=False)
    numbers: Sequence[OwnNumber]
    backlog: Backlog


@dataclass(frozen=True, slots=True)
class Pool:
    """A messaging service and its numbers; None when they could not be read."""

    service: ServiceInfo
    numbers: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Silence:
    """Twilio did not say, because; one sentence."""

    why: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Remote:
    """What Twilio says of the account, part by part."""

    account: AccountInfo | Silence
    numbers: Sequence[NumberInfo] | Silence
    pools: Sequence[Pool] | Silence


@dataclass(frozen=True, slots=True)
class Holders:
    """Who holds the account's numbers by the directory: others' numbers, and those of ours that it knows."""

    others: frozenset[str]
    ours: frozenset[str]
    twice: frozenset[str]
