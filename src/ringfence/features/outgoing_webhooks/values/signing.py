"""Signatures after the Standard Webhooks specification: HMAC-SHA256 over `id.timestamp.body`, base64, version 1."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # what a secret begins with, not one
# The specification asks for 24 to 64 bytes.
_SECRET_BYTES: Final = 32


def new_secret() -> str:
    """A new signing secret, `whsec_` and base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def seal_context(endpoint_id: UUID) -> str:
    """The keyring context of an endpoint's sealed secrets."""
    return f"webhook_endpoint:{endpoint_id}"


def webhook_id(event_id: UUID) -> str:
    """What a receiver knows an event by: the same in each attempt, in a replay, and at each of its endpoints."""
    return f"evt_{event_id}"


def signed_headers(used_secrets: Sequence[str], *, event_id: UUID, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers, with a signature of each secret; `at` is the instant of this attempt."""
    identifier, timestamp = webhook_id(event_id), str(int(at.timestamp()))
    content = f"{identifier}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.new(_key(item), content, hashlib.sha256).digest()) for item in used_secrets]
    return {
        "webhook-id": identifier,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature.decode()}" for signature in signatures),
    }


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX))
