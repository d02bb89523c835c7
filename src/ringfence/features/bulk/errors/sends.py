"""What can be wrong with a bulk send."""

from ringfence.errors import ConflictError, InvalidInputError


class BulkStateError(ConflictError):
    """The bulk send is not in a state in which this can be done; `fields["status"]` says where it is."""

    def __init__(self, detail: str, status: str) -> None:
        super().__init__("bulk_state", detail, {"status": status})


class ListNotReadyError(ConflictError):
    """The list of recipients is still being read, or could not be."""

    def __init__(self, status: str) -> None:
        super().__init__("list_not_ready", "This list is not ready; only a ready one can be sent to.", {"list": status})


class NobodyError(InvalidInputError):
    """There is nobody to send to."""

    def __init__(self) -> None:
        super().__init__("no_recipients", "There is nobody to send this to.")


class NothingToTestError(InvalidInputError):
    """No recipient's text can be filled in, so there is none to try."""

    def __init__(self) -> None:
        super().__init__("nothing_to_test", "None of the first recipients would get a text; look at the rehearsal.")
