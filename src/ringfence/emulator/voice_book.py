"""Calls, recordings and how each phone behaves. All of it in memory."""

import asyncio
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Literal

from ringfence.emulator.sids import SidMaker
from ringfence.kit.clock import utc_now

FINAL = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
EVENTS = frozenset({"initiated", "ringing", "answered", "completed"})

Direction = Literal["inbound", "outbound-api", "outbound-dial"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the states of one call are reported; `events` are the ones asked for."""

    url: str = ""
    method: str = "POST"
    events: frozenset[str] = frozenset({"completed"})


@dataclass(frozen=True, slots=True)
class Source:
    """Where TwiML comes from: an address (with a second one for when it fails), or the text itself."""

    url: str = ""
    method: str = "POST"
    fallback_url: str = ""
    fallback_method: str = "POST"
    twiml: str = ""
    parameters: dict[str, str] = field(default_factory=dict[str, str])
    """Added to what every request about the call says, as an `action` does."""


@dataclass(slots=True, eq=False)
class Call:
    """One Call resource: one leg. `children` are the legs that a <Dial> of this one made."""

    sid: str
    serial: int
    account_sid: str
    caller: str
    called: str
    direction: Direction
    status: str
    date_created: datetime
    date_updated: datetime
    progress: Progress
    parent_sid: str = ""
    timeout: float = 60.0
    start_time: datetime | None = None
    end_time: datetime | None = None
    price: Decimal | None = None
    sequence: int = 0
    callback_fault: str | None = None
    callback_fault_seconds: float = 0.0
    held: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    children: list["Call"] = field(default_factory=list["Call"])
    recordings: list["Recording"] = field(default_factory=list["Recording"])
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    script: asyncio.Task[None] | None = None

    @property
    def finished(self) -> bool:
        """Whether no state will follow."""
        return self.status in FINAL

    @property
    def duration(self) -> int | None:
        """Whole seconds from answer to end, begun ones counted; None while it lasts, 0 if nobody answered."""
        if self.end_time is None:
            return None
        if self.start_time is None:
            return 0
        return max(1, ceil((self.end_time - self.start_time).total_seconds()))


@dataclass(slots=True, eq=False)
class Recording:
    """One Recording resource; the sound is made when it is asked for."""

    sid: str
    serial: int
    account_sid: str
    call_sid: str
    source: Literal["DialVerb", "RecordVerb"]
    channels: int
    seconds: int
    status: str
    date_created: datetime
    date_updated: datetime


@dataclass(slots=True)
class Manners:
    """What the person at one number does when a phone rings or the company answers. All times in seconds.

    answer_after: None draws it from the settings. no_answer, busy: instead of answering. hang_up_after: from the
    answer; None means that who was dialled into a call draws it from the settings, and others stay on the line.
    leave_voicemail: length of the message after the beep; 0 hangs up there, None says a short one.
    press: keys for a <Gather>; None presses nothing. speak: what is said, kept for people to read.
    """

    answer_after: float | None = None
    busy: bool = False
    no_answer: bool = False
    hang_up_after: float | None = None
    leave_voicemail: float | None = None
    press: str | None = None
    speak: str = ""

    def as_json(self) -> dict[str, object]:
        """The manners as JSON values."""
        return asdict(self)


_POLITE = Manners()


class CallBook:
    """Every call and recording by SID and by account."""

    def __init__(self, sids: SidMaker) -> None:
        self._sids = sids
        self._serial = 0
        self.calls: dict[str, Call] = {}
        self.recordings: dict[str, Recording] = {}
        self.manners: dict[str, Manners] = {}
        self._by_account: dict[str, list[Call]] = {}
        self._recordings_by_account: dict[str, list[Recording]] = {}

    def add(
        self,
        account_sid: str,
        caller: str,
        called: str,
        direction: Direction,
        *,
        progress: Progress,
        parent: Call | None = None,
        timeout_seconds: float = 60.0,
    ) -> Call:
        """A new leg: `ringing` if it comes in, else `queued`."""
        self._serial += 1
        now = utc_now()
        call = Call(
            sid=self._sids.sid("CA"),
            serial=self._serial,
            account_sid=account_sid,
            caller=caller,
            called=called,
            direction=direction,
            status="ringing" if direction == "inbound" else "queued",
            date_created=now,
            date_updated=now,
            progress=progress,
            parent_sid=parent.sid if parent else "",
            timeout=timeout_seconds,
        )
        if parent is not None:
            parent.children.append(call)
        self.calls[call.sid] = call
        self._by_account.setdefault(account_sid, []).append(call)
        return call

    def of(self, account_sid: str) -> list[Call]:
        """The calls of an account, oldest first."""
        return self._by_account.get(account_sid, [])

    def record(
        self, call: Call, source: Literal["DialVerb", "RecordVerb"], *, seconds: float, channels: int
    ) -> Recording:
        """A new recording of a call, `processing`."""
        self._serial += 1
        now = utc_now()
        recording = Recording(
            sid=self._sids.sid("RE"),
            serial=self._serial,
            account_sid=call.account_sid,
            call_sid=call.sid,
            source=source,
            channels=channels,
            seconds=max(1, ceil(seconds)),
            status="processing",
            date_created=now,
            date_updated=now,
        )
        self.recordings[recording.sid] = recording
        call.recordings.append(recording)
        self._recordings_by_account.setdefault(call.account_sid, []).append(recording)
        return recording

    def recordings_of(self, account_sid: str) -> list[Recording]:
        """The recordings of an account, oldest first."""
        return self._recordings_by_account.get(account_sid, [])

    def forget(self, recording: Recording) -> None:
        """Delete a recording for good."""
        del self.recordings[recording.sid]
        self._recordings_by_account[recording.account_sid].remove(recording)
        self.calls[recording.call_sid].recordings.remove(recording)

    def remove(self, call: Call) -> None:
        """Delete a finished call from the log; its recordings stay, as at Twilio."""
        del self.calls[call.sid]
        self._by_account[call.account_sid].remove(call)

    def manners_of(self, number: str) -> Manners:
        """How the person at a number behaves."""
        return self.manners.get(number, _POLITE)

    def clear(self) -> None:
        """Forget every call, recording and manner."""
        for kept in (self.calls, self.recordings, self.manners, self._by_account, self._recordings_by_account):
            kept.clear()
