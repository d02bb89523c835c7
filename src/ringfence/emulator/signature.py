"""X-Twilio-Signature, by Twilio's published rule (https://www.twilio.com/docs/usage/webhooks/webhooks-security)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping


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
