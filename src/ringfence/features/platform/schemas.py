"""Requests and answers of the platform room."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, StringConstraints

from ringfence.features.companies.model import Company
from ringfence.features.companies.values import CompanyStatus
from ringfence.features.platform.model import CompanyHealth
from ringfence.features.platform.values import SettingsState
from ringfence.providers.twilio.codes import explain
from ringfence.web.schemas import Answer, Body

LONGEST_MINUTES = 30


class TwilioState(Answer):
    """Whether the company's Twilio settings are verified, and since when it is so."""

    state: SettingsState
    reason: str | None
    since: datetime


class LastError(Answer):
    """The error of the latest text for which Twilio reported one."""

    code: int
    meaning: str
    at: datetime


class HealthAnswer(Answer):
    """How a company was doing at `checked_at`: counts, times and codes."""

    twilio_settings: TwilioState
    numbers: int
    queued: int = Field(description="Texts that are not settled with Twilio yet.")
    waiting_since: datetime | None = Field(description="Since when the oldest text waits that may go out now.")
    last_error: LastError | None
    last_activity_at: datetime | None = Field(description="The last log-in, text or call.")
    checked_at: datetime

    @classmethod
    def about(cls, row: CompanyHealth) -> Self:
        """From what is kept."""
        error = None
        if row.last_error_code is not None and row.last_error_at is not None:
            meaning = explain(row.last_error_code).meaning
            error = LastError(code=row.last_error_code, meaning=meaning, at=row.last_error_at)
        return cls.model_validate(
            {
                "twilio_settings": {
                    "state": row.settings_state,
                    "reason": row.settings_reason,
                    "since": row.settings_since,
                },
                "numbers": row.numbers,
                "queued": row.queued,
                "waiting_since": row.waiting_since,
                "last_error": error,
                "last_activity_at": row.last_activity_at,
                "checked_at": row.checked_at,
            }
        )


class PlatformCompanyAnswer(Answer):
    """A company as super admins see it: no content. `health` is null until it was worked out for the first time."""

    id: UUID
    name: str
    status: CompanyStatus
    time_zone: str
    created_at: datetime
    health: HealthAnswer | None

    @classmethod
    def about(cls, company: Company, health: CompanyHealth | None) -> Self:
        """From both rows."""
        return cls.model_validate(
            {
                "id": company.id,
                "name": company.name,
                "status": company.status,
                "time_zone": company.time_zone,
                "created_at": company.created_at,
                "health": HealthAnswer.about(health) if health else None,
            }
        )


class ChangeCompanyStatus(Body):
    """Suspend a company or make it active again."""

    status: CompanyStatus


class EnterCompany(Body):
    """Which company to enter, why, and for how many minutes. The reason shows in the company's audit log."""

    company_id: UUID
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=5, max_length=500)]
    minutes: Annotated[int, Field(ge=1, le=LONGEST_MINUTES)] = LONGEST_MINUTES
