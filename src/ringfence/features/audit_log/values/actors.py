"""Who acts, as the audit log writes it down."""

from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

ActorKind = Literal["user", "api_key", "system", "platform"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person, key, super admin or rule of this server, and the request it came with (if any)."""

    kind: ActorKind
    id: UUID | None
    name: str
    request_id: str | None = None
    address: str | None = None

    @property
    def user_id(self) -> UUID | None:
        """The person's id; None for keys, super admins and the server itself."""
        return self.id if self.kind == "user" else None


SYSTEM = Actor(kind="system", id=None, name="Ringfence")
"""The server itself: its rules, sweeps and schedules."""

COMMAND_LINE = Actor(kind="system", id=None, name="command line")
"""Whoever runs `ringfence …` on the server."""


class Requester(Protocol):
    """What anybody who sends a request has (`ringfence.web.caller.PlatformCaller` is one)."""

    @property
    def id(self) -> UUID: ...  # noqa: D102  # the class says it
    @property
    def name(self) -> str: ...  # noqa: D102  # the class says it
    @property
    def request_id(self) -> str: ...  # noqa: D102  # the class says it
    @property
    def address(self) -> str: ...  # noqa: D102  # the class says it


class CompanyRequester(Requester, Protocol):
    """A person or key of a company, or a super admin inside it (`ringfence.web.caller.Caller` is one)."""

    @property
    def kind(self) -> Literal["user", "api_key", "platform"]: ...  # noqa: D102  # the class says it


def actor_of(caller: CompanyRequester) -> Actor:
    """The actor a company's request stands for."""
    return Actor(kind=caller.kind, id=caller.id, name=caller.name, request_id=caller.request_id, address=caller.address)


def platform_actor_of(caller: Requester) -> Actor:
    """The actor a super admin's request stands for."""
    return Actor(kind="platform", id=caller.id, name=caller.name, request_id=caller.request_id, address=caller.address)
