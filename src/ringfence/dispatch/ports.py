"""What the send engine needs from the rooms above it. `worker` hands in the implementations.

The engine knows outbox rows, lanes and attempts; whose texts they are, whether they may go out, with which
credentials, and what an outcome means to the record, is the business of features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ringfence.tenancy.sessions import TenantSession


@dataclass(frozen=True, slots=True)
class Credentials:
    """A company's way to Twilio, and the path under which Twilio reaches us for it."""

    company_id: UUID
    account_sid: str
    auth_token: str = field(repr=False)
    webhook_path: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A text that the gate lets out: what Twilio is told."""

    message_id: UUID
    from_number: str
    to_number: str
    body: str = field(repr=False)
    media_urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """The gate's last word: this text is not sent, because."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """The gate lets the text wait until an instant."""

    until: datetime
    code: str
    reason: str


Verdict = Text | Refuse | Hold


@dataclass(frozen=True, slots=True)
class Settled:
    """Twilio answered for good (or a look-up answered for it): accepted with a SID, or refused with a code."""

    message_id: UUID
    attempt: int
    account_sid: str
    sid: str | None
    twilio_status: str | None
    error_code: int | None
    refused: bool
    via: str  # "response", "list"


@dataclass(frozen=True, slots=True)
class Noted:
    """Something happened to a text that does not settle it; it goes on the timeline."""

    message_id: UUID
    attempt: int
    kind: str  # "requeued", "paused", "unknown", "unconfirmed", "claimed"
    detail: Mapping[str, object]


class Texts(Protocol):
    """The texts room, as the engine sees it. Every call runs inside the caller's transaction."""

    async def credentials(self, session: TenantSession) -> Credentials | Refuse:
        """The company's verified way to Twilio, or why there is none."""
        ...

    async def judge(self, session: TenantSession, message_ids: Sequence[UUID]) -> Mapping[UUID, Verdict]:
        """Ask the gate again for claimed texts and load what Twilio is to be told. A STOP in between wins."""
        ...

    async def load(self, session: TenantSession, message_ids: Sequence[UUID]) -> Mapping[UUID, Text]:
        """What Twilio was told, without asking the gate: to recognise a text in Twilio's list."""
        ...

    async def refuse(self, session: TenantSession, refusals: Mapping[UUID, Refuse]) -> None:
        """Record texts that the gate refused at the last moment: status `refused`, reason, timeline."""
        ...

    async def hold(self, session: TenantSession, holds: Mapping[UUID, Hold]) -> None:
        """Record texts that wait: status `held`, `not_before`, reason, timeline."""
        ...

    async def settle(self, session: TenantSession, outcomes: Sequence[Settled]) -> None:
        """Record definite outcomes: SID and status forward, or refusal with its code; timeline; 21610 → opt-out."""
        ...

    async def note(self, session: TenantSession, notes: Sequence[Noted]) -> None:
        """Record what happened on the timelines; kind `unconfirmed` also sets the status."""
        ...

    async def adopted_sids(self, session: TenantSession, sids: Sequence[str]) -> set[str]:
        """Which of these Twilio SIDs already belong to a text of ours."""
        ...

    def status_callback(self, credentials: Credentials, message_id: UUID, attempt: int) -> str:
        """The address Twilio reports to, with message, attempt and a code that only this server can make."""
        ...
