"""Words of the platform room."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

SettingsState = Literal["none", "verified", "unverified", "suspended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How one company is doing at `checked_at`; instants are aware.

    `queued` counts texts that are not settled with Twilio; `waiting_since` is since when the oldest of those that may
    go out waits. The last error is that of the latest text for which Twilio reported one.
    """

    settings_state: SettingsState
    settings_reason: str | None
    settings_since: datetime
    numbers: int
    queued: int
    waiting_since: datetime | None
    last_error_code: int | None
    last_error_at: datetime | None
    last_activity_at: datetime | None
    checked_at: datetime
