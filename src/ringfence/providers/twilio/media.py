"""Fetches the files of inbound texts from Twilio, and from nowhere else.

A media address comes from outside, so it is checked before every step: the account's credentials go to the API
alone, and a redirect may lead only to where Twilio keeps files
(https://help.twilio.com/articles/223183748: mms.twiliocdn.com, formerly s3-external-1.amazonaws.com).
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from yarl import URL

from ringfence.providers.twilio.answers import read_capped
from ringfence.providers.twilio.api_url import at_base_url
from ringfence.providers.twilio.errors import MediaRefusedError, TwilioUnreachableError, raise_for_answer

_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# Old files are public objects in a bucket; the host alone is anybody's, the bucket's path is Twilio's.
_SHARED_HOST: Final = "s3-external-1.amazonaws.com"
_BUCKET: Final = "/media.twiliocdn.com/"


@dataclass(frozen=True, slots=True)
class FetchedMedia:
    """`content_type` is what the server claims, without parameters, in lower case: not to be trusted."""

    content_type: str
    data: bytes = field(repr=False)


async def fetch_media(
    session: aiohttp.ClientSession,
    url: str,
    *,
    base_url: str,
    authorization: str,
    max_bytes: int,
    timeout_seconds: float,
) -> FetchedMedia:
    """GET a media file, all redirects within one deadline.

    Raises MediaRefusedError (an address that is not Twilio's, more than `max_bytes`) and TwilioError.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _fetch(session, url, base_url, authorization, max_bytes)
    except TimeoutError:
        raise TwilioUnreachableError("timeout") from None
    except (aiohttp.ClientError, OSError):
        raise TwilioUnreachableError("connection") from None


async def _fetch(
    session: aiohttp.ClientSession, url: str, base_url: str, authorization: str, max_bytes: int
) -> FetchedMedia:
    api = _place(URL(base_url))
    current = _url(at_base_url(url, base_url))
    if _place(current) != api:
        raise MediaRefusedError("foreign_address")
    for _ in range(_MOST_REDIRECTS + 1):
        headers = {"Accept-Encoding": "identity"}
        if _place(current) == api:
            headers["Authorization"] = authorization
        elif not _is_store(current):
            raise MediaRefusedError("foreign_address")
        response = await session.get(current, headers=headers, allow_redirects=False)
        try:
            if response.status not in _REDIRECTS:
                return await _content(response, max_bytes)
            location = response.headers.get("Location", "")
        finally:
            response.release()
        current = _url(at_base_url(location, base_url), relative_to=current)
    raise TwilioUnreachableError("bad_answer")


async def _content(response: aiohttp.ClientResponse, max_bytes: int) -> FetchedMedia:
    if (response.content_length or 0) > max_bytes:
        raise MediaRefusedError("too_large")
    data = await read_capped(response, max_bytes)
    if data is None:
        raise MediaRefusedError("too_large")
    raise_for_answer(response.status, response.headers, data)
    return FetchedMedia(response.content_type.lower(), data)


def _url(text: str, *, relative_to: URL | None = None) -> URL:
    """The address as it is written: a signature in its query must not be re-encoded."""
    try:
        written = URL(text, encoded=True)
        url = relative_to.join(written) if relative_to is not None else written
        whole = url.scheme in {"http", "https"} and url.host and url.port is not None
    except ValueError:
        raise MediaRefusedError("foreign_address") from None
    if not whole or url.user is not None or url.password is not None:
        raise MediaRefusedError("foreign_address")
    return url


def _place(url: URL) -> tuple[str, str, int | None]:
    """Which server: the account's credentials go to the configured API's and to no other."""
    return url.scheme, (url.host or "").lower(), url.port


def _is_store(url: URL) -> bool:
    """Whether Twilio keeps files there."""
    scheme, host, port = _place(url)
    if (scheme, port) != ("https", 443):
        return False
    if host == _SHARED_HOST:
        return url.raw_path.startswith(_BUCKET) and ".." not in url.path
    return host.endswith((".twiliocdn.com", ".twilio.com"))
