"""Around the SDK: its answers are read without being checked, and identifiers become part of addresses."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from twilio.base.exceptions import TwilioException

from ringfence.providers.twilio.errors import TwilioUnreachableError

_SID_LENGTH: Final = 34


@contextmanager
def unusable_is_unreachable() -> Generator[None]:
    """An answer that the SDK cannot use is no answer.

    It reads answers without checking them, so a wrong shape comes up as whichever error the code meets first.
    """
    try:
        yield
    except (TwilioException, ValueError, TypeError, LookupError, AttributeError):
        # Without its cause: that one holds the whole answer, with numbers and texts.
        raise TwilioUnreachableError("bad_answer") from None


def checked_sid(sid: str, *prefixes: str) -> str:
    """The SID, which becomes part of an address. Raises ValueError if it is none of these kinds."""
    if not (sid.startswith(prefixes) and len(sid) == _SID_LENGTH and sid.isascii() and sid.isalnum()):
        raise ValueError(f"not a Twilio identifier of kind {' or '.join(prefixes)}")
    return sid
