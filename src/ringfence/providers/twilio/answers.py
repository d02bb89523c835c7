"""Reading what an HTTP server claims to be Twilio's answer, without trusting a byte of it."""

import base64
import json
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast

import aiohttp

from ringfence.kit.clock import utc_now

_LONGEST_RETRY_AFTER_SECONDS: Final = 86_400.0


def basic_authorization(user: str, secret: str) -> str:
    """The value of the Authorization header (RFC 7617, UTF-8)."""
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode("ascii")


async def read_capped(response: aiohttp.ClientResponse, max_bytes: int) -> bytes | None:
    """The whole body, or None as soon as it proves longer than `max_bytes`."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def json_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object; empty for anything else."""
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}


def error_code(body: bytes) -> int | None:
    """Twilio's code in an error body, or None."""
    code = json_object(body).get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def whole_number(value: object) -> int | None:
    """A count that Twilio writes as a number or as a string of digits; None for anything else."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def retry_after_seconds(value: str | None) -> float | None:
    """Seconds to wait, from either form of Retry-After (RFC 9110, 10.2.3), between 0 and a day."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), _LONGEST_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max((aware - utc_now()).total_seconds(), 0.0), _LONGEST_RETRY_AFTER_SECONDS)
