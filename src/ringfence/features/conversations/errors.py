"""What can be wrong with an act on a conversation."""

from ringfence.errors import ForbiddenError, InvalidInputError


class NotYoursError(ForbiddenError):
    """The text or call would go into a conversation that somebody else looks after and the caller may not see.

    It says that there is one: the other choice would be to let two people talk past each other to one customer.
    """

    def __init__(self) -> None:
        super().__init__("not_your_conversation", "Somebody else looks after the conversation with this number.")


class AssigneeError(InvalidInputError):
    """Nobody, somebody of another company and somebody suspended look the same."""

    def __init__(self) -> None:
        super().__init__("assignee", "assigned_to must be an active person of this company.")
