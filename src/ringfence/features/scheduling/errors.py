"""Failures of the scheduling room. Codes are stable."""

from ringfence.errors import ConflictError


class NotPendingError(ConflictError):
    """What has been sent, canceled or given up cannot be changed any more."""

    def __init__(self, status: str) -> None:
        super().__init__(
            "not_pending", f"This scheduled text is {status}; only a pending one changes.", {"status": status}
        )
