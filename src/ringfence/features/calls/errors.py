"""Failures of the calls room. Codes are stable."""

from uuid import UUID

from ringfence.errors import ConflictError, InvalidInputError, RefusedError


class NoPhoneError(RefusedError):
    """Nobody's telephone can be rung for this call."""

    def __init__(self) -> None:
        super().__init__("no_phone", "Set your own telephone number first (PUT /api/users/{id}/phone): it rings first.")


class UserNeededError(InvalidInputError):
    """A call by API key has to say whose telephone rings."""

    def __init__(self) -> None:
        super().__init__("user_needed", "With an API key, user_id says whose telephone rings first.")


class OwnNumberError(RefusedError):
    """The call would ring one of the company's own numbers, or the person who calls."""

    def __init__(self) -> None:
        super().__init__("own_number", "This call would lead back to the company's own number or to whoever calls.")


class CallUnderWayError(ConflictError):
    """The same call was asked for a moment ago; `fields["call_id"]` names it."""

    def __init__(self, call_id: UUID) -> None:
        super().__init__("call_under_way", "This call is being made already.", {"call_id": str(call_id)})


class NotOverError(ConflictError):
    """What can only be done to a call that has ended."""

    def __init__(self) -> None:
        super().__init__("not_over", "This call has not ended yet.")


class OverError(ConflictError):
    """What can only be done to a call that lasts."""

    def __init__(self) -> None:
        super().__init__("over", "This call has ended.")
