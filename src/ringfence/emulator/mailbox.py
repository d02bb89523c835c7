"""A mailbox for e-mail that the application sends: SMTP on a local port in, JSON and a page out.

Nothing is passed on to anywhere. The newest messages are kept in memory.
"""

import asyncio
from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast
from weakref import WeakSet

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from ringfence.emulator.control import NotHereError, controlled
from ringfence.emulator.pages import static_route
from ringfence.kit.clock import utc_now

MAX_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Mail:
    """One e-mail. `to` are the recipients of the envelope; `text` and `html` are its bodies, empty if missing."""

    id: int
    sender: str
    to: list[str]
    subject: str
    text: str
    html: str
    received_at: datetime

    def as_json(self) -> dict[str, object]:
        """The mail as JSON values."""
        values: dict[str, object] = asdict(self)
        values["received_at"] = self.received_at.isoformat()
        return values


class Mailbox:
    """Receives e-mail by SMTP (no log-in, no encryption: loopback only) and keeps the last `limit`."""

    def __init__(self, *, limit: int = 200) -> None:
        self._mails: deque[Mail] = deque(maxlen=limit)
        self._last_id = 0
        self._server: asyncio.Server | None = None
        self._protocols: WeakSet[SMTP] = WeakSet()
        self.url = ""

    @property
    def mails(self) -> list[Mail]:
        """What has arrived, newest first."""
        return list(self._mails)[::-1]

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 picks a free one. `url` is then `smtp://HOST:PORT`. Raises OSError if it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self._protocol(loop), host, port)
        address = cast("tuple[str, int]", self._server.sockets[0].getsockname())
        self.url = f"smtp://{host}:{address[1]}"

    async def stop(self) -> None:
        """Stop listening and end open conversations. What has arrived stays readable."""
        if self._server is None:
            return
        self._server.close()
        for protocol in self._protocols:
            if protocol.transport is not None:
                protocol.transport.close()
        await self._server.wait_closed()
        self._server = None

    def clear(self) -> None:
        """Throw everything away."""
        self._mails.clear()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Take one e-mail; called by aiosmtpd, with the SMTP answer coming out."""
        content = envelope.content
        message = message_from_bytes(content if isinstance(content, bytes) else b"", policy=policy.default)
        self._last_id += 1
        mail = Mail(
            id=self._last_id,
            sender=envelope.mail_from or "",
            to=[str(recipient) for recipient in envelope.rcpt_tos],
            subject=str(message.get("Subject", "")),
            text=_body(message, "plain"),
            html=_body(message, "html"),
            received_at=utc_now(),
        )
        self._mails.append(mail)
        return "250 Message accepted"

    def routes(self) -> list[web.RouteDef]:
        """The routes of the mailbox on the emulator's port."""
        return [
            static_route("/mailbox", "mailbox.html"),
            static_route("/mailbox.js", "mailbox.js"),
            web.get("/emulator/mailbox", controlled(self.list)),
            web.get("/emulator/mailbox/{id:[0-9]+}", controlled(self.show)),
            web.delete("/emulator/mailbox", controlled(self.empty)),
        ]

    async def list(self, request: web.Request) -> web.StreamResponse:
        """What has arrived, newest first; `to` keeps the mail of one recipient."""
        to = request.query.get("to")
        chosen = [mail.as_json() for mail in self.mails if to is None or to in mail.to]
        return web.json_response({"mails": chosen})

    async def show(self, request: web.Request) -> web.StreamResponse:
        """One e-mail."""
        wanted = int(request.match_info["id"])
        for mail in self._mails:
            if mail.id == wanted:
                return web.json_response(mail.as_json())
        raise NotHereError("no such e-mail")

    async def empty(self, request: web.Request) -> web.StreamResponse:
        """Throw everything away."""
        removed = len(self._mails)
        self.clear()
        return web.json_response({"removed": removed})

    def _protocol(self, loop: asyncio.AbstractEventLoop) -> SMTP:
        protocol = SMTP(self, loop=loop, hostname="localhost", ident="Mailbox", data_size_limit=MAX_BYTES)
        self._protocols.add(protocol)
        return protocol


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return ""
    content: object = part.get_content()
    return content if isinstance(content, str) else ""
