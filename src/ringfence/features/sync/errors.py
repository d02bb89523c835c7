"""Failures of the sync room. Codes are stable."""

from ringfence.errors import ConflictError


class AccountChangedError(ConflictError):
    """The account that was being synced is no longer the company's."""

    def __init__(self) -> None:
        super().__init__("twilio_account_changed", "Another Twilio account, or none, is connected now; sync again.")
