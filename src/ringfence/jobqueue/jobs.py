"""The words of background work: a job is a small frozen record of ids, a handler does it for one company."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from ringfence.tenancy.sessions import Tenancy


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Base of all jobs: frozen dataclasses with a `kind`; fields are ids or plain values, never content."""

    kind: ClassVar[str]


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a handler gets: whose job it is, and the way to open that company's session."""

    tenancy: Tenancy
    company_id: UUID


Handler = Callable[[JobContext, Any], Awaitable[None]]
