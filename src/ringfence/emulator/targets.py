"""Webhook addresses: what is requested and signed, and the connection overrides in the fragment.

Rules: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

TOTAL_SECONDS = 15.0
_CONNECT_SECONDS = 5.0
_POLICIES = frozenset({"4xx", "5xx", "ct", "rt", "all"})


@dataclass(frozen=True, slots=True)
class Target:
    """One address. `url` has neither fragment nor userinfo; everything else stands byte for byte as configured."""

    url: str
    host: str
    userinfo: str
    retries: int
    policies: frozenset[str]
    connect_seconds: float
    read_seconds: float
    total_seconds: float

    def retries_on(self, failure: str) -> bool:
        """Whether a failure (`ct`, `rt`, `4xx`, `5xx`) is one to try again after."""
        return failure in self.policies or "all" in self.policies


def read_target(address: str) -> Target:
    """Take an address apart. Raises ValueError if it is not http(s) with a host."""
    plain, _, fragment = address.partition("#")
    scheme, separator, rest = plain.partition("://")
    end = min((place for mark in "/?" if (place := rest.find(mark)) >= 0), default=len(rest))
    userinfo, _, authority = rest[:end].rpartition("@")
    host = urlsplit(f"//{authority}").hostname
    if scheme.lower() not in {"http", "https"} or not separator or not host:
        raise ValueError("not an http(s) address")
    overrides = dict(parse_qsl(fragment))
    policies = frozenset(overrides.get("rp", "ct").split(",")) & _POLICIES
    return Target(
        url=f"{scheme}://{authority}{rest[end:]}",
        host=host,
        userinfo=userinfo,
        retries=_whole(overrides.get("rc"), 1, low=0, high=5),
        policies=policies or frozenset({"ct"}),
        connect_seconds=_whole(overrides.get("ct"), int(_CONNECT_SECONDS * 1000), low=100, high=10_000) / 1000,
        read_seconds=_whole(overrides.get("rt"), int(TOTAL_SECONDS * 1000), low=100, high=15_000) / 1000,
        total_seconds=_whole(overrides.get("tt"), int(TOTAL_SECONDS * 1000), low=100, high=15_000) / 1000,
    )


def _whole(text: str | None, default: int, *, low: int, high: int) -> int:
    if text is None or not (text.isascii() and text.isdigit()):
        return default
    return max(low, min(high, int(text)))


def usable_callback(address: str) -> bool:
    """Whether Twilio takes an address as StatusCallback: http(s), a host without underscore, 4,000 characters."""
    try:
        target = read_target(address)
    except ValueError:
        return False
    return len(address) <= 4000 and "_" not in target.host and " " not in target.url
