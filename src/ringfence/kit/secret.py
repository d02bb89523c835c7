"""Random tokens, their hashes, and message authentication codes."""

import hashlib
import hmac
import secrets


def new_token(prefix: str = "", *, entropy_bytes: int = 32) -> str:
    """A random URL-safe token of `entropy_bytes` bytes of entropy, with a readable prefix."""
    return prefix + secrets.token_urlsafe(entropy_bytes)


def token_hash(token: str) -> bytes:
    """SHA-256 of a high-entropy token: what the database stores instead of the token."""
    return hashlib.sha256(token.encode()).digest()


def mac(key: bytes, *parts: str) -> str:
    """Hex HMAC-SHA256 over the parts, each length-prefixed so that no two lists of parts collide."""
    message = b"".join(f"{len(part.encode())}:".encode() + part.encode() for part in parts)
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def same(left: str, right: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
