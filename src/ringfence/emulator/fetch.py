"""Media at an address: fetched from allowed hosts only, up to Twilio's size limit."""

import base64
import binascii
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import aiohttp
from yarl import URL

from ringfence.emulator.targets import read_target

MAX_MEDIA_BYTES = 5 * 1024 * 1024
_SECONDS = 15.0


class FetchError(Exception):
    """A file that could not be had; `code` is the error code the message gets."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file and its content type without parameters."""

    content_type: str
    content: bytes


async def fetch(session: aiohttp.ClientSession, url: str, allowed: Collection[str]) -> Fetched:
    """Fetch a file. Raises FetchError: 11200 no usable answer, 11751 over 5 MB, 12300 no content type."""
    try:
        host = read_target(url).host.lower()
    except ValueError:
        raise FetchError(11200, "the media URL is not valid") from None
    if host not in allowed:
        raise FetchError(11200, "the host of the media URL is not on the allow-list")
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with session.get(URL(url, encoded=True), timeout=timeout, allow_redirects=False) as response:
            if response.status != 200:
                raise FetchError(11200, f"the media URL answered {response.status}")
            content = await _limited(response)
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise FetchError(11200, f"the media URL did not answer: {type(error).__name__}") from None
    if not kind:
        raise FetchError(12300, "the media URL answered without a content type")
    return Fetched(kind, content)


async def _limited(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        content += chunk
        if len(content) > MAX_MEDIA_BYTES:
            raise FetchError(11751, "the media file is larger than 5 MB")
    return bytes(content)


def read_data_url(url: str) -> Fetched:
    """The file in a `data:` URL, as the phones page sends pictures. Raises FetchError 12300 or 11751."""
    header, separator, payload = url.removeprefix("data:").partition(",")
    kind, _, encoding = header.partition(";")
    try:
        content = base64.b64decode(payload, validate=True) if encoding == "base64" else unquote_to_bytes(payload)
    except binascii.Error:
        raise FetchError(12300, "the data URL is not valid") from None
    if not separator or "/" not in kind:
        raise FetchError(12300, "the data URL has no content type")
    if len(content) > MAX_MEDIA_BYTES:
        raise FetchError(11751, "the media file is larger than 5 MB")
    return Fetched(kind.lower(), content)
