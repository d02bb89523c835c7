"""What can go wrong, as data: a stable code, one clear line, and fields for machines.

RingfenceError
├── InvalidInputError        the request's content is wrong
├── UnauthenticatedError     nobody, or somebody we no longer know
├── ForbiddenError           known, but not allowed
├── NotFoundError            absent, or another company's: the two look the same
├── ConflictError            clashes with what is stored
├── RefusedError             the gate refuses this text
├── TooManyRequestsError     slow down
├── BusyError                too much is waiting already
├── UpstreamError            Twilio refused or could not be reached
└── ConfigurationError       the server is set up wrongly; the line names the setting and the fix

HTTP statuses are assigned in `ringfence.web.problems` only.
"""

from collections.abc import Mapping


class RingfenceError(Exception):
    """Base of all errors that people may read: `code` is stable, `detail` is one sentence."""

    def __init__(self, code: str, detail: str, fields: Mapping[str, object] | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fields: dict[str, object] = dict(fields or {})


class InvalidInputError(RingfenceError):
    """The request's content is wrong; nothing was stored."""


class UnauthenticatedError(RingfenceError):
    """No valid credential came with the request."""

    def __init__(self, code: str = "unauthenticated", detail: str = "Log in, or send a valid API key.") -> None:
        super().__init__(code, detail)


class ForbiddenError(RingfenceError):
    """The caller is known but may not do this."""

    def __init__(self, code: str = "forbidden", detail: str = "Your role or key scope does not allow this.") -> None:
        super().__init__(code, detail)


class NotFoundError(RingfenceError):
    """The thing does not exist for this company. Another company's thing gives the same answer."""

    def __init__(self) -> None:
        super().__init__("not_found", "There is no such thing here.")


class ConflictError(RingfenceError):
    """The request clashes with what is stored; what was stored stays."""


class RefusedError(RingfenceError):
    """The gate refuses to send this text; `code` says why."""


class TooManyRequestsError(RingfenceError):
    """The caller has to wait; `fields["retry_after_seconds"]` says how long."""


class BusyError(RingfenceError):
    """The server has more work than it can queue; nothing was stored."""

    def __init__(self) -> None:
        super().__init__("busy", "The server is busy; try again in a moment.", {"retry_after_seconds": 1})


class UpstreamError(RingfenceError):
    """Twilio refused the call or could not be reached; what was stored stays."""


class ConfigurationError(RingfenceError):
    """The server cannot start or go on as it is set up."""

    def __init__(self, detail: str) -> None:
        super().__init__("configuration", detail)
