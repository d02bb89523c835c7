"""Tables of the sync room."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.features.sync.values import KINDS, STATES
from ringfence.tenancy.tables import CompanyColumn, TenantTable, one_of, tenant_args


class SyncRun(TenantTable, Base):
    """One run. `stages` are gone through in order, `done` of them are behind it; `cursor` is the page it stands at.

    `step` counts up with everything the run does, so that of two workers at one page one finds itself overtaken.
    `standing` marks the sweep that comes round by itself; of each sort one run of a company is under way at a time.
    """

    __tablename__ = "sync_runs"
    __table_args__ = tenant_args(
        one_of("kind", KINDS),
        one_of("state", STATES),
        Index(
            "uq_sync_runs_under_way",
            "company_id",
            "standing",
            unique=True,
            postgresql_where=text("finished_at IS NULL"),
        ),
        Index(None, "company_id", "created_at", "id"),
    )

    kind: Mapped[str]
    standing: Mapped[bool]
    state: Mapped[str]
    account_sid: Mapped[str]
    stages: Mapped[list[str]]
    done: Mapped[int] = mapped_column(server_default=text("0"))
    asked_since: Mapped[datetime | None] = mapped_column(default=None)
    whole: Mapped[bool]
    stage_since: Mapped[datetime | None] = mapped_column(default=None)
    stage_began: Mapped[datetime | None] = mapped_column(default=None)
    cursor: Mapped[str | None] = mapped_column(default=None)
    step: Mapped[int] = mapped_column(server_default=text("0"))
    counts: Mapped[dict[str, Any]]
    # Rows added, changed or recovered, over all stages.
    news: Mapped[int] = mapped_column(server_default=text("0"))
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    waits_until: Mapped[datetime | None] = mapped_column(default=None)
    error_code: Mapped[str | None] = mapped_column(default=None)
    error: Mapped[str | None] = mapped_column(default=None)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None] = mapped_column(default=None)
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None] = mapped_column(default=None)

    @property
    def stage(self) -> str | None:
        """The stage it is in; None when all are done."""
        return self.stages[self.done] if self.done < len(self.stages) else None


class SyncMark(CompanyColumn, Base):
    """Up to when an account's log has been looked at, for each stage and for the sweep."""

    __tablename__ = "sync_marks"
    __table_args__ = tenant_args()

    mark: Mapped[str] = mapped_column(primary_key=True)
    account_sid: Mapped[str]
    looked_until: Mapped[datetime]


class SyncMended(CompanyColumn, Base):
    """How much the standing sweeps mended on a day (UTC), by what it was."""

    __tablename__ = "sync_mended"
    __table_args__ = tenant_args()

    day: Mapped[date] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    last_at: Mapped[datetime]
