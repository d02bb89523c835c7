"""Background work of the calls room."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from ringfence.jobqueue.jobs import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCall(Job):
    """Ring the user's telephone for one call that was asked for."""

    kind: ClassVar[str] = "calls.place"
    call_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUpCall(Job):
    """End one call at Twilio."""

    kind: ClassVar[str] = "calls.hang_up"
    call_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRecording(Job):
    """Fetch the sound of one recording and keep it privately."""

    kind: ClassVar[str] = "calls.fetch_recording"
    recording_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRecordings(Job):
    """Delete the stored sound of one deleted call."""

    kind: ClassVar[str] = "calls.remove_recordings"
    call_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepCalls(Job):
    """Ask Twilio about the company's calls that stay unfinished."""

    kind: ClassVar[str] = "calls.sweep"
