"""The one family of failures of control-plane calls to Twilio (everything but sending a text).

    TwilioError
    ├── TwilioRefusedError          Twilio answered no, with a code
    │   ├── BadCredentialsError     the account's credentials are not accepted
    │   ├── AccountSuspendedError   the account is suspended or closed
    │   └── NotFoundAtTwilioError   there is no such thing in this account
    ├── TwilioUnreachableError      no usable answer; worth another try later
    └── MediaRefusedError           a media file is too large or lies at an address that is not Twilio's

Messages are one line for people and hold no secret, number or text of a message.
"""

from collections.abc import Mapping
from typing import Final, Literal

from ringfence.providers.twilio.answers import error_code, retry_after_seconds
from ringfence.providers.twilio.codes import TwilioCode, explain

UnreachableReason = Literal["timeout", "connection", "server_error", "busy", "bad_answer"]

_UNREACHABLE_TEXTS: Final[dict[UnreachableReason, str]] = {
    "timeout": "Twilio did not answer in time",
    "connection": "Twilio could not be reached",
    "server_error": "Twilio has a fault",
    "busy": "Twilio has too many requests from this account under way",
    "bad_answer": "Twilio answered something that is not its API",
}
_CREDENTIALS_CODE: Final = 20003
_SUSPENDED_CODES: Final = frozenset({20005, 30002})


class TwilioError(Exception):
    """Any failure of a control-plane call."""


class TwilioRefusedError(TwilioError):
    """Twilio refused: `code` is its error code (None if it gave none), `status` the HTTP status."""

    def __init__(self, code: int | None, status: int) -> None:
        self.code = code
        self.status = status
        super().__init__(f"{self.explanation.meaning} (HTTP {status}, code {code})")

    @property
    def explanation(self) -> TwilioCode:
        """What the code means and how to mend it."""
        return explain(self.code)


class BadCredentialsError(TwilioRefusedError):
    """Account SID, auth token or key are wrong, or the key lacks the permission."""


class AccountSuspendedError(TwilioRefusedError):
    """The account may not be used until it is settled with Twilio."""


class NotFoundAtTwilioError(TwilioRefusedError):
    """The resource does not exist in this account, or no longer."""


class TwilioUnreachableError(TwilioError):
    """No usable answer. What was asked for may or may not have been done; reading again is always safe.

    `retry_after` is in seconds, if Twilio asked for a pause.
    """

    def __init__(self, reason: UnreachableReason, *, retry_after: float | None = None) -> None:
        self.reason = reason
        self.retry_after = retry_after
        super().__init__(_UNREACHABLE_TEXTS[reason])


class MediaRefusedError(TwilioError):
    """A media file that is not fetched, now or later."""

    def __init__(self, reason: Literal["too_large", "foreign_address"]) -> None:
        self.reason = reason
        super().__init__(
            "The attachment is too large"
            if reason == "too_large"
            else "The attachment's address does not belong to Twilio"
        )


def raise_for_answer(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Return for a 2xx; raise the family's error for any other answer."""
    if 200 <= status < 300:
        return
    if status >= 500:
        raise TwilioUnreachableError("server_error")
    if status == 429:
        raise TwilioUnreachableError("busy", retry_after=retry_after_seconds(headers.get("Retry-After")))
    if status < 400:
        raise TwilioUnreachableError("bad_answer")
    code = error_code(body)
    if code in _SUSPENDED_CODES:
        raise AccountSuspendedError(code, status)
    if status == 401 or code == _CREDENTIALS_CODE:
        raise BadCredentialsError(code, status)
    if status == 404:
        raise NotFoundAtTwilioError(code, status)
    raise TwilioRefusedError(code, status)
