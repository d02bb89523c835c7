"""Hands mails to the mail server that RINGFENCE_SMTP_URL names."""

from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

from ringfence.errors import ConfigurationError
from ringfence.jobqueue.jobs import AbandonedJobError

_DEADLINE_SECONDS = 20.0


class SMTPMailer:
    """Implements the users room's `Mailer`: smtp:// (STARTTLS if the server offers it) or smtps://."""

    def __init__(self, url: str, sender: str) -> None:
        """Raises ConfigurationError for an address that is none."""
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ConfigurationError("RINGFENCE_SMTP_URL must be of the form smtp://user:password@host:port.")
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname
        self._port = parts.port or (465 if self._tls else 587)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._sender = sender

    async def send(self, to: str, subject: str, text: str, html: str) -> None:
        """Deliver one mail to the server within 20 s; raises aiosmtplib.SMTPException or OSError."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, to, subject
        message.set_content(text)
        message.add_alternative(html, subtype="html")
        try:
            await aiosmtplib.send(
                message,
                hostname=self._host,
                port=self._port,
                username=self._user,
                password=self._password,
                use_tls=self._tls,
                timeout=_DEADLINE_SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            # 4xx may pass (greylisting, a full mailbox); 5xx will not (RFC 5321, 4.2.1).
            if all(refused.code >= 500 for refused in error.recipients):
                raise AbandonedJobError("the mail server refuses this recipient") from None
            raise


class NoMailer:
    """Stands in when no mail server is set: jobs from a time when one was end with a clear word."""

    async def send(self, to: str, subject: str, text: str, html: str) -> None:
        """Refuse."""
        raise AbandonedJobError("no mail is sent: RINGFENCE_SMTP_URL is not set")
