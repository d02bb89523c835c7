"""The `X-Twilio-Signature` of webhooks: who really sent this request.

Rules: https://www.twilio.com/docs/usage/webhooks/webhooks-security. The URL is the one Twilio was told to call,
rebuilt from settings and never from `Host` or `X-Forwarded-*`; the key is the account's auth token, never an
API key's secret. Written here, not taken from the SDK, because every inbound text and status runs through it.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs

_DEFAULT_PORTS = {"https": "443", "http": "80"}


def expected_signature(token: str, url: str, params: Sequence[tuple[str, str]]) -> str:
    """The base64 signature of one exact URL and the decoded form fields (none for GET and JSON requests).

    Fields count in the order of their names; of a repeated field each different value counts once, in order;
    blank values count. Code points and UTF-8 bytes sort alike, so text is compared.
    """
    signed = url + "".join([name + value for name, value in sorted(set(params))])
    # A lone surrogate cannot come from Twilio; it must give a wrong signature, not an exception.
    digest = hmac.digest(token.encode(), signed.encode("utf-8", "surrogatepass"), "sha1")
    return base64.b64encode(digest).decode("ascii")


def is_valid_signature(
    *,
    token: str,
    url: str,
    params: Sequence[tuple[str, str]],
    header: str | None,
    body: bytes | None = None,
) -> bool:
    """Whether `header` is the signature of this request under `token`. Never raises on what a stranger sends.

    `params` are all decoded form fields, blank ones kept. `body` is given for a request that is no form (JSON):
    then the URL must carry `bodySHA256` and the raw bytes must have that hash; a URL with `bodySHA256` is never
    accepted without its body. An empty token validates nothing. Twilio signs some URLs with their port and some
    without: both are tried, as is the scheme's default port.
    """
    if not token or not header:
        return False
    body_hash = _body_hash(url)
    if (body is None) != (body_hash is None):
        return False
    if body is not None and body_hash is not None:
        actual = hashlib.sha256(body).hexdigest().encode()
        if not hmac.compare_digest(actual, body_hash.lower().encode("utf-8", "replace")):
            return False
        params = ()
    given = header.encode("utf-8", "replace")
    return any(
        hmac.compare_digest(expected_signature(token, variant, params).encode(), given)
        for variant in _url_variants(url)
    )


def _body_hash(url: str) -> str | None:
    """The `bodySHA256` of the URL's query, or None."""
    if "bodySHA256" not in url:
        return None
    query = url.partition("#")[0].partition("?")[2]
    values = parse_qs(query, keep_blank_values=True).get("bodySHA256")
    return values[0] if values else None


def _url_variants(url: str) -> Iterator[str]:
    """The URL without fragment and user info, as given and then with the other spelling of its port.

    Cut and joined as text: rebuilding a URL from its parsed parts could change bytes that were signed.
    """
    url = url.partition("#")[0]
    scheme, separator, rest = url.partition("://")
    end = next((index for index, char in enumerate(rest) if char in "/?"), len(rest))
    host_and_port, tail = rest[:end].rpartition("@")[2], rest[end:]
    yield f"{scheme}{separator}{host_and_port}{tail}"
    host, colon, port = host_and_port.rpartition(":")
    if colon and port.isdigit():
        yield f"{scheme}{separator}{host}{tail}"
    elif default := _DEFAULT_PORTS.get(scheme.lower()):
        yield f"{scheme}{separator}{host_and_port}:{default}{tail}"
