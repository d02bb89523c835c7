"""Bodies and answers of opt-outs."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from ringfence.features.consent.model import OptOut
from ringfence.web.schemas import Answer, Body

Evidence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class OptOutCreate(Body):
    """Block an outside number, for the whole company or from one of its numbers."""

    outside_number: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)] = Field(
        description="As people write it; read in the company's default region."
    )
    scope: Literal["company", "pair"] = "company"
    phone_number_id: UUID | None = Field(default=None, description="The company's number, for scope `pair` only.")
    evidence: Evidence | None = Field(default=None, description="How the contact asked for it.")

    @model_validator(mode="after")
    def _pair_names_number(self) -> "OptOutCreate":
        if (self.scope == "pair") != (self.phone_number_id is not None):
            raise ValueError("phone_number_id goes with scope pair, and only with it")
        return self


class OptOutEnd(Body):
    """What shows that the contact wants texts again."""

    evidence: Evidence


class OptOutAnswer(Answer):
    """An opt-out from its beginning to its end; `phone_number_id` is null when it holds for the whole company."""

    id: UUID
    outside_number: str
    scope: str
    phone_number_id: UUID | None
    source: str
    evidence: dict[str, Any]
    created_by: UUID | None
    created_at: datetime
    ended_at: datetime | None
    ended_by: UUID | None
    ended_source: str | None
    ended_evidence: dict[str, Any] | None


EXPORT_COLUMNS = (
    "outside_number",
    "scope",
    "our_number",
    "source",
    "since",
    "evidence",
    "ended_at",
    "ended_source",
    "ended_evidence",
)


def exported_row(opt_out: OptOut, our_number: str | None) -> Sequence[str]:
    """One line of the export, in the order of EXPORT_COLUMNS; instants are ISO 8601 in UTC, evidence is JSON."""
    return (
        opt_out.outside_number,
        opt_out.scope,
        our_number or "",
        opt_out.source,
        opt_out.created_at.isoformat(),
        json.dumps(opt_out.evidence),
        opt_out.ended_at.isoformat() if opt_out.ended_at else "",
        opt_out.ended_source or "",
        json.dumps(opt_out.ended_evidence) if opt_out.ended_evidence else "",
    )
