"""One POST to an address that a company chose.

The address is checked where the socket is made, so what is checked is what is connected to: a name that answers
differently the second time, a number written oddly, nothing passes by. No redirect is followed, no proxy of the
environment is used, no cookie is kept, and of the answer a little is read.
"""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ringfence.kit.clock import monotonic_seconds
from ringfence.providers.outgoing.networks import Reach

NoAnswerReason = Literal["timeout", "dns", "address_not_allowed", "tls", "connection", "bad_answer", "bad_url"]
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → its addresses. Raises OSError."""

MOST_READ_BYTES: Final = 2048
_LONGEST_CONNECT_SECONDS: Final = 10.0
_LOOKUP_THREADS: Final = 32


@dataclass(frozen=True, slots=True)
class Answered:
    """The receiver answered: `excerpt` is the beginning of what it said."""

    status: int
    excerpt: str = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """There was no answer, and why."""

    reason: NoAnswerReason
    seconds: float


class AddressNotAllowedError(OSError):
    """The host has no address that requests may go to."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "address not allowed")


class OutgoingClient:
    """Makes the requests. `start()` and `close()` in one event loop.

    `lookup` stands in for the system's resolver. `timeout_seconds` bounds a whole request: name, connection, answer.
    """

    def __init__(
        self, reach: Reach, *, timeout_seconds: float, max_connections: int = 500, lookup: Lookup | None = None
    ) -> None:
        self.reach = reach
        self._timeout_seconds = timeout_seconds
        self._max_connections = max_connections
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="webhook-dns")
        self._lookup = lookup or self._system_lookup
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def start(self) -> None:
        """Open the sessions; starting twice changes nothing."""
        if self._sessions:
            return
        for scheme in ("https", "http"):
            self._sessions[scheme] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._max_connections,
                    limit_per_host=0,
                    resolver=_Resolver(self._lookup),
                    socket_factory=partial(self._socket, scheme == "http"),
                    # Each request makes, and so checks, its own connection; it shares none with another company.
                    force_close=True,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=min(_LONGEST_CONNECT_SECONDS, self._timeout_seconds)
                ),
                auto_decompress=False,  # a small answer must not become a large one
                trust_env=False,
            )

    async def close(self) -> None:
        """Close the sessions; requests under way end without an answer."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Answered | NoAnswer:
        """POST once; every failure is a NoAnswer, none is an exception. Raises RuntimeError when not started."""
        if not self._sessions:
            raise RuntimeError("the client is not started")
        started = monotonic_seconds()
        status: int | None = None
        excerpt = bytearray()
        reason: NoAnswerReason = "connection"
        try:
            async with asyncio.timeout(self._timeout_seconds):
                target = URL(url)
                async with self._sessions[target.scheme].post(
                    target,
                    data=body,
                    headers={"Accept-Encoding": "identity", **headers},
                    allow_redirects=False,
                ) as response:
                    status = response.status
                    async for chunk in response.content.iter_any():
                        excerpt += chunk[: MOST_READ_BYTES - len(excerpt)]
                        if len(excerpt) >= MOST_READ_BYTES:
                            break
        except TimeoutError:
            reason = "timeout"
        except aiohttp.ClientConnectorDNSError:
            reason = "dns"
        except aiohttp.ClientSSLError:
            reason = "tls"
        except (aiohttp.ClientError, OSError) as error:
            reason = _reason_of(error)
        except (ValueError, KeyError):
            reason = "bad_url"
        seconds = monotonic_seconds() - started
        if status is None:
            return NoAnswer(reason, seconds)
        # Whoever has sent a status has answered, also when the rest breaks off or never ends.
        return Answered(status, excerpt.decode("utf-8", errors="replace"), seconds)

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host, within the deadline. Raises OSError (TimeoutError is one) when there are none."""
        async with asyncio.timeout(self._timeout_seconds):
            return await self._lookup(host, port)

    async def _system_lookup(self, host: str, port: int) -> Sequence[str]:
        """Threads of its own: a name server that does not answer must not hold up other work of the process."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def _socket(self, plain: bool, found: tuple[int, int, int, str, tuple[str | int, ...]]) -> socket.socket:
        family, kind, protocol, _, address = found
        if not self.reach.permits(str(address[0]), plain=plain):
            raise AddressNotAllowedError
        return socket.socket(family, kind, protocol)


class _Resolver(AbstractResolver):
    """aiohttp's face of a lookup."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._lookup(host, port)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in found
            if family in {socket.AF_UNSPEC, socket.AF_INET6 if ":" in address else socket.AF_INET}
        ]

    async def close(self) -> None:
        """Nothing to close."""


def _reason_of(error: BaseException) -> NoAnswerReason:
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, AddressNotAllowedError):
        return "address_not_allowed"
    if isinstance(error, aiohttp.InvalidURL):
        return "bad_url"
    if isinstance(error, aiohttp.ClientResponseError):
        return "bad_answer"
    return "connection"
