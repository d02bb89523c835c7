"""Mail leaves by SMTP, and a recipient who can never be reached is not tried again and again."""

import asyncio
from collections.abc import AsyncIterator

import aiosmtplib
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from ringfence.emulator.mailbox import Mailbox
from ringfence.errors import ConfigurationError
from ringfence.jobqueue.jobs import AbandonedJobError
from ringfence.worker.mail import NoMailer, SMTPMailer
from tests.factories.processes import free_port


class Refusing:
    """Answers every recipient with one reply."""

    def __init__(self, reply: str) -> None:
        self.reply = reply

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, _envelope: Envelope, _address: str, _options: list[str]
    ) -> str:
        return self.reply


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    mailbox = Mailbox()
    await mailbox.start()
    yield mailbox
    await mailbox.stop()


async def test_a_mail_arrives_with_both_parts(mailbox: Mailbox) -> None:
    mailer = SMTPMailer(mailbox.url, "Ringfence <ringfence@localhost>")

    await mailer.send("ana@example.com", "Your invitation to Büro", "Hello in text", "<p>Hello in HTML</p>")

    [mail] = mailbox.mails
    assert mail.subject == "Your invitation to Büro"
    assert "ana@example.com" in str(mail)
    assert "Hello in text" in str(mail)


@pytest.mark.parametrize(
    ("reply", "error"),
    [("550 no such user", AbandonedJobError), ("451 try again later", aiosmtplib.SMTPRecipientsRefused)],
)
async def test_a_refused_recipient_is_tried_again_only_if_that_can_help(reply: str, error: type[Exception]) -> None:
    port = free_port()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Refusing(reply)), "127.0.0.1", port)
    async with server:
        with pytest.raises(error):
            await SMTPMailer(f"smtp://127.0.0.1:{port}", "r@localhost").send("ana@example.com", "s", "t", "h")


@pytest.mark.parametrize("url", ["http://mail", "smtp://", "mail.example.com"])
def test_an_address_that_is_none_is_a_clear_line(url: str) -> None:
    with pytest.raises(ConfigurationError, match="RINGFENCE_SMTP_URL"):
        SMTPMailer(url, "r@localhost")


async def test_without_a_server_a_mail_is_abandoned() -> None:
    with pytest.raises(AbandonedJobError, match="RINGFENCE_SMTP_URL"):
        await NoMailer().send("ana@example.com", "s", "t", "h")
