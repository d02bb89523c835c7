"""Table of the platform room."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.tenancy.tables import directory_table, one_of

SETTINGS_STATES = ("none", "verified", "unverified", "suspended")


class CompanyHealth(Base):
    """How a company is doing: counts, times and codes that its own session last worked out, and no content."""

    __tablename__ = "company_health"
    __table_args__ = (
        one_of("settings_state", SETTINGS_STATES),
        {"info": directory_table("how each company is doing, for super admins: counts, times and error codes only")},
    )

    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id"), primary_key=True)
    settings_state: Mapped[str]
    # A stable word such as credentials_refused.
    settings_reason: Mapped[str | None]
    settings_since: Mapped[datetime]
    numbers: Mapped[int]
    queued: Mapped[int]
    waiting_since: Mapped[datetime | None]
    last_error_code: Mapped[int | None]
    last_error_at: Mapped[datetime | None]
    last_activity_at: Mapped[datetime | None]
    checked_at: Mapped[datetime]
