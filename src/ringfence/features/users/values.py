"""E-mail addresses, passwords, and what the doors hand to this room."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Literal, Protocol, TypeVar
from uuid import UUID

import argon2
from argon2.exceptions import VerifyMismatchError
from email_validator import EmailNotValidError, validate_email

from ringfence.errors import InvalidInputError, TooManyRequestsError
from ringfence.jobqueue.jobs import Job
from ringfence.kit.secret import new_token

Role = Literal["company_admin", "manager", "agent"]
UserStatus = Literal["active", "suspended"]
Scope = Literal["read", "send", "manage", "admin"]

Answer = TypeVar("Answer")

KEY_PREFIX = "rf_"
SESSION_PREFIX = "rs_"
PLATFORM_SESSION_PREFIX = "rp_"

_ORDINARY_PARENT = ".example"

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200

RESET_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPolicy:
    """The settings this room needs; the door that builds the application makes it."""

    public_url: str
    cookie_secure: bool
    session_lifetime: timedelta
    invitation_lifetime: timedelta
    mails_invitations: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MailInvitation(Job):
    """Mail an invitation's link to the person it is for."""

    kind: ClassVar[str] = "users.mail_invitation"

    invitation_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPasswordReset(Job):
    """Mail the link to a new password to the person it is for."""

    kind: ClassVar[str] = "users.mail_password_reset"

    reset_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseConversations(Job):
    """A person was suspended: make their conversations nobody's."""

    kind: ClassVar[str] = "users.release_conversations"

    user_id: UUID


class Mailer(Protocol):
    """Sends one mail; the worker's door brings an implementation."""

    async def send(self, to: str, subject: str, text: str, html: str) -> None:
        """Hand a mail to the mail server; returns once it was accepted, raises if it was not."""
        ...


@dataclass(frozen=True, slots=True)
class Email:
    """An address as it was written, and the form it is compared by."""

    shown: str
    norm: str


def seal_context(invitation_id: UUID) -> str:
    """The keyring context of an invitation's sealed link."""
    return f"invitation:{invitation_id}"


def reset_seal_context(reset_id: UUID) -> str:
    """The keyring context of a password reset's sealed link."""
    return f"password_reset:{reset_id}"


def parse_email(text: str) -> Email:
    """Read an address. No DNS question is asked: a server may stand in a network of its own.

    Raises InvalidInputError.
    """
    try:
        # `ana@crm.local` and `ana@office` are everyday in the networks such servers stand in, but the library takes
        # reserved and dotless domains for mistakes. Below a domain that is neither, it looks at their form only.
        found = validate_email(text.strip() + _ORDINARY_PARENT, check_deliverability=False)
    except EmailNotValidError:
        raise InvalidInputError("bad_email", "email must be an address such as ana@example.com.") from None
    shown = found.normalized.removesuffix(_ORDINARY_PARENT)
    return Email(shown, shown.lower())


def login_name(text: str) -> str:
    """What is looked up at log-in for any text: the norm of an address, or text that belongs to nobody."""
    try:
        return parse_email(text).norm
    except InvalidInputError:
        return text.strip().lower()


def check_password(password: str, *, email: str) -> str:
    """The password itself if it may be used: 10 to 200 characters, and not the address. Raises InvalidInputError."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidInputError(
            "weak_password", f"The password must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters."
        )
    if password.strip().lower() == email.strip().lower():
        raise InvalidInputError("weak_password", "The password must not be the e-mail address.")
    return password


class PasswordHasher:
    """Argon2id with argon2-cffi's defaults (RFC 9106, low memory), a few at a time in threads.

    Each hash takes tens of milliseconds and 64 MiB, so the number under way and the number waiting are bounded:
    a flood of log-ins is answered with TooManyRequestsError instead of eating the server's memory.
    """

    def __init__(
        self,
        *,
        time_cost: int = argon2.DEFAULT_TIME_COST,
        memory_kib: int = argon2.DEFAULT_MEMORY_COST,
        parallelism: int = argon2.DEFAULT_PARALLELISM,
        at_once: int = 4,
        waiting: int = 64,
    ) -> None:
        self._argon2 = argon2.PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=parallelism)
        self._nobody = self._argon2.hash(new_token())
        self._turns = asyncio.Semaphore(at_once)
        self._free = at_once + waiting

    async def hash(self, password: str) -> str:
        """The encoded hash of a password, with its salt and parameters."""
        return await self._run(lambda: self._argon2.hash(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the hash is of this password. None (nobody has this e-mail) costs the same and is never true."""
        return await self._run(lambda: self._matches(password_hash or self._nobody, password)) and bool(password_hash)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(password_hash, password)
        except VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], Answer]) -> Answer:
        if self._free <= 0:
            raise TooManyRequestsError(
                "busy", "Too many log-ins at this moment; try again shortly.", {"retry_after_seconds": 2}
            )
        self._free -= 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._free += 1
