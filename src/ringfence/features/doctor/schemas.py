"""Answers of the doctor."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from ringfence.features.doctor.values.findings import Finding, worst
from ringfence.web.schemas import Answer


class ButtonAnswer(Answer):
    """A request of this API that mends it."""

    method: str
    path: str


class FindingAnswer(Answer):
    """One line of the doctor: `check` is a stable word; `button` is null where no request mends it."""

    check: str
    level: Literal["ok", "notice", "problem"]
    text: str
    fix: str | None
    button: ButtonAnswer | None
    numbers: list[str] = Field(description="Phone numbers it is about, twenty at most.")

    @classmethod
    def about(cls, finding: Finding) -> Self:
        """The answer for a finding."""
        button = finding.button
        return cls(
            check=finding.check,
            level=finding.level,
            text=finding.text,
            fix=finding.fix,
            button=None if button is None else ButtonAnswer(method=button.method, path=button.path),
            numbers=list(finding.numbers),
        )


class DoctorAnswer(Answer):
    """What the doctor found, just now; `level` is the worst of its lines."""

    checked_at: datetime
    level: Literal["ok", "notice", "problem"]
    findings: list[FindingAnswer]

    @classmethod
    def made_of(cls, findings: list[Finding], *, at: datetime) -> Self:
        """Put the lines together."""
        return cls(
            checked_at=at, level=worst(findings), findings=[FindingAnswer.about(finding) for finding in findings]
        )
