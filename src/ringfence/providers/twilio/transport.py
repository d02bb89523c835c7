"""Carries the SDK's requests over aiohttp with real deadlines.

The SDK's own carriers are not used: the synchronous one bounds each read but not the whole request, and a
thread that waits cannot be cancelled; the asynchronous one ignores its timeout and its retries repeat POSTs.
This one has one deadline per request, stops when it is cancelled, never repeats and never follows a redirect,
caps what it reads, logs nothing (the SDK's logs hold phone numbers) and turns every failure into this room's
errors before the SDK can give it one of its three shapes.
"""

import asyncio
import logging
from typing import Final
from urllib.parse import urlencode

import aiohttp
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from typing_extensions import override
from yarl import URL

from ringfence.providers.twilio.answers import basic_authorization, read_capped
from ringfence.providers.twilio.api_url import at_base_url, is_twilio
from ringfence.providers.twilio.errors import TwilioUnreachableError, raise_for_answer

_LARGEST_ANSWER_BYTES: Final = 16 * 1024 * 1024  # a page of 1000 numbers is about 2 MB
_CONNECT_SECONDS: Final = 10.0


def new_session() -> aiohttp.ClientSession:
    """A session that carries nothing from one company to another: no cookies, no .netrc, no proxy by chance."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        trust_env=False,
    )


class Transport(AsyncHttpClient):
    """The SDK's `http_client`: every request goes to `base_url` and ends within `timeout_seconds`."""

    def __init__(self, session: aiohttp.ClientSession, *, base_url: str, timeout_seconds: float) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True, timeout=timeout_seconds)
        self._session = session
        self._base_url = base_url
        self._timeout_seconds = timeout_seconds

    @override
    async def request(
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """One exchange; only 2xx answers come back. Raises TwilioError.

        `timeout` and `allow_redirects` belong to the SDK's interface; the limits set here always hold.
        """
        del timeout, allow_redirects
        url = at_base_url(uri, self._base_url)
        if not is_twilio(url, self._base_url):
            raise TwilioUnreachableError("bad_answer")  # a page link that leads elsewhere gets no credentials
        if params:
            url += ("&" if "?" in url else "?") + urlencode(params, doseq=True)
        sent_headers = dict(headers or {})
        if auth is not None:
            sent_headers["Authorization"] = basic_authorization(*auth)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._session.request(
                    method,
                    URL(url, encoded=True),
                    data=urlencode(data or {}, doseq=True).encode("ascii") if method == "POST" else None,
                    headers=sent_headers,
                    allow_redirects=False,
                )
                try:
                    body = await read_capped(response, _LARGEST_ANSWER_BYTES)
                finally:
                    response.release()
        except TimeoutError:
            raise TwilioUnreachableError("timeout") from None
        except (aiohttp.ClientError, OSError):
            raise TwilioUnreachableError("connection") from None
        if body is None:
            raise TwilioUnreachableError("bad_answer")
        raise_for_answer(response.status, response.headers, body)
        return Response(response.status, body.decode("utf-8", "replace"), response.headers)
