"""Bodies and answers of syncs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from ringfence.features.phone_numbers.schemas import NumbersSyncStatus
from ringfence.features.sync.model import SyncRun
from ringfence.web.schemas import Answer, Body


class SyncBody(Body):
    """How far back to look; without a body the first sync takes the whole history, and later ones what is new."""

    since: AwareDatetime | None = Field(default=None, description="Only what Twilio has since this instant.")
    whole: bool = Field(default=False, description="The whole history again.")

    @model_validator(mode="after")
    def _one_beginning(self) -> Self:
        if self.whole and self.since is not None:
            raise ValueError("give since or whole, not both")
        return self


class StageAnswer(Answer):
    """What a stage did. `changed` are rows about which something was new; `skipped` says why, and how many."""

    name: str
    state: str
    seen: int = 0
    added: int = 0
    changed: int = 0
    recovered: int = 0
    statuses_fixed: int = 0
    prices_filled: int = 0
    skipped: Mapping[str, int] = Field(default_factory=dict)


class RunAnswer(Answer):
    """One run. `error` says in words what went wrong; with `waits_until` it goes on by itself then."""

    id: UUID
    kind: str
    status: str
    stage: str | None
    since: datetime | None
    whole: bool
    stages: Sequence[StageAnswer]
    waits_until: datetime | None
    error_code: str | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    finished_at: datetime | None

    @classmethod
    def about(cls, run: SyncRun) -> Self:
        """The answer for a run."""
        return cls(
            id=run.id,
            kind=run.kind,
            status=run.state,
            stage=None if run.finished_at else run.stage,
            since=run.asked_since,
            whole=run.whole,
            stages=[_stage(run, position, name) for position, name in enumerate(run.stages)],
            waits_until=run.waits_until,
            error_code=run.error_code,
            error=run.error,
            created_at=run.created_at,
            started_at=run.started_at,
            updated_at=run.updated_at,
            finished_at=run.finished_at,
        )


class MendedAnswer(Answer):
    """What standing sweeps mended. `in_words` says it in one line."""

    texts_recovered: int
    texts_added: int
    statuses_fixed: int
    prices_filled: int
    calls_added: int
    in_words: str

    @classmethod
    def about(cls, counts: Mapping[str, int]) -> Self:
        """The answer for sums by what was mended."""
        known = {name: counts.get(name, 0) for name in cls.model_fields if name != "in_words"}
        return cls(**known, in_words=_in_words(known))


class SweepsAnswer(Answer):
    """The standing sweep: how far it has looked, its last runs, and what was mended today and in seven days (UTC)."""

    looked_until: datetime | None
    runs: Sequence[RunAnswer]
    today: MendedAnswer
    week: MendedAnswer


class SyncStatusAnswer(Answer):
    """How the company stands to its Twilio account. `connection` is verified, unverified, suspended, or null."""

    connection: str | None
    phone_numbers: NumbersSyncStatus
    current: RunAnswer | None
    runs: Sequence[RunAnswer]
    sweeps: SweepsAnswer


def _stage(run: SyncRun, position: int, name: str) -> StageAnswer:
    if position < run.done:
        state = "done"
    elif position > run.done:
        state = "waiting"
    else:
        state = run.state
    return StageAnswer(name=name, state=state, **run.counts.get(name, {}))


def _in_words(counts: Mapping[str, int]) -> str:
    words = {
        "texts_recovered": ("text recovered", "texts recovered"),
        "texts_added": ("text sent elsewhere added", "texts sent elsewhere added"),
        "statuses_fixed": ("status fixed", "statuses fixed"),
        "prices_filled": ("price filled in", "prices filled in"),
        "calls_added": ("call added", "calls added"),
    }
    parts = [f"{counts[name]} {words[name][counts[name] != 1]}" for name in words if counts[name]]
    return ", ".join(parts) or "nothing to mend"
