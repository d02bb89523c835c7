"""Requests and answers of the companies room."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from ringfence.features.companies.schemas.texting import ChangeTexting, TextingRules
from ringfence.features.companies.values import AgentsSee, OptOutScope
from ringfence.web.schemas import Answer, Body

CompanyName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
ZoneName = Annotated[str, StringConstraints(max_length=64)]
RegionCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2}$")]


class CompanyAnswer(Answer):
    """A company as its own people see it."""

    id: UUID
    name: str
    time_zone: str
    default_region: str
    opt_out_scope: OptOutScope
    agents_see: AgentsSee
    texting: TextingRules
    created_at: datetime


class ChangeCompany(Body):
    """What to change; a field left out or null stays as it is."""

    name: CompanyName | None = None
    time_zone: ZoneName | None = None
    default_region: RegionCode | None = None
    opt_out_scope: OptOutScope | None = None
    agents_see: AgentsSee | None = Field(
        default=None, description="Which conversations agents see; managers and admins see all of them."
    )
    texting: ChangeTexting | None = None


class CreateCompany(Body):
    """A new company."""

    name: CompanyName
    time_zone: ZoneName = "UTC"
    default_region: RegionCode = "US"
