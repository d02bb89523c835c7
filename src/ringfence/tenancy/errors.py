"""Failures of the fence. None of them is for a caller's eyes: each is a fault of the server itself."""

from sqlalchemy.exc import DBAPIError


class FenceError(Exception):
    """A guard of the fence fired: the statement was not sent, or the server must not run."""


class NoCompanyError(FenceError):
    """A tenant table was touched without a company context."""


class UnscopedStatementError(FenceError):
    """A statement does not name the session's own company for every tenant table it touches."""


# Raised by the policies: never-set and was-set contexts differ (undefined_object, invalid_text_representation).
_NO_CONTEXT_STATES = {"42704", "22P02"}
_CONTEXT_NAME = "ringfence.company_id"


def is_no_company(error: DBAPIError) -> bool:
    """Whether a database error means that a policy found no company context."""
    state = getattr(error.orig, "sqlstate", None)
    text = str(error.orig)
    return state in _NO_CONTEXT_STATES and (_CONTEXT_NAME in text or 'type uuid: ""' in text)
