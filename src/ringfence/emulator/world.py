"""What exists in the emulator: accounts, numbers, messages, media, opt-outs. All of it in memory."""

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from ringfence.emulator import addresses
from ringfence.emulator.seeds import AccountSeed, NumberSeed
from ringfence.emulator.sids import SidMaker
from ringfence.kit.clock import utc_now

Outcome = Literal["delivered", "undelivered", "failed", "sent_only"]


@dataclass(frozen=True, slots=True)
class Media:
    """One attachment. `content` is what was fetched; `deleted` media answer 404."""

    sid: str
    serial: int
    account_sid: str
    message_sid: str
    content_type: str
    content: bytes
    date_created: datetime


@dataclass(slots=True, eq=False)
class Message:
    """One Message resource. `serial` orders messages by creation; `final` means that no state will follow."""

    sid: str
    serial: int
    account_sid: str
    sender: str
    recipient: str
    body: str
    direction: Literal["inbound", "outbound-api", "outbound-reply"]
    status: str
    num_segments: int
    date_created: datetime
    date_updated: datetime
    date_sent: datetime | None = None
    num_media: int = 0
    price: Decimal | None = None
    error_code: int | None = None
    status_callback: str = ""
    callback_fault: str | None = None
    callback_fault_seconds: float = 0.0
    visible_at: float = 0.0
    final: bool = False
    deleted: bool = False


@dataclass(slots=True)
class Number:
    """One IncomingPhoneNumber resource."""

    sid: str
    serial: int
    account_sid: str
    phone_number: str
    friendly_name: str
    date_created: datetime
    date_updated: datetime
    sms: bool = True
    mms: bool = True
    voice: bool = True
    settings: dict[str, str] = field(default_factory=dict[str, str])
    """The URL, method and application fields by their API names (`sms_url`, `voice_method` …)."""


@dataclass(slots=True)
class Service:
    """One messaging service; `numbers` are the SIDs of its pool."""

    sid: str
    account_sid: str
    friendly_name: str
    inbound_url: str
    number_decides: bool
    numbers: list[str]
    date_created: datetime


@dataclass(slots=True)
class Account:
    """One account or subaccount, with what belongs to it."""

    sid: str
    serial: int
    auth_token: str = field(repr=False)
    friendly_name: str
    owner_sid: str
    date_created: datetime
    date_updated: datetime
    status: str = "active"
    kind: Literal["Trial", "Full"] = "Full"
    services: dict[str, Service] = field(default_factory=dict[str, "Service"])
    balance: Decimal = Decimal("100.00000")
    in_flight: int = 0
    numbers: dict[str, Number] = field(default_factory=dict[str, Number])
    messages: list[Message] = field(default_factory=list[Message])
    by_number: dict[str, list[Message]] = field(default_factory=dict[str, list[Message]])
    """Messages by each of their two numbers, so that a filtered list does not walk the whole log."""


class World:
    """Every resource by SID, and the small indexes that answer fast."""

    def __init__(self, sids: SidMaker) -> None:
        self.sids = sids
        self.accounts: dict[str, Account] = {}
        self.numbers: dict[str, Number] = {}
        self.messages: dict[str, Message] = {}
        self.media: dict[str, Media] = {}
        self.media_of: dict[str, list[Media]] = {}
        self.opt_outs: set[tuple[str, str]] = set()
        self.outcomes: dict[str, tuple[Outcome, int | None]] = {}
        self.phones: dict[str, None] = {}
        self.version = 0
        self._serial = 0

    def next_serial(self) -> int:
        """A number greater than every one given before: the order of creation."""
        self._serial += 1
        return self._serial

    def changed(self) -> None:
        """Note that something people can see has changed."""
        self.version += 1

    def add_account(self, seed: AccountSeed) -> Account:
        """Open an account. Raises ValueError if its SID or one of its numbers exists already."""
        sid = seed.account_sid or self.sids.sid("AC")
        if sid in self.accounts:
            raise ValueError("an account with this SID exists already")
        if seed.owner_account_sid is not None and seed.owner_account_sid not in self.accounts:
            raise ValueError("owner_account_sid names no account")
        checked = [self._checked(number) for number in seed.numbers]
        if len(set(checked)) < len(checked):
            raise ValueError("a number is given twice")
        now = utc_now()
        account = Account(
            sid=sid,
            serial=self.next_serial(),
            auth_token=seed.auth_token or self.sids.token(),
            friendly_name=seed.friendly_name,
            owner_sid=seed.owner_account_sid or sid,
            date_created=now,
            date_updated=now,
        )
        self.accounts[sid] = account
        for phone_number, number in zip(checked, seed.numbers, strict=True):
            self.add_number(account, phone_number, number)
        self.changed()
        return account

    def _checked(self, seed: NumberSeed) -> str:
        phone_number = addresses.e164(seed.phone_number)
        if phone_number is None:
            raise ValueError("phone_number must be an E.164 number")
        if phone_number in self.numbers:
            raise ValueError("a number belongs to an account already")
        return phone_number

    def add_number(self, account: Account, phone_number: str, seed: NumberSeed) -> Number:
        """Give a free E.164 number to an account."""
        now = utc_now()
        number = Number(
            sid=self.sids.sid("PN"),
            serial=self.next_serial(),
            account_sid=account.sid,
            phone_number=phone_number,
            friendly_name=seed.friendly_name or addresses.national(phone_number),
            date_created=now,
            date_updated=now,
            sms=seed.sms,
            mms=seed.mms,
            voice=seed.voice,
            settings={
                "sms_url": seed.sms_url,
                "sms_fallback_url": seed.sms_fallback_url,
                "voice_url": seed.voice_url,
            },
        )
        account.numbers[number.sid] = number
        self.numbers[phone_number] = number
        self.changed()
        return number

    def remove_number(self, number: Number) -> None:
        """Release a number: it belongs to nobody afterwards."""
        del self.accounts[number.account_sid].numbers[number.sid]
        del self.numbers[number.phone_number]
        self.changed()

    def add_message(self, account: Account, message: Message) -> None:
        """File a new message under its account, its two numbers and the customer's phone."""
        self.messages[message.sid] = message
        account.messages.append(message)
        for number in {message.sender, message.recipient}:
            account.by_number.setdefault(number, []).append(message)
        customer = message.sender if message.direction == "inbound" else message.recipient
        self.phones.pop(customer, None)
        self.phones[customer] = None
        self.changed()

    def add_media(self, message: Message, content_type: str, content: bytes) -> Media:
        """Attach a file to a message."""
        media = Media(
            sid=self.sids.sid("ME"),
            serial=self.next_serial(),
            account_sid=message.account_sid,
            message_sid=message.sid,
            content_type=content_type,
            content=content,
            date_created=utc_now(),
        )
        self.media[media.sid] = media
        self.media_of.setdefault(message.sid, []).append(media)
        self.changed()
        return media

    def remove_media(self, media: Media) -> None:
        """Delete an attachment for good."""
        del self.media[media.sid]
        self.media_of[media.message_sid].remove(media)
        self.changed()

    def remove_message(self, message: Message) -> None:
        """Delete a message. Its media can no longer be reached, because their address names it."""
        message.deleted = True
        del self.messages[message.sid]
        account = self.accounts[message.account_sid]
        _drop(account.messages, message)
        for number in {message.sender, message.recipient}:
            _drop(account.by_number[number], message)
        self.changed()

    def forget_traffic(self) -> None:
        """Drop messages, media, opt-outs and outcomes; accounts and numbers stay as they are."""
        for account in self.accounts.values():
            account.messages.clear()
            account.by_number.clear()
        for kept in (self.messages, self.media, self.media_of, self.opt_outs, self.outcomes, self.phones):
            kept.clear()
        self.changed()


def _drop(messages: list[Message], message: Message) -> None:
    # The lists are in order of serial, so the place is found without walking a long log.
    del messages[bisect_left(messages, message.serial, key=lambda item: item.serial)]
