"""The way into one Twilio account, on which every group of calls stands: session, client, and what answers must be."""

import logging
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from ringfence.providers.twilio.api_url import TWILIO_API_URL, checked_base_url
from ringfence.providers.twilio.errors import TwilioUnreachableError
from ringfence.providers.twilio.records import TwilioCredentials
from ringfence.providers.twilio.transport import Transport, new_session

LARGEST_PAGE: Final = 1000
_SID_LENGTH: Final = 34


class Connection:
    """One account, reached with its own credentials; groups of calls inherit from it, `TwilioAccount` from them."""

    def __init__(
        self,
        credentials: TwilioCredentials,
        *,
        api_url: str = TWILIO_API_URL,
        timeout_seconds: float = 30.0,
    ) -> None:
        self._credentials = credentials
        self._base_url = checked_base_url(api_url)
        self._timeout_seconds = timeout_seconds
        self._session: aiohttp.ClientSession | None = None
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        # Should any part of the SDK still log, phone numbers in addresses stay out of the log.
        logging.getLogger("twilio").setLevel(logging.WARNING)
        self._session = new_session()
        self._client = Client(
            self._credentials.auth_user,
            self._credentials.auth_secret,
            account_sid=self._credentials.account_sid,
            http_client=Transport(self._session, base_url=self._base_url, timeout_seconds=self._timeout_seconds),
            # Not empty, or the SDK reads another account's credentials from this process's environment.
            environment={"_": ""},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        self._session = self._client = None

    @property
    def _api(self) -> Client:
        if self._client is None:
            raise RuntimeError("use TwilioAccount in an `async with`")
        return self._client

    def _require_own(self, account_sid: str) -> None:
        if account_sid != self._credentials.account_sid:
            raise TwilioUnreachableError("bad_answer")


async def pages(page: Any, *, max_pages: int | None = None) -> AsyncIterator[Any]:
    """The SDK's page and those after it. A list that leads back to a page already read has no end: an error."""
    seen: set[str] = set()
    count = 1
    while True:
        yield page
        following = page.next_page_url
        if following is None or count == max_pages:
            return
        if following in seen:
            raise TwilioUnreachableError("bad_answer")
        seen.add(following)
        page = await page.next_page_async()
        count += 1


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
