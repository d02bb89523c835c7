"""Words of a company's connection to Twilio: its states in plain words, and its credentials."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from ringfence.providers.twilio.records import AccountInfo

SettingsStatus = Literal["verified", "unverified", "suspended"]
StatusReason = Literal["credentials_refused", "account_suspended", "account_closed"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a connection does not work and what mends it, each one sentence for people."""

    reason: str
    fix: str


# The database keeps the word on the left; people read the sentences, which may change.
EXPLANATIONS: Final[dict[str, Explanation]] = {
    "credentials_refused": Explanation(
        "Twilio does not accept this Account SID with the stored auth token.",
        "Copy the current auth token from the Twilio console and save it here.",
    ),
    "account_suspended": Explanation(
        "Twilio has suspended this account.",
        "Settle it with Twilio (usually billing or compliance), then check the connection again.",
    ),
    "account_closed": Explanation(
        "This Twilio account is closed.",
        "Reopen it with Twilio within 30 days, or connect another account.",
    ),
}


@dataclass(frozen=True, slots=True)
class StoredCredentials:
    """A company's way to Twilio, as stored. Whether it may be used is `status`.

    `sealed_auth_token` tells one stored token from the next, so that news about an old one is not put down to a new.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    sealed_auth_token: str = field(repr=False)
    status: SettingsStatus
    status_reason: str | None
    webhook_path: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Connection:
    """Where an unguessable webhook path leads."""

    company_id: UUID
    settings_id: UUID


@dataclass(frozen=True, slots=True)
class NewConnection:
    """Credentials that Twilio has just accepted, ready to be stored.

    `friendly_name` is the company's own name for the account, None to take Twilio's.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    friendly_name: str | None
    account: AccountInfo
    checked_at: datetime


def token_context(company_id: UUID) -> str:
    """What a sealed auth token is bound to: a copy in another company's row does not open."""
    return f"twilio_settings:{company_id}"
