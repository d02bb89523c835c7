"""X-Twilio-Signature, by Twilio's published rule (https://www.twilio.com/docs/usage/webhooks/webhooks-security)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit


def sign(auth_token: str, url: str, parameters: Mapping[str, str]) -> str:
    """The signature of one request.

    `url` is exactly what is requested, query included, without fragment and userinfo. `parameters` are those of
    a form body, decoded; they are empty for GET. Base64 of HMAC-SHA1 over the URL followed by each name and
    value in byte order of the names.
    """
    parts = [url]
    for name in sorted(parameters, key=lambda item: item.encode()):
        parts += (name, parameters[name])
    digest = hmac.new(auth_token.encode(), "".join(parts).encode(), hashlib.sha1)
    return base64.b64encode(digest.digest()).decode()


def signed_address(url: str, *, voice: bool) -> str:
    """The address as it is signed: for calls over HTTPS without its port, else byte for byte.

    https://www.twilio.com/docs/usage/security#validating-requests
    """
    parts = urlsplit(url)
    if not voice or parts.scheme != "https" or parts.port is None:
        return url
    return url.replace(f":{parts.port}", "", 1)
