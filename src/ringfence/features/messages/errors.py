"""Failures of the messages room. Codes are stable."""

from uuid import UUID

from ringfence.errors import ConflictError


class UnderWayError(ConflictError):
    """The text is on its way to Twilio: it can neither be taken back nor deleted, nor sent a second time."""

    def __init__(self) -> None:
        super().__init__("under_way", "This text is under way; wait until its outcome is known.")


class NotRetryableError(ConflictError):
    """Only a text that certainly, or as far as can be known, did not arrive may be sent again."""

    def __init__(self, status: str) -> None:
        super().__init__("not_retryable", f"A text that is {status} is not sent again.", {"status": status})


class RetriedError(ConflictError):
    """The text was sent again already, and that one is not lost; `fields["message_id"]` names it."""

    def __init__(self, message_id: UUID) -> None:
        super().__init__("retried", "This text was sent again already.", {"message_id": str(message_id)})


class NotHeldError(ConflictError):
    """Only a text that waits for the company's hours or budget can be let go."""

    def __init__(self, status: str) -> None:
        super().__init__("not_held", f"This text is {status}; only a held one is let go.", {"status": status})
