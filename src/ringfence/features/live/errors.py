"""Failures of the live room."""

from ringfence.errors import TooManyRequestsError
from ringfence.features.live.values import RETRY_SECONDS


class TooManyStreamsError(TooManyRequestsError):
    """This process streams as much as it may, for the caller, the company or altogether."""

    def __init__(self, of_whom: str) -> None:
        super().__init__(
            "too_many_streams",
            f"Too many live streams {of_whom} are open; close one first.",
            {"retry_after_seconds": int(RETRY_SECONDS)},
        )
