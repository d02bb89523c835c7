"""What may stand in a company's settings."""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal
from zoneinfo import available_timezones

import phonenumbers

from ringfence.errors import InvalidInputError
from ringfence.jobqueue.jobs import Job

CompanyStatus = Literal["active", "suspended"]
OptOutScope = Literal["company", "pair"]
AgentsSee = Literal["all", "own_and_unassigned"]

DEFAULT_REGION = "US"

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

# Names of the tz database that mean "whatever this machine has", not a place.
_NO_PLACES = {"Factory", "localtime"}


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones() - _NO_PLACES)


def check_time_zone(name: str) -> str:
    """The name itself if it is a zone of the tz database, such as America/Phoenix. Raises InvalidInputError."""
    if name not in _time_zones():
        raise InvalidInputError("unknown_time_zone", "time_zone must be a tz database name such as America/Phoenix.")
    return name


def check_region(code: str) -> str:
    """The region in capitals if the numbering plans know it: an ISO 3166 code such as US. Raises InvalidInputError."""
    region = code.upper()
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidInputError("unknown_region", "default_region must be a country code such as US or MX.")
    return region


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewHeld(Job):
    """The company's rules have changed: ask the gate again about every text that they hold."""

    kind: ClassVar[str] = "companies.review_held"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshHealth(Job):
    """Work out how the company is doing, for the list that super admins see."""

    kind: ClassVar[str] = "platform.refresh_health"
