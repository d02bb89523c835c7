"""Failures of connecting a company to Twilio, and Twilio's own failures in this product's words.

Codes are stable: `twilio_credentials_refused`, `twilio_account_suspended`, `twilio_refused`, `twilio_unreachable`,
`twilio_connected`, `twilio_not_connected`, `twilio_settings_changed`, `auth_token_needed`.
No message holds a token, a whole number, or Twilio's free text.
"""

from collections.abc import Generator
from contextlib import contextmanager

from ringfence.errors import ConfigurationError, ConflictError, InvalidInputError, UpstreamError
from ringfence.features.twilio_settings.values import EXPLANATIONS, StatusReason
from ringfence.providers.twilio.errors import (
    AccountSuspendedError,
    BadCredentialsError,
    TwilioError,
    TwilioRefusedError,
    TwilioUnreachableError,
)


class WebhookRefusedError(Exception):
    """A webhook is not let in; `reason` is counted and never told."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CredentialsRefusedError(InvalidInputError):
    """Twilio does not accept this Account SID with this auth token."""

    def __init__(self) -> None:
        super().__init__(
            "twilio_credentials_refused",
            "Twilio does not accept this Account SID with this auth token.",
            {"fix": "Copy both from the Twilio console; an API key does not work here. What was stored stays."},
        )


class AccountUnusableError(InvalidInputError):
    """The account is suspended or closed at Twilio."""

    def __init__(self, reason: StatusReason = "account_suspended") -> None:
        explanation = EXPLANATIONS[reason]
        super().__init__("twilio_account_suspended", explanation.reason, {"reason": reason, "fix": explanation.fix})
        self.reason: StatusReason = reason


class AlreadyConnectedError(ConflictError):
    """The company has Twilio settings already."""

    def __init__(self) -> None:
        super().__init__(
            "twilio_connected", "A Twilio account is connected already; replace its credentials, or disconnect it."
        )


class NotConnectedError(ConflictError):
    """The company has no Twilio settings."""

    def __init__(self) -> None:
        super().__init__("twilio_not_connected", "Connect a Twilio account first.")


class SettingsChangedError(ConflictError):
    """Somebody else changed the connection while Twilio was being asked."""

    def __init__(self) -> None:
        super().__init__("twilio_settings_changed", "Somebody else has just changed the Twilio settings; look again.")


class TokenNeededError(InvalidInputError):
    """Another account needs its own token."""

    def __init__(self) -> None:
        super().__init__("auth_token_needed", "Another Account SID needs its own auth token.")


class TokenUnreadableError(ConfigurationError):
    """No key of SECRET_KEYS opens the stored token."""

    def __init__(self) -> None:
        super().__init__(
            "RINGFENCE_SECRET_KEYS no longer opens a stored Twilio token: add the key it was sealed with,"
            " or save the token again."
        )


@contextmanager
def in_plain_words() -> Generator[None]:
    """Turn the Twilio client's errors into ours: 422 for credentials or account, 502 for everything else."""
    try:
        yield
    except AccountSuspendedError:
        raise AccountUnusableError from None
    except BadCredentialsError:
        raise CredentialsRefusedError from None
    except TwilioRefusedError as error:
        raise UpstreamError(
            "twilio_refused",
            error.explanation.meaning,
            {"twilio_code": error.code, "fix": error.explanation.fix},
        ) from None
    except TwilioUnreachableError as error:
        wait = {} if error.retry_after is None else {"retry_after_seconds": round(error.retry_after)}
        raise UpstreamError("twilio_unreachable", f"{error}; nothing was changed.", wait) from None
    except TwilioError as error:
        raise UpstreamError("twilio_refused", f"{error}.") from None
