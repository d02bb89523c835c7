"""The words of background work: a job is a small frozen record of ids, a handler does it for one company."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from ringfence.tenancy.sessions import Tenancy


class AbandonedJobError(Exception):
    """Doing this job again cannot help; it is set aside as failed at once. The message is one line, without content."""


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
"""Does one job. May run twice for the same job (a worker can die after the work), so it must not mind."""

Handlers = Mapping[type[Job], Handler]


@cache
def _reader(kind: type[Job]) -> TypeAdapter[Job]:
    """Building one takes milliseconds, so each kind's is kept."""
    return TypeAdapter(kind)


def to_fields(job: Job) -> str:
    """A job's fields as a JSON object."""
    return _reader(type(job)).dump_json(job).decode()


def from_fields(kind: type[Job], stored: object) -> Job:
    """The job that `to_fields` stored. Raises AbandonedJobError when the fields are not those of this kind."""
    names = {field.name for field in fields(kind)}
    if not isinstance(stored, dict) or stored.keys() - names:
        raise AbandonedJobError(f"job {kind.kind} carries fields that it does not have")
    try:
        return _reader(kind).validate_python(stored)
    except ValidationError as error:
        where = ", ".join(str(item["loc"][0]) for item in error.errors() if item["loc"])
        raise AbandonedJobError(f"job {kind.kind} carries unusable fields: {where}") from None
