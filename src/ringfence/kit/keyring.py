"""The server's keys: sealing of secrets at rest, and codes that prove a value came from this server.

Both are derived from SECRET_KEYS. The first key seals and signs; every key opens and verifies, so that keys can be
rotated without stopping.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ringfence.kit.secret import mac, same

_VERSION = "v1"
_NONCE_BYTES = 12


class SealBrokenError(Exception):
    """A sealed value cannot be opened: its key is gone from SECRET_KEYS, or it was made for another context."""


class Keyring:
    """Seals, opens, signs and verifies. Never prints its keys."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("a keyring needs a key")
        self._keys = [key.encode() for key in keys]
        self._by_name = {self._name(key): key for key in self._keys}

    def seal(self, plain: str, *, context: str) -> str:
        """Encrypt (AES-256-GCM) a secret for one context, such as `twilio_settings:<company>`.

        The context is authenticated: a sealed value copied to another row or company does not open there.
        """
        key = self._keys[0]
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._derive(key, "seal")).encrypt(nonce, plain.encode(), context.encode())
        return f"{_VERSION}.{self._name(key)}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, context: str) -> str:
        """Decrypt what `seal` made for the same context; raises SealBrokenError."""
        try:
            version, name, payload = sealed.split(".")
            raw = base64.urlsafe_b64decode(payload)
            if version != _VERSION:
                raise SealBrokenError("unknown format")
            cipher = AESGCM(self._derive(self._by_name[name], "seal"))
            return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context.encode()).decode()
        except (ValueError, KeyError, InvalidTag, binascii.Error):
            raise SealBrokenError("no key of SECRET_KEYS opens this value here") from None

    def is_current(self, sealed: str) -> bool:
        """Whether a value was sealed with the first key; if not, rotation seals it again."""
        return sealed.split(".")[1:2] == [self._name(self._keys[0])]

    def sign(self, purpose: str, *parts: str) -> str:
        """A hex code over the parts that only this server can make, for one purpose."""
        return mac(self._derive(self._keys[0], "sign:" + purpose), *parts)

    def verify(self, code: str, purpose: str, *parts: str) -> bool:
        """Whether `sign` made this code, with any of the keys."""
        return any(same(code, mac(self._derive(key, "sign:" + purpose), *parts)) for key in self._keys)

    @staticmethod
    def _derive(key: bytes, purpose: str) -> bytes:
        return hashlib.blake2b(purpose.encode(), key=hashlib.sha256(key).digest(), digest_size=32).digest()

    @staticmethod
    def _name(key: bytes) -> str:
        return hashlib.sha256(b"name:" + key).hexdigest()[:8]
